//! Hashes of exact values: codes, systems, units, references and URLs.
//!
//! Index rows hold 8 bytes instead of the text. The key is drawn once per database, so that equal
//! values of two databases don't show and nobody can prepare colliding values.

use std::borrow::Cow;
use std::hash::Hasher;

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use siphasher::sip::SipHasher13;

use crate::fold;

/// Hash of "no system", "no unit" and of every other absent value.
pub const NONE: i64 = 0;

/// Longer URIs stand in an index by their start and their hash.
const MAX_URI_BYTES: usize = 1_000;

/// SipHash-1-3 with the database's key. Two hashers with one key give equal hashes for ever: the
/// values are stored.
#[derive(Clone)]
pub struct ValueHasher {
    keyed: SipHasher13,
}

impl ValueHasher {
    /// A hasher for the database whose secret is `key`.
    #[must_use]
    pub fn new(key: &[u8; 16]) -> Self {
        Self { keyed: SipHasher13::new_with_key(key) }
    }

    /// Hash of a text as it stands; the empty text gives [`NONE`], nothing else does.
    #[must_use]
    pub fn hash(&self, text: &str) -> i64 {
        self.hash_parts(&[text])
    }

    /// Hash of a string as it stands, to tell apart what folds alike; never 0.
    #[must_use]
    pub fn exact(&self, text: &str) -> i32 {
        let [.., a, b, c, d] = self.hash(text).to_be_bytes();
        match i32::from_be_bytes([a, b, c, d]) {
            0 => 1,
            exact => exact,
        }
    }

    /// Hash of a code, identifier value or other token, case folded.
    #[must_use]
    pub fn code(&self, code: &str) -> i64 {
        if code.is_ascii() && !code.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.hash(code);
        }
        self.hash(&fold::case(code))
    }

    /// Hash of `system|code` in one value: labels, canonicals with a version. The code is taken as
    /// it stands.
    #[must_use]
    pub fn pair(&self, system: &str, code: &str) -> i64 {
        self.hash_parts(&[system, "|", code])
    }

    /// The number of a unit with these hashes of its system, code and text; [`NONE`] without them.
    #[must_use]
    pub fn unit(&self, sys: i64, code: i64, text: i64) -> i64 {
        if [sys, code, text] == [NONE; 3] {
            return NONE;
        }
        let mut hasher = self.keyed;
        for part in [sys, code, text] {
            hasher.write(&part.to_le_bytes());
        }
        present(hasher.finish())
    }

    /// The person key of an identity, such as a national identity code, as it stands.
    #[must_use]
    pub fn identity(&self, system: &str, value: &str) -> i64 {
        self.pair(system, value)
    }

    /// Hash of a literal reference to a resource of this server: `Patient/1`.
    #[must_use]
    pub fn reference(&self, key: &ResourceKey) -> i64 {
        self.local(key.resource_type, key.id.as_str())
    }

    /// [`ValueHasher::reference`] without a key at hand.
    #[must_use]
    pub fn local(&self, resource_type: ResourceType, id: &str) -> i64 {
        self.hash_parts(&[resource_type.as_str(), "/", id])
    }

    /// The text under which a URI stands in an index: itself, or its start and its hash where it
    /// is longer than an index entry may be.
    #[must_use]
    pub fn uri<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        if uri.len() <= MAX_URI_BYTES {
            return Cow::Borrowed(uri);
        }
        let (start, _) =
            uri.split_at_checked(uri.floor_char_boundary(MAX_URI_BYTES - 20)).unwrap_or_default();
        Cow::Owned(format!("{start} {:016x}", self.hash(uri)))
    }

    fn hash_parts(&self, parts: &[&str]) -> i64 {
        let mut hasher = self.keyed;
        let mut is_empty = true;
        for part in parts {
            hasher.write(part.as_bytes());
            is_empty &= part.is_empty();
        }
        if is_empty {
            return NONE;
        }
        present(hasher.finish())
    }
}

/// A hash of something: never [`NONE`].
const fn present(hash: u64) -> i64 {
    match hash.cast_signed() {
        NONE => 1,
        hash => hash,
    }
}

impl std::fmt::Debug for ValueHasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ValueHasher(key withheld)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_agree_and_other_keys_do_not() {
        let one = ValueHasher::new(&[7; 16]);
        assert_eq!(one.hash("final"), ValueHasher::new(&[7; 16]).hash("final"));
        assert_ne!(one.hash("final"), ValueHasher::new(&[8; 16]).hash("final"));
    }

    #[test]
    fn a_code_is_hashed_without_case_and_a_text_with_it() {
        let hasher = ValueHasher::new(&[7; 16]);
        assert_eq!(hasher.code("Final"), hasher.code("fiNAL"));
        assert_eq!(hasher.code("ÄÄ"), hasher.code("ää"));
        assert_ne!(hasher.hash("Final"), hasher.hash("final"));
    }

    #[test]
    fn long_uris_stay_apart() {
        let hasher = ValueHasher::new(&[7; 16]);
        assert_eq!(hasher.uri("http://x"), "http://x");
        let (one, other) = ("ä".repeat(900) + "1", "ä".repeat(900) + "2");
        assert!(hasher.uri(&one).len() <= MAX_URI_BYTES);
        assert_ne!(hasher.uri(&one), hasher.uri(&other));
    }

    #[test]
    fn only_the_empty_text_is_none() {
        let hasher = ValueHasher::new(&[7; 16]);
        assert_eq!(hasher.hash(""), NONE);
        assert_ne!(hasher.hash("a"), NONE);
        assert_eq!(hasher.pair("s", "c"), hasher.hash("s|c"));
        assert_eq!(hasher.unit(NONE, NONE, NONE), NONE);
        assert_ne!(hasher.unit(NONE, 1, NONE), hasher.unit(NONE, NONE, 1));
    }
}
