//! The tokens that the server signs: access tokens (RFC 9068) and id tokens (OpenID Connect).

use fhir_access::CallerKind;
use serde_json::{Map, Value, json};

use super::Authority;
use super::exchange::OAuthError;
use super::grants::{Approved, random};
use super::settings::{Client, User};

/// For whom a token is made.
pub(super) struct For<'a> {
    pub(super) client: &'a Client,
    /// None for systems, which speak for themselves.
    pub(super) user: Option<(&'a User, &'a Approved)>,
    pub(super) scopes: &'a [String],
}

impl Authority {
    /// An access token for the FHIR root.
    ///
    /// # Errors
    /// `Server`.
    pub(super) fn access_token(&self, of: &For<'_>, now_s: u64) -> Result<String, OAuthError> {
        let mut claims = of.client.claims.clone();
        let mut kind = of.client.kind;
        let mut say = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        say("iss", json!(self.issuer()));
        say("aud", json!(self.audience));
        say("sub", json!(of.client.id));
        say("client_id", json!(of.client.id));
        say("iat", json!(now_s));
        say("exp", json!(now_s + self.settings.access_token_s));
        say("jti", json!(random()?));
        say("scope", json!(of.scopes.join(" ")));
        if let Some((user, approved)) = of.user {
            kind = user.kind;
            say("sub", json!(user.name));
            say("sid", json!(approved.login));
            if let Some(url) = self.fhir_user(user) {
                say("fhirUser", json!(url));
            }
            for (name, value) in context(approved) {
                if ["patient", "encounter"].contains(&name.as_str()) {
                    say(&name, value);
                }
            }
            for (name, value) in &user.claims {
                say(name, value.clone());
            }
        }
        if let Some(kind) = kind.map(CallerKind::code) {
            say("kind", json!(kind));
        }
        self.signed("at+jwt", &claims)
    }

    /// An id token for the client.
    ///
    /// # Errors
    /// `Server`.
    pub(super) fn id_token(
        &self,
        approved: &Approved,
        user: &User,
        now_s: u64,
    ) -> Result<String, OAuthError> {
        let mut claims = Map::new();
        let mut say = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        say("iss", json!(self.issuer()));
        say("aud", json!(approved.client));
        say("sub", json!(user.name));
        say("iat", json!(now_s));
        say("exp", json!(now_s + self.settings.access_token_s));
        say("auth_time", json!(approved.at_s));
        if let Some(nonce) = &approved.nonce {
            say("nonce", json!(nonce));
        }
        let url = self.fhir_user(user).filter(|_| has(&approved.scopes, "fhirUser"));
        if let Some(url) = url {
            say("fhirUser", json!(url));
        }
        self.signed("JWT", &claims)
    }

    /// The URL of the resource of a user.
    fn fhir_user(&self, user: &User) -> Option<String> {
        user.fhir_user.as_ref().map(|key| format!("{}/{key}", self.audience))
    }

    fn signed(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, OAuthError> {
        self.signer.sign(typ, claims).map_err(|error| {
            tracing::error!("{error}");
            OAuthError::Server
        })
    }
}

/// The launch context, as it stands in the answer beside the token.
/// Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>
pub(super) fn context(approved: &Approved) -> Map<String, Value> {
    let mut context = Map::new();
    let mut say = |name: &str, value: Value| {
        context.insert(name.to_owned(), value);
    };
    if let Some(patient) = &approved.patient {
        say("patient", json!(patient));
    }
    if let Some(launch) = &approved.launch {
        if let Some(encounter) = &launch.encounter {
            say("encounter", json!(encounter));
        }
        if let Some(needed) = launch.need_patient_banner {
            say("need_patient_banner", json!(needed));
        }
        if !launch.fhir_context.is_empty() {
            say("fhirContext", json!(launch.fhir_context));
        }
    }
    context
}

/// Whether a scope was granted.
pub(super) fn has(scopes: &[String], name: &str) -> bool {
    scopes.iter().any(|scope| scope == name)
}
