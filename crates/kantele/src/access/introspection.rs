//! Tokens that only their issuer can read. Spec: <https://www.rfc-editor.org/rfc/rfc7662>

use fhir_security::base64url;
use fhir_security::jose::{TokenError, parse_json};
use serde_json::{Map, Value};

use super::Refused;
use super::outbound::Outbound;
use crate::Error;
use crate::config::{Access, Introspection};

/// How deep an answer may be nested.
const MOST_DEPTH: usize = 8;

/// Claims, the last second in which they hold, and whether they are bound to the certificate.
type Said = (Map<String, Value>, u64, bool);

/// Where to ask, and as whom.
pub(super) struct Endpoint {
    url: String,
    authorization: Option<String>,
    outbound: Outbound,
}

impl Endpoint {
    /// Reads the secret.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub(super) fn new(settings: &Introspection, outbound: Outbound) -> Result<Self, Error> {
        let authorization = match &settings.secret_file {
            None => None,
            Some(path) => {
                let secret = std::fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                let pair = format!("{}:{}", settings.client, secret.trim());
                Some(format!("Basic {}", openssl::base64::encode_block(pair.as_bytes())))
            }
        };
        Ok(Self { url: settings.url.clone(), authorization, outbound })
    }

    /// What the endpoint says of a token.
    ///
    /// # Errors
    /// `Inactive`, `Unavailable`, or what is wrong with an active token.
    pub(super) async fn ask(
        &self,
        token: &str,
        certificate: Option<&[u8; 32]>,
        settings: &Access,
        now_s: u64,
    ) -> Result<Said, Refused> {
        let (url, outbound) = (self.url.clone(), self.outbound.clone());
        let (token, authorization) = (token.to_owned(), self.authorization.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let answered = outbound.introspect(&url, &token, authorization.as_deref());
            answered.map_err(|error| error.to_string())
        });
        let document = match asked.await {
            Ok(Ok(document)) => document,
            Ok(Err(error)) => {
                tracing::warn!("introspection fails: {error}");
                return Err(Refused::Unavailable);
            }
            Err(_) => return Err(Refused::Unavailable),
        };
        read(&document, certificate, settings, now_s)
    }
}

fn read(
    document: &[u8],
    certificate: Option<&[u8; 32]>,
    settings: &Access,
    now_s: u64,
) -> Result<Said, Refused> {
    let said = parse_json(document, MOST_DEPTH).ok_or(Refused::Unavailable)?;
    if said.get("active") != Some(&Value::Bool(true)) {
        return Err(Refused::Inactive);
    }
    let expires = match said.get("exp") {
        None => None,
        Some(value) => Some(value.as_u64().ok_or(TokenError::Claims)?),
    };
    if expires.is_some_and(|at| now_s >= at) {
        return Err(TokenError::Expired.into());
    }
    // An endpoint of one's own may leave the audience out; one that is named must be ours.
    let is_own = |value: &Value| {
        value.as_str().is_some_and(|it| settings.audience.iter().any(|own| own == it))
    };
    let is_meant = match said.get("aud") {
        None => true,
        Some(Value::Array(list)) => list.iter().any(is_own),
        Some(single) => is_own(single),
    };
    if !is_meant {
        return Err(TokenError::Audience.into());
    }
    let bound = said.get("cnf").map(|it| it.get("x5t#S256").and_then(Value::as_str));
    let is_bound = match (bound, certificate) {
        (None, _) => false,
        (Some(Some(bound)), Some(certificate)) if bound == base64url(certificate) => true,
        (Some(_), _) => return Err(TokenError::Binding.into()),
    };
    // Without an end it is asked again soon.
    let until_s = expires.unwrap_or(now_s.saturating_add(60)).saturating_sub(1);
    Ok((said, until_s, is_bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Access;

    fn said(document: &str, certificate: Option<&[u8; 32]>) -> Result<Said, Refused> {
        let settings = Access { audience: vec!["kantele".to_owned()], ..Access::for_tests() };
        read(document.as_bytes(), certificate, &settings, 1_000)
    }

    #[test]
    fn only_active_tokens_for_this_server_count() {
        let (claims, until_s, is_bound) =
            said(r#"{"active":true,"sub":"a","exp":2000,"aud":["kantele"]}"#, None).unwrap();
        assert_eq!((claims["sub"].as_str(), until_s, is_bound), (Some("a"), 1_999, false));
        assert_eq!(said(r#"{"active":true}"#, None).unwrap().1, 1_059);
        let refused = |text: &str| said(text, None).unwrap_err();
        assert_eq!(refused(r#"{"active":false}"#), Refused::Inactive);
        assert_eq!(refused(r#"{"active":"true"}"#), Refused::Inactive);
        assert_eq!(refused(r#"{"active":true,"exp":1000}"#), TokenError::Expired.into());
        assert_eq!(refused(r#"{"active":true,"exp":"x"}"#), TokenError::Claims.into());
        assert_eq!(refused(r#"{"active":true,"aud":"x"}"#), TokenError::Audience.into());
        assert_eq!(refused("<html>"), Refused::Unavailable);
    }

    #[test]
    fn a_binding_is_held_against_the_certificate() {
        let thumbprint = [7; 32];
        let text =
            format!(r#"{{"active":true,"cnf":{{"x5t#S256":"{}"}}}}"#, base64url(&thumbprint));
        assert!(said(&text, Some(&thumbprint)).unwrap().2);
        for other in [None, Some(&[8; 32])] {
            assert_eq!(said(&text, other).unwrap_err(), TokenError::Binding.into());
        }
        let jkt = r#"{"active":true,"cnf":{"jkt":"x"}}"#;
        assert_eq!(said(jkt, Some(&thumbprint)).unwrap_err(), TokenError::Binding.into());
    }
}
