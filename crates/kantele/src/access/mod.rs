//! Who is asking: from the token and certificate of a request to a [`Caller`].
//!
//! [`mapping`] turns claims into a caller, [`keys`] keeps the keys of issuers, [`introspection`]
//! asks about tokens that nobody here can read, [`cache`] makes a token that was verified once
//! cheap. What a caller may do is decided behind the gate, not here.

mod cache;
mod introspection;
#[cfg(test)]
mod keycloak;
mod keys;
mod mapping;
mod outbound;

use std::sync::Arc;

use fhir_access::{Caller, CallerKind};
use fhir_security::certificate::Certificate;
use fhir_security::jose::{Issuer, Limits, Presented, TokenError, Verifier};
use serde_json::{Map, Value};

use crate::Error;
use crate::config::{Access, Mode};
use cache::Cache;
use introspection::Endpoint;
use keys::Keys;
use mapping::Mapping;
use outbound::Outbound;

/// Why it isn't known who asks. Texts hold nothing of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The request says nothing of who asks.
    #[error(
        "this server answers nobody whom it does not know: send a token in the Authorization header"
    )]
    Missing,
    /// The request says it in a way that RFC 6750 forbids.
    #[error("{0}")]
    Request(&'static str),
    /// The token is not believed.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The token is bound to no certificate, and has to be.
    #[error("tokens here must be bound to the client certificate")]
    Unbound,
    /// Whoever knows the token says that it is not active.
    #[error("the token is not active")]
    Inactive,
    /// Token or certificate is genuine, and the table of claims makes nobody of it.
    #[error("the token or certificate does not say what kind of caller this is")]
    Nobody,
    /// Whoever knows the token cannot be asked now.
    #[error("the token cannot be checked now; come again")]
    Unavailable,
}

impl Refused {
    /// The code of RFC 6750 (section 3.1); none where the request brought nothing.
    pub(crate) const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Unavailable => None,
            Self::Request(_) => Some("invalid_request"),
            Self::Token(_) | Self::Unbound | Self::Inactive | Self::Nobody => Some("invalid_token"),
        }
    }
}

/// Knows how to tell who asks.
pub(crate) struct Guard {
    settings: Access,
    verifier: Arc<Verifier>,
    keys: Arc<Keys>,
    mapping: Mapping,
    endpoint: Option<Endpoint>,
    cache: Cache,
}

impl Guard {
    /// Reads table and keys, and keeps the keys fresh from then on.
    ///
    /// # Errors
    /// Where a file cannot be used. A URL that gives no keys is only logged: its server may start
    /// later than this one.
    pub(crate) fn new(settings: &Access, base_url: Option<&str>) -> Result<Self, Error> {
        let bases: Vec<String> =
            base_url.map(str::to_owned).into_iter().chain(settings.audience.clone()).collect();
        let mut mapping = Mapping::read(settings.claims_file.as_deref(), bases)?;
        if let Some(issuer) = &settings.development_issuer {
            mapping.believe_kinds_of(issuer);
        }
        let issuers = settings.issuers.iter().map(|(name, _)| Issuer {
            name: name.clone(),
            audiences: settings.audience.clone(),
            algorithms: settings.algorithms.clone(),
            leeway_s: settings.leeway_s,
            is_single_use: settings.is_single_use,
        });
        let limits = Limits {
            max_token_bytes: settings.max_token_bytes,
            max_claims_bytes: settings.max_token_bytes,
            ..Limits::default()
        };
        let verifier = Arc::new(Verifier::new(issuers.collect(), limits));
        let outbound = Outbound::new(settings.trusted_authorities.as_deref())?;
        let sources = settings.issuers.iter().map(|(_, source)| source.clone()).collect();
        let keys = Arc::new(Keys::new(sources, Arc::clone(&verifier), outbound.clone()));
        if settings.mode == Mode::Required {
            keys.start(settings.keys_every)?;
        }
        let endpoint = settings.introspection.as_ref();
        let endpoint = endpoint.map(|it| Endpoint::new(it, outbound)).transpose()?;
        Ok(Self {
            settings: settings.clone(),
            verifier,
            keys,
            mapping,
            endpoint,
            cache: Cache::default(),
        })
    }

    /// Whether everybody is asked who they are.
    pub(crate) fn is_required(&self) -> bool {
        self.settings.mode == Mode::Required
    }

    /// The settings that it was made of.
    pub(crate) fn settings(&self) -> &Access {
        &self.settings
    }

    /// Who asks, by token, or by certificate alone.
    ///
    /// # Errors
    /// Why that isn't known.
    pub(crate) async fn caller(
        &self,
        token: Option<&str>,
        certificate: Option<&Certificate>,
        now_s: u64,
    ) -> Result<Caller, Refused> {
        let caller = match (token, certificate) {
            (Some(token), _) => self.of_token(token, certificate, now_s).await?,
            (None, Some(certificate)) if self.mapping.knows_certificates() => {
                self.mapping.of_certificate(certificate)
            }
            (None, _) => return Err(Refused::Missing),
        };
        if caller.kind() == CallerKind::Unknown {
            return Err(Refused::Nobody);
        }
        Ok(caller)
    }

    async fn of_token(
        &self,
        token: &str,
        certificate: Option<&Certificate>,
        now_s: u64,
    ) -> Result<Caller, Refused> {
        let thumbprint = certificate.map(Certificate::thumbprint);
        let digest = cache::digest(token, thumbprint);
        if let Some(known) = self.cache.get(&digest, now_s) {
            return Ok(known);
        }
        let is_opaque = token.bytes().filter(|byte| *byte == b'.').count() != 2;
        let (said, until_s, is_bound) = match &self.endpoint {
            Some(endpoint) if is_opaque || self.settings.issuers.is_empty() => {
                if token.len() > self.settings.max_token_bytes {
                    return Err(TokenError::TooLong.into());
                }
                endpoint.ask(token, thumbprint, &self.settings, now_s).await?
            }
            Some(_) | None => {
                let presented = Presented { token, now_s, certificate: thumbprint };
                let verified = match self.verifier.verify(&presented) {
                    Err(TokenError::Key) => {
                        // The issuer may have new keys.
                        self.keys.refresh(self.verifier.claimed_issuer(token)).await;
                        self.verifier.verify(&presented)?
                    }
                    other => other?,
                };
                (verified.claims, verified.until_s, verified.is_bound)
            }
        };
        if self.settings.needs_binding && !is_bound {
            return Err(Refused::Unbound);
        }
        let caller = self.mapping.of_token(&said, certificate);
        if !self.settings.is_single_use {
            self.cache.keep(digest, caller.clone(), until_s, now_s);
        }
        Ok(caller)
    }
}

/// The caller that claims describe which nobody has verified: to explain, not to let in.
///
/// # Errors
/// Where the table of claims cannot be used.
pub(crate) fn described(
    settings: &Access,
    base_url: Option<&str>,
    claims: &Map<String, Value>,
) -> Result<Caller, Error> {
    let bases: Vec<String> =
        base_url.map(str::to_owned).into_iter().chain(settings.audience.clone()).collect();
    let mapping = Mapping::read(settings.claims_file.as_deref(), bases)?;
    Ok(mapping.of_token(claims, None))
}

/// Whether two callers are the same one, also with another token: for what belongs to a caller.
pub(crate) fn is_same(one: &Caller, other: &Caller) -> bool {
    let (a, b) = (one.claims(), other.claims());
    one.kind() == other.kind()
        && (&a.issuer, &a.subject, &a.client) == (&b.issuer, &b.subject, &b.client)
        && (&a.person, &a.organisation, &a.unit) == (&b.person, &b.organisation, &b.unit)
        && (a.issuer.is_some() || a.certificate == b.certificate)
}
