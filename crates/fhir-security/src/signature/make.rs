//! Signatures that this program makes: for the system that signs what it sends, and for tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir_model::{Instant, ResourceView, write};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use serde_json::json;

use super::{SIGNATURE, canonical};
use crate::base64url;
use crate::jose::{Algorithm, SigningError};

/// A key with its certificates, to sign with.
pub struct Hand {
    key: PKey<Private>,
    algorithm: Algorithm,
    chain: Vec<X509>,
}

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hand").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why nothing can be signed with it.
#[derive(Debug, thiserror::Error)]
pub enum NoHand {
    /// The key is none, or of a kind that is not signed with here.
    #[error("expected a private key in PEM form: RSA, P-256 or P-384")]
    Key,
    /// There is no certificate, or the first one is of another key.
    #[error("expected certificates in PEM form, that of the key first")]
    Certificates,
}

impl Hand {
    /// A key (PEM) with its certificate and those between it and a trust anchor (PEM). It signs
    /// with ES256, ES384 or PS256, as the key is.
    ///
    /// # Errors
    /// Where they are none, or don't belong together.
    pub fn new(key: &[u8], certificates: &[u8]) -> Result<Self, NoHand> {
        let key = PKey::private_key_from_pem(key).map_err(|_error| NoHand::Key)?;
        let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
        let algorithm = match curve {
            Some(Nid::X9_62_PRIME256V1) => Algorithm::Es256,
            Some(Nid::SECP384R1) => Algorithm::Es384,
            None if key.rsa().is_ok() => Algorithm::Ps256,
            Some(_) | None => return Err(NoHand::Key),
        };
        let chain = X509::stack_from_pem(certificates).unwrap_or_default();
        let own = chain.first().and_then(|first| first.public_key().ok());
        if !own.is_some_and(|own| own.public_eq(&key)) {
            return Err(NoHand::Certificates);
        }
        Ok(Self { key, algorithm, chain })
    }

    /// `Signature.data` over these bytes.
    ///
    /// # Errors
    /// Where OpenSSL cannot sign.
    pub fn data(&self, payload: &[u8], when: Instant) -> Result<String, SigningError> {
        let mut chain = Vec::with_capacity(self.chain.len());
        for each in &self.chain {
            chain.push(STANDARD.encode(each.to_der()?));
        }
        let header = json!({ "alg": self.algorithm.name(), "iat": when.seconds(), "x5c": chain })
            .to_string();
        let header = base64url(header.as_bytes());
        let signed = format!("{header}.{}", base64url(payload));
        let signature = self.algorithm.sign(&self.key, signed.as_bytes())?;
        Ok(STANDARD.encode(format!("{header}..{}", base64url(&signature))))
    }

    /// The resource with its signature: everything else stays as it is written. `who` is the
    /// system and the value of the identifier of who signs.
    ///
    /// # Errors
    /// Where OpenSSL cannot sign.
    pub fn signed(
        &self,
        view: ResourceView<'_>,
        who: (&str, &str),
        when: Instant,
    ) -> Result<Vec<u8>, SigningError> {
        let when = Instant(when.seconds() * 1_000_000);
        let data = self.data(&canonical(view, &[SIGNATURE]), when)?;
        let mut out = b"{".to_vec();
        for (key, value) in view.value.members().filter(|(key, _)| key != SIGNATURE) {
            write::string(&key, &mut out);
            out.push(b':');
            out.extend_from_slice(value.raw());
            out.push(b',');
        }
        let signature = json!({
            "type": [{ "system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1" }],
            "when": when.to_string(),
            "who": { "identifier": { "system": who.0, "value": who.1 } },
            "targetFormat": "application/fhir+json",
            "sigFormat": "application/jose",
            "data": data,
        });
        out.extend_from_slice(format!("\"{SIGNATURE}\":{signature}}}").as_bytes());
        Ok(out)
    }
}
