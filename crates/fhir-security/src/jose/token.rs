//! The three parts of a token, read with bounds before anything is believed.

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::strict;
use super::verifier::Limits;
use crate::from_base64url;

/// How deep header and claims may be nested.
const MOST_DEPTH: usize = 8;
/// The longest `kid`.
const MOST_ID_BYTES: usize = 512;

/// Why a token is refused. No variant holds anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    /// Token, header or claims are longer than allowed.
    #[error("the token is too long")]
    TooLong,
    /// It doesn't have the three parts of a signed token, or one of them is no base64url.
    #[error("the token does not have the form of a signed token")]
    Form,
    /// The header is no JSON object, is nested too deeply, or names a member twice.
    #[error("the header of the token is malformed")]
    Header,
    /// The same of the claims, or a claim has a form that it cannot have.
    #[error("the claims of the token are malformed")]
    Claims,
    /// `alg` is missing, unknown, symmetric, `none`, or not allowed for the issuer.
    #[error("the algorithm of the token is not allowed")]
    Algorithm,
    /// The header asks for something that must be understood and isn't: `crit`, `zip`, `b64`.
    #[error("the header of the token asks for what this server does not do")]
    Critical,
    /// `typ` names another kind of token than one of access.
    #[error("the token is of another type than an access token")]
    Type,
    /// `iss` is missing or nobody who is trusted.
    #[error("the issuer of the token is not trusted")]
    Issuer,
    /// No key of the issuer fits; new keys may have to be fetched.
    #[error("no key of the issuer fits the token")]
    Key,
    /// The signature is not that of the key.
    #[error("the signature of the token is wrong")]
    Signature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// `aud` doesn't name this server.
    #[error("the token is for another audience")]
    Audience,
    /// `cnf` binds the token to a certificate or key that isn't the one of this connection.
    #[error("the token is bound to another certificate or key than that of the connection")]
    Binding,
    /// It counts once and was presented before, or has no `jti` to tell.
    #[error("the token counts once and was used before, or has no identifier")]
    Replay,
}

impl TokenError {
    /// A word for it in cases and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Form => "form",
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::Type => "type",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Audience => "audience",
            Self::Binding => "binding",
            Self::Replay => "replay",
        }
    }
}

/// A token that was taken apart; nothing of it is believed yet.
pub(super) struct Parts<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What was signed: header and claims as they came.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

/// Takes a token apart.
pub(super) fn take_apart<'a>(token: &'a str, limits: &Limits) -> Result<Parts<'a>, TokenError> {
    if token.len() > limits.max_token_bytes {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
    if claims.contains('.') {
        return Err(TokenError::Form);
    }
    if header.len() > limits.max_header_bytes || claims.len() > limits.max_claims_bytes {
        return Err(TokenError::TooLong);
    }
    let part = |text| from_base64url(text).ok_or(TokenError::Form);
    let (header, claims, signature) = (part(header)?, part(claims)?, part(signature)?);
    let header = strict::parse(&header, MOST_DEPTH).ok_or(TokenError::Header)?;
    let (algorithm, key_id) = read_header(&header)?;
    let claims = strict::parse(&claims, MOST_DEPTH).ok_or(TokenError::Claims)?;
    Ok(Parts { algorithm, key_id, claims, signed: signed.as_bytes(), signature })
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), TokenError> {
    let name = header.get("alg").and_then(Value::as_str).ok_or(TokenError::Algorithm)?;
    let algorithm = Algorithm::named(name).ok_or(TokenError::Algorithm)?;
    if ["crit", "zip", "b64", "enc"].iter().any(|name| header.contains_key(*name)) {
        return Err(TokenError::Critical);
    }
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().ok_or(TokenError::Header)?.to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if !["jwt", "at+jwt"].contains(&kind) {
            return Err(TokenError::Type);
        }
    }
    let key_id = match header.get("kid") {
        None => None,
        Some(id) => {
            let id = id.as_str().filter(|id| id.len() <= MOST_ID_BYTES);
            Some(id.ok_or(TokenError::Header)?.to_owned())
        }
    };
    Ok((algorithm, key_id))
}
