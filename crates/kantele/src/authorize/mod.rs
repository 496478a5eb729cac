//! An authorization server for development and tests: SMART App Launch 2.2 and Backend Services
//! without anything else to install, and without anybody having to prove who they are.
//!
//! Off unless `access.development_server` names its file, and only where nobody but this machine is
//! answered. What it signs is verified by [`crate::access`] like the tokens of any issuer: there is
//! no other way in. [`settings`] reads the file, [`request`] answers the authorization endpoint with
//! [`page`], [`token`] the token endpoint, [`client`] says which client asks, [`grants`] remembers
//! codes and refresh tokens, [`scopes`] cuts what is asked for down to what is allowed,
//! [`introspection`] and [`discovery`] tell of it all. No HTTP here: [`Asked`] comes in, [`Answered`]
//! goes out.

mod client;
mod discovery;
mod exchange;
mod grants;
mod introspection;
mod issue;
mod page;
mod request;
mod scopes;
mod settings;
mod token;

use std::sync::{Mutex, PoisonError};

use fhir_security::jose::{Issuer, KeySet, Limits, Signer, Verifier};

use crate::Error;
use crate::config::{Access, Discovery, KeySource};
pub(crate) use exchange::{Answered, Asked, OAuthError, Parameters};
use grants::Grants;
pub(crate) use settings::Settings;

/// Where it is below the root of the server.
pub(crate) const ROOT: &str = "/auth";

/// What everybody is told who meets it.
pub(crate) const WARNING: &str = "Tokens come from the embedded development server, where anybody may \
    be anybody: for synthetic data on one machine only.";

/// The server behind the endpoints.
#[derive(Debug)]
pub(crate) struct Authority {
    settings: Settings,
    /// `iss`; the endpoints lie below it.
    issuer: String,
    /// The FHIR root, which is what its tokens are for.
    audience: String,
    signer: Signer,
    /// For what it signed itself.
    own: Verifier,
    /// For assertions of clients with keys, in their order.
    assertions: Verifier,
    grants: Mutex<Grants>,
}

impl Authority {
    /// A server with a new key, for the FHIR root at `base`.
    ///
    /// # Errors
    /// Where no key can be made.
    pub(crate) fn new(settings: Settings, base: &str) -> Result<Self, Error> {
        let issuer = format!("{}{ROOT}", origin(base));
        let signer = Signer::generate()?;
        let own = Issuer {
            name: issuer.clone(),
            audiences: vec![base.to_owned()],
            algorithms: vec![Signer::ALGORITHM],
            leeway_s: 0,
            is_single_use: false,
        };
        let own = Verifier::new(vec![own], Limits::default());
        own.set_keys(0, KeySet::parse(signer.key_set().to_string().as_bytes())?);
        let assertions = client::assertions(&settings, &issuer);
        let grants = Mutex::default();
        Ok(Self { settings, issuer, audience: base.to_owned(), signer, own, assertions, grants })
    }

    /// Makes the server believe its tokens by the same settings as those of any issuer, and tell
    /// apps of it.
    pub(crate) fn introduce(&self, access: &mut Access) {
        let keys = KeySource::Here(self.signer.key_set().to_string());
        access.issuers.push((self.issuer.clone(), keys));
        if !access.algorithms.contains(&Signer::ALGORITHM) {
            access.algorithms.push(Signer::ALGORITHM);
        }
        if !access.audience.contains(&self.audience) {
            access.audience.push(self.audience.clone());
        }
        access.discovery = Some(Discovery {
            authorization_endpoint: self.url("authorize"),
            token_endpoint: self.url("token"),
            capabilities: Vec::new(),
            scopes_supported: Vec::new(),
        });
        access.development_issuer = Some(self.issuer.clone());
    }

    /// Answers a request below [`ROOT`].
    pub(crate) fn answer(&self, asked: &Asked<'_>) -> Answered {
        let answered = match (asked.path, asked.method) {
            ("/authorize", "GET" | "POST") => self.authorize(asked),
            ("/token", "POST") => self.token(asked),
            ("/introspect", "POST") => self.introspect(asked),
            ("/jwks", "GET" | "HEAD") => Answered::json(200, &self.signer.key_set()),
            ("/.well-known/openid-configuration", "GET" | "HEAD") => {
                Answered::json(200, &self.configuration())
            }
            ("/authorize", _) => Answered::not_allowed("GET, POST"),
            ("/token" | "/introspect", _) => Answered::not_allowed("POST"),
            ("/jwks" | "/.well-known/openid-configuration", _) => {
                Answered::not_allowed("GET, HEAD")
            }
            _ => Answered::nothing_here(),
        };
        tracing::debug!(
            http.path = asked.path,
            http.status = answered.status,
            "the development server answers {}",
            answered.status,
        );
        answered
    }

    /// The issuer's name.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.issuer)
    }

    fn grants(&self) -> std::sync::MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(begin..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| begin + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_lie_at_the_root_of_the_server() {
        assert_eq!(origin("http://127.0.0.1:8080/fhir"), "http://127.0.0.1:8080");
        assert_eq!(origin("https://localhost/r4/fhir"), "https://localhost");
        assert_eq!(origin("https://localhost"), "https://localhost");
    }
}
