//! Which client asks, and how it proves that: a signed assertion, a secret, or not at all.
//! Specs: RFC 6749 (2.3), RFC 7523, and SMART's asymmetric authentication,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use fhir_security::is_same_secret;
use fhir_security::jose::{Algorithm, Issuer, KeySet, Limits, Presented, Verifier};
use serde_json::Value;

use super::exchange::{Asked, OAuthError};
use super::settings::{Client, Proof, Settings};
use super::{Authority, settings};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest time that an assertion may have before it, in seconds.
const MOST_S: u64 = 300;
/// How far clocks of clients may differ, in seconds.
const LEEWAY_S: u64 = 30;

/// How assertions may be signed; SMART asks for the first two.
pub(super) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Rs384,
    Algorithm::Es384,
    Algorithm::Rs256,
    Algorithm::Es256,
    Algorithm::Ps256,
    Algorithm::EdDsa,
];

/// A verifier with one issuer for each client, in their order; those without keys have none.
pub(super) fn assertions(settings: &Settings, issuer: &str) -> Verifier {
    // SMART names the token endpoint; newer drafts and libraries name the issuer.
    let audiences = vec![format!("{issuer}/token"), issuer.to_owned()];
    let issuers = settings.clients.iter().map(|client| Issuer {
        name: client.id.clone(),
        audiences: audiences.clone(),
        algorithms: ALGORITHMS.to_vec(),
        leeway_s: LEEWAY_S,
        is_single_use: true,
    });
    let verifier = Verifier::new(issuers.collect(), Limits::default());
    for (place, client) in settings.clients.iter().enumerate() {
        // The settings have read it before.
        if let Proof::Keys(document) = &client.proof
            && let Ok(keys) = KeySet::parse(document)
        {
            verifier.set_keys(place, keys);
        }
    }
    verifier
}

impl Authority {
    /// The client that a request to the token or introspection endpoint comes from. It must prove
    /// who it is in the one way that the settings know of it.
    ///
    /// # Errors
    /// `Client`, and `Request` where it tries several ways.
    pub(super) fn client(&self, asked: &Asked<'_>) -> Result<&Client, OAuthError> {
        let form = &asked.parameters;
        let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
        let (kind, assertion) = (form.one("client_assertion_type")?, form.one("client_assertion")?);
        let is_assertion = kind.is_some() || assertion.is_some();
        let ways = [asked.authorization.is_some(), secret.is_some(), is_assertion];
        if ways.iter().filter(|is_there| **is_there).count() > 1 {
            return Err(OAuthError::Request("a client proves who it is in one way only"));
        }
        let found = if let Some(header) = asked.authorization {
            self.by_header(header)?
        } else if let Some(secret) = secret {
            self.by_secret(id.ok_or(OAuthError::Client)?, secret)?
        } else if is_assertion {
            if kind != Some(ASSERTION) {
                return Err(OAuthError::Request("client_assertion_type is none that is known"));
            }
            self.by_assertion(assertion.ok_or(OAuthError::Client)?, asked.now_s)?
        } else {
            let found = self.known_client(id.ok_or(OAuthError::Client)?)?;
            match found.proof {
                Proof::Public => found,
                Proof::Secret(_) | Proof::Keys(_) => return Err(OAuthError::Client),
            }
        };
        match id {
            Some(id) if id != found.id => Err(OAuthError::Client),
            Some(_) | None => Ok(found),
        }
    }

    /// The client with this id.
    ///
    /// # Errors
    /// `Client` where there is none.
    pub(super) fn known_client(&self, id: &str) -> Result<&Client, OAuthError> {
        let found = self.settings.clients.iter().find(|client| client.id == id);
        found.ok_or(OAuthError::Client)
    }

    fn by_header(&self, header: &str) -> Result<&Client, OAuthError> {
        let (scheme, text) = header.split_once(' ').ok_or(OAuthError::Client)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(OAuthError::Client);
        }
        let decoded = openssl::base64::decode_block(text.trim()).ok();
        let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.ok_or(OAuthError::Client)?;
        let (id, secret) = pair.split_once(':').ok_or(OAuthError::Client)?;
        // Both are form-encoded before they are joined (RFC 6749, 2.3.1), which many clients forget.
        let decoded = |text| crate::http::decode_percent(text, true).ok();
        let encoded = decoded(id).zip(decoded(secret));
        let found = encoded.and_then(|(id, secret)| self.by_secret(&id, &secret).ok());
        found.map_or_else(|| self.by_secret(id, secret), Ok)
    }

    fn by_secret(&self, id: &str, secret: &str) -> Result<&Client, OAuthError> {
        let found = self.known_client(id)?;
        match &found.proof {
            Proof::Secret(own) if is_same_secret(own.as_bytes(), secret.as_bytes()) => Ok(found),
            Proof::Secret(_) | Proof::Public | Proof::Keys(_) => Err(OAuthError::Client),
        }
    }

    fn by_assertion(&self, assertion: &str, now_s: u64) -> Result<&Client, OAuthError> {
        let presented = Presented { token: assertion, now_s, certificate: None };
        let verified = self.assertions.verify(&presented).map_err(|error| {
            tracing::info!(assertion.refused = error.code(), "an assertion was refused");
            OAuthError::Client
        })?;
        let found: &settings::Client =
            self.settings.clients.get(verified.issuer).ok_or(OAuthError::Client)?;
        let is_own = verified.claims.get("sub").and_then(Value::as_str) == Some(found.id.as_str());
        // `until_s` is the last second that counts, with leeway.
        let is_short = verified.until_s < now_s + MOST_S + 2 * LEEWAY_S;
        if is_own && is_short { Ok(found) } else { Err(OAuthError::Client) }
    }
}
