//! The resources that a transaction itself brings, as a search would see them.
//!
//! Conditional references are resolved after all else is done, so that they may mean what the
//! same transaction creates or updates. Chains look at the transaction's own resources only.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey};
use fhir_search::{
    Found, IndexRows, Match, ParameterId, RowMatch, Scope, SearchQuery, ValueHasher, World,
};

/// One of the transaction's own resources.
pub(crate) struct Brought {
    /// Its entry.
    pub(crate) index: usize,
    pub(crate) found: Found,
}

/// All of them, found by type, code and hash.
#[derive(Default)]
pub(crate) struct Own {
    all: Vec<Brought>,
    by_type: HashMap<ResourceType, Vec<usize>>,
    by_code: HashMap<(i32, i64), Vec<usize>>,
    by_hash: HashMap<i64, usize>,
}

impl Own {
    pub(crate) fn add(
        &mut self,
        index: usize,
        key: &ResourceKey,
        rows: &IndexRows,
        (hasher, now): (&ValueHasher, Instant),
    ) {
        let place = self.all.len();
        let hash = hasher.reference(key);
        self.by_type.entry(key.resource_type).or_default().push(place);
        self.by_hash.insert(hash, place);
        for row in &rows.token {
            let places = self.by_code.entry((row.p, row.code)).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        let rows = Arc::new(rows.clone());
        let found = Found { key: key.clone(), hash, updated: now, rows };
        self.all.push(Brought { index, found });
    }

    /// Those that a query finds.
    pub(crate) fn matching(&self, query: &SearchQuery) -> Vec<&Brought> {
        let candidates = self.by_one_code(query).unwrap_or_else(|| match &query.scope {
            Scope::Type(resource_type) => {
                self.by_type.get(resource_type).map_or(&[], Vec::as_slice)
            }
            Scope::Types(_) | Scope::All => &[],
        });
        let mut world = Inside(self);
        let holds = |brought: &&Brought| match query.holds(&brought.found, &mut world) {
            Ok(holds) => holds,
            Err(never) => match never {},
        };
        candidates.iter().filter_map(|place| self.all.get(*place)).filter(holds).collect()
    }

    /// Where a query asks for one code (an identifier), what has it.
    fn by_one_code(&self, query: &SearchQuery) -> Option<&[usize]> {
        query.predicates.iter().find_map(|predicate| match predicate.any.as_slice() {
            [Match::Row(RowMatch::Token { p, code, .. })] => {
                Some(self.by_code.get(&(p.0, *code)).map_or(&[][..], Vec::as_slice))
            }
            _ => None,
        })
    }
}

/// The transaction's own resources as the world of chains.
struct Inside<'a>(&'a Own);

impl World for Inside<'_> {
    type Error = Infallible;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, Infallible> {
        let places = hashes.iter().filter_map(|hash| self.0.by_hash.get(hash));
        let found = places.filter_map(|place| self.0.all.get(*place)).map(|own| own.found.clone());
        Ok(found.filter(|found| found.key.resource_type == target).collect())
    }

    fn referring(
        &mut self,
        hash: i64,
        parameters: &[ParameterId],
    ) -> Result<Vec<Found>, Infallible> {
        let refers = |found: &Found| {
            let rows = found.rows.reference.iter();
            rows.filter(|row| row.target == hash)
                .any(|row| parameters.iter().any(|parameter| parameter.0 == row.p))
        };
        let found = self.0.all.iter().map(|own| &own.found).filter(|found| refers(found));
        Ok(found.cloned().collect())
    }
}
