//! Tokens that were verified, by their digest, until they expire: the second request of a token
//! costs one hash.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fhir_access::Caller;

/// Kept at once. More callers than that verify again, which is slower and nothing worse.
const MOST: usize = 20_000;

/// Longest time in which a token is not looked at again, in seconds: keys may be withdrawn.
const MOST_S: u64 = 300;

/// SHA-256 of a token and of the certificate that it came with.
pub(super) type Digest = [u8; 32];

/// What stands for a token here; the token itself is not kept.
pub(super) fn digest(token: &str, certificate: Option<&[u8; 32]>) -> Digest {
    let mut bytes = Vec::with_capacity(token.len() + 32);
    bytes.extend_from_slice(certificate.map_or(&[][..], |thumbprint| thumbprint));
    bytes.extend_from_slice(token.as_bytes());
    fhir_security::sha256(&bytes)
}

/// Callers by their token.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Digest, (Caller, u64)>>);

impl Cache {
    pub(super) fn get(&self, digest: &Digest, now_s: u64) -> Option<Caller> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (caller, until_s) = known.get(digest)?;
        (now_s <= *until_s).then(|| caller.clone())
    }

    pub(super) fn keep(&self, digest: Digest, caller: Caller, until_s: u64, now_s: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, until_s)| *until_s >= now_s);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest, (caller, until_s.min(now_s.saturating_add(MOST_S))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_until_it_expires_and_with_its_certificate_only() {
        let cache = Cache::default();
        let plain = digest("a", None);
        cache.keep(plain, Caller::unknown(), 100, 50);
        assert!(cache.get(&plain, 100).is_some() && cache.get(&plain, 101).is_none());
        assert!(cache.get(&digest("a", Some(&[1; 32])), 60).is_none());
        cache.keep(plain, Caller::unknown(), 100_000, 50);
        assert!(cache.get(&plain, 50 + MOST_S).is_some());
        assert!(cache.get(&plain, 51 + MOST_S).is_none());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Cache::default();
        for number in 0..MOST + 10 {
            cache.keep(digest(&number.to_string(), None), Caller::unknown(), 100, 50);
        }
        assert!(cache.0.lock().unwrap().len() <= MOST);
    }
}
