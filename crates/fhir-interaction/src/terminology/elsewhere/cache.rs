//! What a server elsewhere has answered, for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir_model::Resource;

/// Answers by question. What was not asked for of late goes first.
pub(super) struct Cache {
    /// Each of the halves has at most this many.
    most: usize,
    age: Duration,
    young: HashMap<String, Kept>,
    old: HashMap<String, Kept>,
}

struct Kept {
    since: Instant,
    answer: Option<Arc<Resource>>,
}

impl Cache {
    pub(super) fn new(entries: usize, age: Duration) -> Self {
        Self { most: entries.div_ceil(2), age, young: HashMap::new(), old: HashMap::new() }
    }

    /// The answer, which may be that there is none; nothing where it is not known, or too old.
    pub(super) fn get(&mut self, key: &str) -> Option<Option<Arc<Resource>>> {
        if let Some(kept) = self.young.get(key) {
            return (kept.since.elapsed() < self.age).then(|| kept.answer.clone());
        }
        let kept = self.old.remove(key).filter(|kept| kept.since.elapsed() < self.age)?;
        let answer = kept.answer.clone();
        self.insert(key, kept);
        Some(answer)
    }

    pub(super) fn put(&mut self, key: &str, answer: Option<Arc<Resource>>) {
        self.insert(key, Kept { since: Instant::now(), answer });
    }

    fn insert(&mut self, key: &str, kept: Kept) {
        if self.most == 0 {
            return;
        }
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.to_owned(), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut cache = Cache::new(4, Duration::from_secs(600));
        cache.put("a", None);
        cache.put("b", None);
        cache.put("c", None);
        assert!(cache.get("a").is_some(), "the older half is still there");
        cache.put("d", None);
        cache.put("e", None);
        assert!(cache.get("a").is_some(), "asked for since");
        assert!(cache.get("b").is_none());
        let mut none = Cache::new(0, Duration::from_secs(600));
        none.put("a", None);
        assert!(none.get("a").is_none());
        let mut at_once = Cache::new(4, Duration::ZERO);
        at_once.put("a", None);
        assert!(at_once.get("a").is_none(), "too old");
    }
}
