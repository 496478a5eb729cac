//! Tokens, certificates and seals: what cryptography says about who is asking.
//!
//! [`jose`] verifies signed tokens, [`certificate`] reads what a client certificate says, [`seal`]
//! signs checkpoints, [`signature`] checks and makes values of FHIR's datatype Signature. Nothing
//! else here knows FHIR, and nothing settings or HTTP; keys and the time are handed in.
//! All cryptography is OpenSSL's. No error of this crate repeats anything of a token, a key or a
//! certificate, so that all of them may be logged and answered.
#![warn(missing_docs)]

pub mod certificate;
mod der;
pub mod jose;
pub mod seal;
pub mod signature;
#[cfg(feature = "testing")]
#[allow(missing_docs, reason = "for tests only; the names say it")]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#[allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#[allow(clippy::indexing_slicing, reason = "a test that cannot be set up fails")]
#[allow(clippy::panic, reason = "a test that cannot be set up fails")]
pub mod testing;

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    openssl::sha::sha256(bytes)
}

/// Base64url without padding, as tokens and `cnf` have it.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// 256 bits that nobody can guess, as text for URLs.
///
/// # Errors
/// Where the machine has no randomness.
pub fn random_text() -> Result<String, jose::SigningError> {
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(base64url(&bytes))
}

/// Whether two secrets are the same, in a time that tells nothing of where they differ.
#[must_use]
pub fn is_same_secret(one: &[u8], other: &[u8]) -> bool {
    openssl::memcmp::eq(&sha256(one), &sha256(other))
}

/// The bytes of base64url; none where there is padding, whitespace or anything else that
/// RFC 7515 has no place for.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}
