//! The datatype Signature in JSON: checked and made.
//! Spec: <https://hl7.org/fhir/R4/signatures.html>
//!
//! `Signature.data` is the base64 of a JWS with a detached payload
//! (<https://www.rfc-editor.org/rfc/rfc7515#appendix-F>): header and signature with nothing between
//! the dots. The payload is the [`canonical`] form of the resource without its own `signature`.
//! The header names an algorithm that is allowed and carries, as `x5c`, the certificate of the key
//! and those between it and a trust anchor. Nothing else in the header chooses how it is checked.
//!
//! `when` and `who` stand outside of what is signed. So `who` is held against the certificate, and
//! `when` against `iat` of the header, where there is one; what this module makes has one.

mod canonical;
mod make;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_model::{Instant, Issue, IssueType, ResourceView, Value};
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext};

pub use canonical::canonical;
pub use make::{Hand, NoHand};

use crate::certificate::CertificateError;
use crate::from_base64url;
use crate::jose::{Algorithm, parse_json};

/// The member of a resource that is not part of what is signed.
const SIGNATURE: &str = "signature";
/// Longer signatures are no signatures.
const MOST_BYTES: usize = 64 * 1024;
/// Certificates of one chain.
const MOST_CERTIFICATES: usize = 8;
/// Shorter RSA keys are not safe.
const LEAST_RSA_BITS: u32 = 2_048;

/// Which signatures are good.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The algorithms that are taken.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ, in seconds.
    pub leeway_s: i64,
    /// How old a signature may be, in seconds; none for any age.
    pub max_age_s: Option<i64>,
    /// The part of the certificate's subject (`serialNumber`, `O`, `CN`) that
    /// `who.identifier.value` must be, with or without `urn:oid:`; none where who signed is not
    /// held against the certificate.
    pub who: Option<String>,
    anchors: Vec<X509>,
}

/// What is wrong with a signature. No message repeats anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// There is none.
    #[error("a signature is required")]
    Missing,
    /// `data` is no base64 of a JWS with a detached payload.
    #[error("expected the base64 of a JWS with a detached payload (header..signature)")]
    Form,
    /// The header names no algorithm that is allowed, or what must be understood and isn't.
    #[error("the algorithm of the signature is not allowed, or its header has a crit member")]
    Algorithm,
    /// The header carries no usable certificate.
    #[error("expected the certificate of the key in the header, as x5c")]
    Certificate,
    /// The certificate does not lead to a trust anchor, or is not valid now.
    #[error("the certificate is not trusted, or is not valid now")]
    Untrusted,
    /// The signature doesn't fit.
    #[error("the signature does not fit what was sent")]
    Signature,
    /// `when` is missing, in the future, too old, or not the time that was signed.
    #[error("the time of the signature is missing, or cannot be")]
    When,
    /// `who` is not who the certificate was given to.
    #[error("the certificate was not given to who signed")]
    Who,
}

impl Fault {
    /// The element of Signature that it is about.
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Missing => "",
            Self::When => "when",
            Self::Who => "who",
            Self::Form
            | Self::Algorithm
            | Self::Certificate
            | Self::Untrusted
            | Self::Signature => "data",
        }
    }
}

impl Terms {
    /// Terms with these trust anchors (PEM): authorities, or the very certificates that sign.
    ///
    /// # Errors
    /// Where there is no certificate in it.
    pub fn new(algorithms: Vec<Algorithm>, anchors: &[u8]) -> Result<Self, CertificateError> {
        let anchors = X509::stack_from_pem(anchors).unwrap_or_default();
        if anchors.is_empty() {
            return Err(CertificateError::NoCertificate("the file of trust anchors".to_owned()));
        }
        Ok(Self { algorithms, leeway_s: 60, max_age_s: None, who: None, anchors })
    }

    /// What is wrong with the signature of a Bundle: nothing where it is good.
    #[must_use]
    pub fn of_bundle(&self, bundle: ResourceView<'_>, now: Instant) -> Vec<Issue> {
        let place = format!("{}.{SIGNATURE}", bundle.resource_type);
        match bundle.value.get(SIGNATURE) {
            None => vec![issue(Fault::Missing, &place)],
            Some(signature) => {
                let faults = self.faults(signature, &canonical(bundle, &[SIGNATURE]), now);
                faults.into_iter().map(|fault| issue(fault, &place)).collect()
            }
        }
    }

    /// What is wrong with the signatures of a Provenance, each of which is over `target`: the one
    /// resource that the Provenance is about.
    #[must_use]
    pub fn of_provenance(
        &self,
        provenance: ResourceView<'_>,
        target: ResourceView<'_>,
        now: Instant,
    ) -> Vec<Issue> {
        let payload = canonical(target, &[SIGNATURE]);
        let all = provenance.value.get(SIGNATURE).into_iter().flat_map(Value::items);
        let mut issues = Vec::new();
        for (at, signature) in all.enumerate() {
            let place = format!("Provenance.{SIGNATURE}[{at}]");
            let faults = self.faults(signature, &payload, now);
            issues.extend(faults.into_iter().map(|fault| issue(fault, &place)));
        }
        issues
    }

    /// What is wrong with a value of the datatype Signature over these bytes.
    #[must_use]
    pub fn faults(&self, signature: Value<'_>, payload: &[u8], now: Instant) -> Vec<Fault> {
        let data = signature.get("data").and_then(Value::text).unwrap_or_default();
        let Some(jws) = Jws::read(&data) else { return vec![Fault::Form] };
        let algorithm = jws.algorithm().filter(|algorithm| self.algorithms.contains(algorithm));
        let Some(algorithm) = algorithm else { return vec![Fault::Algorithm] };
        let Some((certificate, between)) = jws.chain() else { return vec![Fault::Certificate] };
        let mut faults = Vec::new();
        if !self.is_trusted(&certificate, between, now).unwrap_or(false) {
            faults.push(Fault::Untrusted);
        }
        let is_good = signing_key(&certificate)
            .is_some_and(|key| algorithm.verifies(&key, &jws.signed(payload), &jws.signature));
        if !is_good {
            faults.push(Fault::Signature);
        }
        let when = signature.get("when").and_then(Value::text);
        let when = when.and_then(|when| when.parse::<Instant>().ok());
        if !when.is_some_and(|when| self.is_time(when, &jws, &certificate, now)) {
            faults.push(Fault::When);
        }
        if self.who.as_deref().is_some_and(|part| !is_who(signature, &certificate, part)) {
            faults.push(Fault::Who);
        }
        faults
    }

    fn is_trusted(
        &self,
        certificate: &X509,
        between: Vec<X509>,
        now: Instant,
    ) -> Result<bool, ErrorStack> {
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_time(now.seconds());
        // An anchor is trusted by itself, whoever has signed it.
        parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        let mut builder = X509StoreBuilder::new()?;
        for anchor in &self.anchors {
            builder.add_cert(anchor.clone())?;
        }
        builder.set_param(&parameters)?;
        let store = builder.build();
        let mut chain = Stack::new()?;
        for each in between {
            chain.push(each)?;
        }
        X509StoreContext::new()?.init(&store, certificate, &chain, |context| context.verify_cert())
    }

    fn is_time(&self, when: Instant, jws: &Jws, certificate: &X509, now: Instant) -> bool {
        let (when_s, now_s) = (when.seconds(), now.seconds());
        let is_young =
            self.max_age_s.is_none_or(|age| when_s >= now_s.saturating_sub(age + self.leeway_s));
        let is_signed = jws.issued().is_none_or(|issued| issued == when_s);
        let is_after_birth =
            Asn1Time::from_unix(when_s).is_ok_and(|when| certificate.not_before() <= &*when);
        when_s <= now_s.saturating_add(self.leeway_s) && is_young && is_signed && is_after_birth
    }
}

/// The parts of a JWS with a detached payload.
struct Jws {
    header_text: String,
    header: serde_json::Map<String, serde_json::Value>,
    signature: Vec<u8>,
}

impl Jws {
    fn read(data: &str) -> Option<Self> {
        if data.len() > MOST_BYTES {
            return None;
        }
        let text: String = data.split_ascii_whitespace().collect();
        let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let (header, rest) = text.split_once('.')?;
        let signature = rest.strip_prefix('.')?;
        Some(Self {
            header_text: header.to_owned(),
            header: parse_json(&from_base64url(header)?, 4)?,
            signature: from_base64url(signature)?,
        })
    }

    fn algorithm(&self) -> Option<Algorithm> {
        if self.header.contains_key("crit") || self.header.contains_key("b64") {
            return None;
        }
        Algorithm::named(self.header.get("alg")?.as_str()?)
    }

    /// The certificate of the key, and those that follow it.
    fn chain(&self) -> Option<(X509, Vec<X509>)> {
        let listed = self.header.get("x5c")?.as_array()?;
        if listed.len() > MOST_CERTIFICATES {
            return None;
        }
        let read =
            |each: &serde_json::Value| X509::from_der(&STANDARD.decode(each.as_str()?).ok()?).ok();
        let mut all = listed.iter().map(read).collect::<Option<Vec<X509>>>()?.into_iter();
        Some((all.next()?, all.collect()))
    }

    fn issued(&self) -> Option<i64> {
        self.header.get("iat").map(|issued| issued.as_i64().unwrap_or(i64::MIN))
    }

    /// The bytes under the signature.
    fn signed(&self, payload: &[u8]) -> Vec<u8> {
        format!("{}.{}", self.header_text, crate::base64url(payload)).into_bytes()
    }
}

/// The key of a certificate, where it is one to sign with.
fn signing_key(certificate: &X509) -> Option<PKey<Public>> {
    let key = certificate.public_key().ok()?;
    let is_short = key.id() == Id::RSA && key.bits() < LEAST_RSA_BITS;
    (!is_short).then_some(key)
}

fn is_who(signature: Value<'_>, certificate: &X509, part: &str) -> bool {
    let nid = match part {
        "serialNumber" => Nid::SERIALNUMBER,
        "O" => Nid::ORGANIZATIONNAME,
        "OU" => Nid::ORGANIZATIONALUNITNAME,
        _ => Nid::COMMONNAME,
    };
    let said = signature.get("who").and_then(|who| who.get("identifier")?.get("value")?.text());
    let Some(said) = said else { return false };
    let bare = |text: &str| text.strip_prefix("urn:oid:").unwrap_or(text).to_owned();
    certificate
        .subject_name()
        .entries_by_nid(nid)
        .any(|entry| entry.data().to_string().is_ok_and(|text| bare(&text) == bare(&said)))
}

fn issue(fault: Fault, place: &str) -> Issue {
    let place = match fault.element() {
        "" => place.to_owned(),
        element => format!("{place}.{element}"),
    };
    Issue::error(IssueType::BusinessRule, fault.to_string()).at(place)
}
