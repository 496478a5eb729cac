//! What was presented once already, for tokens that count once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Remembered at once; a full memory refuses rather than forgets.
const MOST: usize = 200_000;

/// Digests of issuer and `jti`, each with the second after which the token is no longer valid.
#[derive(Debug, Default)]
pub(super) struct Replay(Mutex<HashMap<[u8; 32], u64>>);

impl Replay {
    /// Whether this is the first time, which is remembered until `until_s`.
    pub(super) fn is_first(&self, issuer: &str, id: &str, now_s: u64, until_s: u64) -> bool {
        let digest = crate::sha256(format!("{issuer}\n{id}").as_bytes());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, until| *until >= now_s);
        }
        if seen.len() >= MOST {
            return false;
        }
        match seen.insert(digest, until_s) {
            Some(before) if before >= now_s => {
                seen.insert(digest, before.max(until_s));
                false
            }
            Some(_) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_once_until_its_token_ends() {
        let replay = Replay::default();
        assert!(replay.is_first("a", "1", 10, 20));
        assert!(!replay.is_first("a", "1", 15, 20) && !replay.is_first("a", "1", 20, 20));
        assert!(replay.is_first("b", "1", 15, 20) && replay.is_first("a", "2", 15, 20));
        assert!(replay.is_first("a", "1", 21, 30));
    }
}
