//! Signed tokens (JWT in the compact form of JWS) held against keys, issuers and time.
//!
//! A [`Verifier`] knows several issuers, each with its own keys and rules; a token is only ever
//! held against the keys of the issuer that it names. Nothing that stands in a token chooses how it
//! is checked: the algorithm must be allowed and must fit the key, and keys or URLs in the header
//! are not looked at. Specs: <https://www.rfc-editor.org/rfc/rfc7515>, RFC 7517 to 7519, RFC 8037,
//! RFC 8705 (certificate-bound tokens), RFC 8725 (best current practice), RFC 9068 (access tokens).

mod algorithm;
mod key;
mod replay;
mod signer;
mod strict;
mod token;
mod verifier;

pub use algorithm::Algorithm;
pub use key::{Key, KeySet, KeySetError};
pub use signer::{Signer, SigningError};
pub use strict::parse as parse_json;
pub use token::TokenError;
pub use verifier::{Issuer, Limits, Presented, Verified, Verifier};
