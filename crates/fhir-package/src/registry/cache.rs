//! Parsed resources, kept for as long as there is room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fhir_model::Resource;

use super::contents::Place;

/// Bytes of JSON text that are kept; the tapes over them need about as much again.
const MAX_BYTES: usize = 64 << 20;

/// Parsed resources by their place in the contents with a number.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_place: HashMap<(u64, Place), Known>,
    bytes: usize,
    turn: u64,
}

struct Known {
    resource: Arc<Resource>,
    /// When it was last asked for.
    turn: u64,
}

impl Cache {
    pub(super) fn get(&self, contents: u64, place: Place) -> Option<Arc<Resource>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let known = kept.by_place.get_mut(&(contents, place))?;
        known.turn = turn;
        Some(Arc::clone(&known.resource))
    }

    pub(super) fn put(&self, contents: u64, place: Place, resource: &Arc<Resource>) {
        let size = resource.source().len();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + size > MAX_BYTES {
            kept.halve();
        }
        kept.turn += 1;
        let known = Known { resource: Arc::clone(resource), turn: kept.turn };
        kept.bytes += size;
        if let Some(earlier) = kept.by_place.insert((contents, place), known) {
            kept.bytes -= earlier.resource.source().len();
        }
    }

    pub(super) fn clear(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Kept { turn: kept.turn, ..Kept::default() };
    }
}

impl Kept {
    /// Lets go of those that were not asked for the longest.
    fn halve(&mut self) {
        let mut turns: Vec<u64> = self.by_place.values().map(|known| known.turn).collect();
        turns.sort_unstable();
        let Some(middle) = turns.get(turns.len() / 2).copied() else { return };
        self.by_place.retain(|_, known| known.turn > middle);
        self.bytes = self.by_place.values().map(|known| known.resource.source().len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let cache = Cache::default();
        let text = "x".repeat(MAX_BYTES / 10);
        let json = format!(r#"{{"resourceType":"Basic","id":"{text}"}}"#);
        let resource = Arc::new(Resource::trusted(json.into_bytes()).unwrap());
        let place = |entry| Place { package: 0, entry };
        for entry in 0..30 {
            cache.put(1, place(entry), &resource);
            assert!(cache.get(1, place(0)).is_some(), "the first is asked for each time");
        }
        assert!(cache.get(1, place(1)).is_none());
        assert!(cache.get(2, place(29)).is_none(), "other contents");
        let kept = cache.0.lock().unwrap();
        assert!(kept.bytes <= MAX_BYTES, "{}", kept.bytes);
        assert_eq!(kept.bytes, kept.by_place.len() * resource.source().len());
    }
}
