//! The systems of codes whose elements name none: those of their required bindings.

use fhir_definitions::{CodeSystemCodes, Definitions};

use crate::ValueHasher;
use crate::hash::NONE;

/// The code systems of all required bindings, with their hashes.
#[derive(Debug)]
pub(crate) struct CodeSystems {
    /// By the place of the set in [`Definitions::code_sets`].
    sets: Vec<Vec<(i64, &'static CodeSystemCodes)>>,
}

impl CodeSystems {
    pub(crate) fn new(definitions: &'static Definitions, hasher: &ValueHasher) -> Self {
        let hashed = |each: &'static CodeSystemCodes| (hasher.hash(each.system), each);
        let sets = definitions.code_sets.iter();
        Self { sets: sets.map(|set| set.systems.iter().map(hashed).collect()).collect() }
    }

    /// Hash and URL of the system that a code of a set is of: the only one, or the first that has
    /// the code; nothing where there is none.
    pub(crate) fn of(&self, set: u16, code: &str) -> (i64, &'static str) {
        let found = match self.sets.get(usize::from(set)).map(Vec::as_slice) {
            Some([only]) => Some(only),
            Some(several) => {
                several.iter().find(|(_, system)| system.codes.binary_search(&code).is_ok())
            }
            None => None,
        };
        found.map_or((NONE, ""), |(sys, system)| (*sys, system.system))
    }
}
