//! Resources inside others (`_contained`): containers are walked in row order, and each resource
//! inside is compared by rows of its own.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::{ContainedMode, Found, RowMatch, Scope, SearchQuery};

use super::arm;
use super::plan::Plan;
use super::reading::Reading;
use super::run::{Run, hit};
use super::source::Source;
use super::walk::{Bounds, MOST};
use crate::error::StoreError;
use crate::read::{Hit, Matched, RowKey, StoredVersion};
use crate::sql::Sql;

/// The code of the rows that tell of resources inside.
const INSIDE: i64 = 1;

impl<S: Reading> Run<'_, S> {
    /// A page of a search that looks into resources, in row order.
    pub(super) fn with_contained(
        &mut self,
        query: &SearchQuery,
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let mut hits = self.containers(query, after, limit)?;
        if query.contained == ContainedMode::Both && !self.types.is_empty() {
            let (plan, _) = self.plan(&query.predicates, limit)?;
            let bounds =
                Bounds { after, is_backwards: false, limit, fuel: u64::MAX, with_bodies: false };
            for own in self.walk(&plan, bounds)?.found {
                match hits.iter_mut().find(|hit| hit.row == own.row) {
                    Some(hit) => hit.matched.itself = true,
                    None => hits.push(hit(own.row)),
                }
            }
            hits.sort_by_key(|hit| hit.row);
            hits.truncate(limit);
        }
        Ok(hits)
    }

    /// How many resources match themselves or by one inside.
    pub(super) fn count_contained(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        let mut count = 0;
        let mut after = None;
        loop {
            let hits = self.with_contained(query, after, MOST)?;
            count += hits.len() as u64;
            match hits.last() {
                Some(last) if hits.len() == MOST => after = Some(last.row),
                Some(_) | None => return Ok(count),
            }
        }
    }

    /// Resources with one inside that matches.
    fn containers(
        &mut self,
        query: &SearchQuery,
        mut after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let types: Vec<ResourceType> = match &query.scope {
            Scope::Type(one) => vec![*one],
            Scope::Types(several) => several.clone(),
            Scope::All => ResourceType::all().collect(),
        };
        let numbers = types.iter().filter_map(|of| self.definitions.registry.contained(*of));
        let dialect = self.reading.dialect();
        let arms = numbers
            .flat_map(|p| arm::arms(dialect, &RowMatch::Token { p, code: INSIDE, sys: Some(0) }))
            .collect();
        let plan = Plan {
            driver: None,
            source: Source::new(arms),
            size: None,
            probes: Sql::default(),
            residual: Vec::new(),
            expected: limit,
            surer: None,
        };
        let mut hits = Vec::new();
        loop {
            let many = limit.clamp(32, MOST);
            let bounds = Bounds {
                after,
                is_backwards: false,
                limit: many,
                fuel: u64::MAX,
                with_bodies: true,
            };
            let walked = self.walk(&plan, bounds)?;
            after = walked.found.last().map(|one| one.row).or(after);
            for one in walked.found {
                let Some((version, _)) = &one.read else { continue };
                let contained = self.inside_of(query, &types, version)?;
                if !contained.is_empty() {
                    let matched = Matched { itself: false, contained };
                    hits.push(Hit { matched, ..hit(one.row) });
                }
                if hits.len() == limit {
                    return Ok(hits);
                }
            }
            if walked.is_whole {
                return Ok(hits);
            }
        }
    }

    /// The local ids of the resources inside that match.
    fn inside_of(
        &mut self,
        query: &SearchQuery,
        types: &[ResourceType],
        version: &StoredVersion,
    ) -> Result<Vec<String>, StoreError> {
        let Some(body) = &version.body else { return Ok(Vec::new()) };
        let key = &version.key;
        let resource = body
            .to_resource(key)
            .map_err(|_failure| StoreError::Damaged(format!("the body of {key} is not JSON")))?;
        let definitions = Arc::clone(&self.definitions);
        let mut ids = Vec::new();
        for inner in definitions.indexer.contained(resource.view()) {
            if !types.contains(&inner.key.resource_type) {
                continue;
            }
            // Nothing outside refers to it: it has no hash.
            let id = inner.key.id.to_string();
            let rows = Arc::new(inner.rows);
            let found = Found { key: inner.key, hash: 0, updated: version.updated, rows };
            if self.holds(&query.predicates, &found)? {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}
