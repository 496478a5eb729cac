//! What questions have in common: systems and value sets that were made ready, as long as what
//! they were made of stays as it is.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::fault::Fault;
use crate::set::{AnySystem, Set};

/// More than anybody uses at once; then everything is made anew.
const MAX_KEPT: usize = 20_000;

type SystemKey = (String, Option<String>);

/// Shared by all questions of one [`crate::Terminology`].
#[derive(Debug, Default)]
pub(crate) struct Shared(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What is stored as it was when this was made.
    generation: u64,
    systems: HashMap<SystemKey, Option<AnySystem>>,
    sets: HashMap<String, Result<Arc<Set>, Fault>>,
}

impl Shared {
    /// A value set that was made ready from this generation.
    pub(crate) fn set(&self, generation: u64, canonical: &str) -> Option<Result<Arc<Set>, Fault>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != generation {
            return None;
        }
        kept.sets.get(canonical).cloned()
    }

    /// A code system that was read from this generation; none inside where there is none.
    pub(crate) fn system(&self, generation: u64, key: &SystemKey) -> Option<Option<AnySystem>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != generation {
            return None;
        }
        kept.systems.get(key).cloned()
    }

    /// Writes where the generation is the newest one; what an older question made is dropped.
    fn keep(&self, generation: u64, write: impl FnOnce(&mut Kept)) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = kept.systems.len() + kept.sets.len() > MAX_KEPT;
        if generation > kept.generation || is_full {
            *kept = Kept { generation, ..Kept::default() };
        }
        if generation == kept.generation {
            write(&mut kept);
        }
    }
}

/// The shelf of one question: the shared one where it may be shared, else its own.
pub(crate) struct Shelf<'s> {
    systems_of: Option<(&'s Shared, u64)>,
    sets_of: Option<(&'s Shared, u64)>,
    own: Kept,
}

impl<'s> Shelf<'s> {
    /// Value sets are shared where no other versions of systems are asked for.
    pub(crate) fn new(shared: Option<(&'s Shared, u64)>, with_sets: bool) -> Self {
        let sets_of = shared.filter(|_| with_sets);
        Self { systems_of: shared, sets_of, own: Kept::default() }
    }

    pub(crate) fn system(&self, key: &SystemKey) -> Option<Option<AnySystem>> {
        match self.systems_of {
            Some((shared, generation)) => shared.system(generation, key),
            None => self.own.systems.get(key).cloned(),
        }
    }

    pub(crate) fn keep_system(&mut self, key: SystemKey, system: Option<AnySystem>) {
        match self.systems_of {
            Some((shared, generation)) => shared.keep(generation, |kept| {
                kept.systems.insert(key, system);
            }),
            None => {
                self.own.systems.insert(key, system);
            }
        }
    }

    pub(crate) fn set(&self, canonical: &str) -> Option<Result<Arc<Set>, Fault>> {
        match self.sets_of {
            Some((shared, generation)) => shared.set(generation, canonical),
            None => self.own.sets.get(canonical).cloned(),
        }
    }

    pub(crate) fn keep_set(&mut self, canonical: &str, set: Result<Arc<Set>, Fault>) {
        match self.sets_of {
            Some((shared, generation)) => shared.keep(generation, |kept| {
                kept.sets.insert(canonical.to_owned(), set);
            }),
            None => {
                self.own.sets.insert(canonical.to_owned(), set);
            }
        }
    }
}
