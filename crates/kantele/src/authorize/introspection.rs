//! Introspection: what a token says, to clients that can keep a secret.
//! Spec: <https://www.rfc-editor.org/rfc/rfc7662>

use fhir_security::jose::Presented;
use serde_json::{Value, json};

use super::Authority;
use super::exchange::{Answered, Asked, OAuthError};
use super::settings::Proof;

impl Authority {
    pub(super) fn introspect(&self, asked: &Asked<'_>) -> Answered {
        match self.told(asked) {
            Ok(body) => Answered::json(200, &body),
            Err(why) => Answered::refused(why),
        }
    }

    fn told(&self, asked: &Asked<'_>) -> Result<Value, OAuthError> {
        if matches!(self.client(asked)?.proof, Proof::Public) {
            return Err(OAuthError::Client);
        }
        let token = asked.parameters.needed("token", "token is missing")?;
        let presented = Presented { token, now_s: asked.now_s, certificate: None };
        let Ok(verified) = self.own.verify(&presented) else {
            return Ok(json!({"active": false}));
        };
        let login = verified.claims.get("sid").and_then(Value::as_str);
        if login.is_some_and(|login| self.grants().is_over(login)) {
            return Ok(json!({"active": false}));
        }
        let mut claims = verified.claims.clone();
        claims.insert("active".to_owned(), json!(true));
        claims.insert("token_type".to_owned(), json!("Bearer"));
        Ok(Value::Object(claims))
    }
}
