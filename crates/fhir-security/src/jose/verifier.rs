//! The rules of issuers, and a token held against them.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::key::KeySet;
use super::replay::Replay;
use super::token::{self, TokenError};
use crate::base64url;

/// Who may issue tokens, and what they must be like.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`, compared byte by byte.
    pub name: String,
    /// At least one of these must be in `aud`; with none here nothing is accepted.
    pub audiences: Vec<String>,
    /// The allowed values of `alg`.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ, in seconds.
    pub leeway_s: u64,
    /// Whether a token counts once, told by its `jti`.
    pub is_single_use: bool,
}

/// Bounds of what is read, in bytes as sent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The whole token.
    pub max_token_bytes: usize,
    /// Its first part.
    pub max_header_bytes: usize,
    /// Its second part.
    pub max_claims_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_token_bytes: 16_384, max_header_bytes: 4_096, max_claims_bytes: 12_288 }
    }
}

/// A token with the circumstances in which it came.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The compact form.
    pub token: &'a str,
    /// Seconds since 1970.
    pub now_s: u64,
    /// SHA-256 of the client certificate of the connection (DER).
    pub certificate: Option<&'a [u8; 32]>,
}

/// What a token says after everything about it was found right.
#[derive(Clone, Debug)]
pub struct Verified {
    /// All claims.
    pub claims: Map<String, Value>,
    /// The place of its issuer in the list that the verifier was made of.
    pub issuer: usize,
    /// `kid` of the key that signed it.
    pub key: Option<String>,
    /// How it was signed.
    pub algorithm: Algorithm,
    /// The last second in which it may be believed, leeway included.
    pub until_s: u64,
    /// Whether it is bound to the client certificate of the connection.
    pub is_bound: bool,
}

/// Verifies tokens of several issuers. Shared by threads; keys may be replaced at any time.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<(Issuer, RwLock<Arc<KeySet>>)>,
    limits: Limits,
    replay: Replay,
}

impl Verifier {
    /// A verifier that knows no keys yet.
    #[must_use]
    pub fn new(issuers: Vec<Issuer>, limits: Limits) -> Self {
        let issuers = issuers.into_iter().map(|issuer| (issuer, RwLock::default())).collect();
        Self { issuers, limits, replay: Replay::default() }
    }

    /// The issuers, in the order that they were given in.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter().map(|(issuer, _)| issuer)
    }

    /// Replaces all keys of the issuer at this place.
    pub fn set_keys(&self, issuer: usize, keys: KeySet) {
        if let Some((_, known)) = self.issuers.get(issuer) {
            *known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        }
    }

    /// The place of the issuer whose keys did not fit, where a token was refused with
    /// [`TokenError::Key`]: new ones may be had from there.
    #[must_use]
    pub fn claimed_issuer(&self, token: &str) -> Option<usize> {
        let parts = token::take_apart(token, &self.limits).ok()?;
        let name = parts.claims.get("iss")?.as_str()?;
        self.issuers.iter().position(|(issuer, _)| issuer.name == name)
    }

    /// Holds a token against everything that is known.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn verify(&self, presented: &Presented<'_>) -> Result<Verified, TokenError> {
        let parts = token::take_apart(presented.token, &self.limits)?;
        let name = parts.claims.get("iss").and_then(Value::as_str).ok_or(TokenError::Issuer)?;
        let place = self.issuers.iter().position(|(issuer, _)| issuer.name == name);
        let place = place.ok_or(TokenError::Issuer)?;
        let (issuer, keys) = self.issuers.get(place).ok_or(TokenError::Issuer)?;
        if !issuer.algorithms.contains(&parts.algorithm) {
            return Err(TokenError::Algorithm);
        }
        let keys = Arc::clone(&keys.read().unwrap_or_else(PoisonError::into_inner));
        let key = keys.find(parts.key_id.as_deref(), parts.algorithm).ok_or(TokenError::Key)?;
        if !parts.algorithm.verifies(key.public(), parts.signed, &parts.signature) {
            return Err(TokenError::Signature);
        }
        let until_s = times(&parts.claims, presented.now_s, issuer.leeway_s)?;
        audience(&parts.claims, &issuer.audiences)?;
        let is_bound = binding(&parts.claims, presented.certificate)?;
        if issuer.is_single_use {
            let id = parts.claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty());
            let id = id.ok_or(TokenError::Replay)?;
            if !self.replay.is_first(name, id, presented.now_s, until_s) {
                return Err(TokenError::Replay);
            }
        }
        let key = key.id().map(str::to_owned);
        let algorithm = parts.algorithm;
        Ok(Verified { claims: parts.claims, issuer: place, key, algorithm, until_s, is_bound })
    }
}

/// Holds the times of a token against the clock and gives the last second it may be believed in.
fn times(claims: &Map<String, Value>, now_s: u64, leeway_s: u64) -> Result<u64, TokenError> {
    let expires = seconds(claims, "exp")?.ok_or(TokenError::Claims)?;
    let starts = seconds(claims, "nbf")?;
    let issued = seconds(claims, "iat")?;
    let until = expires.saturating_add(leeway_s);
    if now_s >= until {
        return Err(TokenError::Expired);
    }
    let latest = now_s.saturating_add(leeway_s);
    if [starts, issued].into_iter().flatten().any(|at| at > latest) {
        return Err(TokenError::NotYet);
    }
    Ok(until.saturating_sub(1))
}

/// A NumericDate: whole seconds, or with decimals that are cut off.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let Value::Number(number) = value else { return Err(TokenError::Claims) };
    let text = number.to_string();
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    whole.parse().map(Some).map_err(|_text| TokenError::Claims)
}

fn audience(claims: &Map<String, Value>, own: &[String]) -> Result<(), TokenError> {
    let is_own = |value: &Value| value.as_str().is_some_and(|it| own.iter().any(|own| own == it));
    let is_found = match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().any(is_own),
        Some(single) => is_own(single),
        None => false,
    };
    if is_found { Ok(()) } else { Err(TokenError::Audience) }
}

/// Whether the token is bound to the certificate of the connection. A binding that isn't
/// understood, such as to a key that only other protocols prove, makes it useless here.
/// Spec: <https://www.rfc-editor.org/rfc/rfc8705#section-3>
fn binding(
    claims: &Map<String, Value>,
    certificate: Option<&[u8; 32]>,
) -> Result<bool, TokenError> {
    let Some(confirmation) = claims.get("cnf") else { return Ok(false) };
    let confirmation = confirmation.as_object().ok_or(TokenError::Claims)?;
    let bound = confirmation.get("x5t#S256").and_then(Value::as_str);
    let is_only = confirmation.len() == 1;
    match (bound, certificate) {
        (Some(bound), Some(certificate)) if is_only && bound == base64url(certificate) => Ok(true),
        (Some(_) | None, _) => Err(TokenError::Binding),
    }
}
