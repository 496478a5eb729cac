//! `_include` and `_revinclude`: what a page brings beside its matches.
//! Spec: <https://hl7.org/fhir/R4/search.html#include>
//!
//! The included resources of a page are a stream of their own, in row order: a page holds as many
//! as fit, and the next link goes on after the last one. Each is there once, and never when it is
//! a match of the page itself.

use std::collections::{BTreeMap, BTreeSet};

use fhir_model::{Issue, IssueType, ResourceKey};
use fhir_search::{Include, SearchQuery};
use fhir_store::{RowKey, StoredVersion};

use crate::app::{self, App, ReadFailure};
use crate::sight::Sight;

/// How many times `:iterate` is applied to what it brought.
const MAX_ROUNDS: usize = 16;

/// How many resources `:iterate` may gather for one page before it stops and says so.
const MAX_GATHERED: usize = 20_000;

/// The included resources that fit on a page.
#[derive(Default)]
pub(crate) struct Included {
    pub(crate) resources: Vec<StoredVersion>,
    /// The last one, where more are left.
    pub(crate) last: Option<RowKey>,
    pub(crate) notes: Vec<Issue>,
}

/// What the includes of `query` bring for these matches, after the row that was sent last.
pub(crate) fn included(
    app: &App,
    sight: &mut Sight<'_>,
    query: &SearchQuery,
    matches: &[StoredVersion],
    sent: Option<RowKey>,
) -> Result<Included, ReadFailure> {
    let mut gathering = Gathering {
        app,
        matches: matches.iter().map(|stored| stored.row).collect(),
        known: matches.iter().map(|stored| stored.key.clone()).collect(),
        loaded: BTreeMap::new(),
        rows: BTreeSet::new(),
        sent,
        notes: Vec::new(),
    };
    gathering.gather(sight, query, matches)?;
    gathering.finish(sight)
}

struct Gathering<'a> {
    app: &'a App,
    matches: BTreeSet<RowKey>,
    /// Keys that need no loading any more.
    known: BTreeSet<ResourceKey>,
    loaded: BTreeMap<RowKey, StoredVersion>,
    /// Rows that refer to a match, not loaded yet.
    rows: BTreeSet<RowKey>,
    sent: Option<RowKey>,
    notes: Vec<Issue>,
}

impl Gathering<'_> {
    fn gather(
        &mut self,
        sight: &mut Sight<'_>,
        query: &SearchQuery,
        matches: &[StoredVersion],
    ) -> Result<(), ReadFailure> {
        let is_iterating =
            query.include.iter().chain(&query.revinclude).any(|include| include.iterate);
        let mut frontier = matches.to_vec();
        for round in 0..MAX_ROUNDS {
            let applies = |include: &&Include| round == 0 || include.iterate;
            let forward: Vec<_> = query.include.iter().filter(applies).collect();
            let backward: Vec<_> = query.revinclude.iter().filter(applies).collect();
            let mut brought = self.forward(sight, &forward, &frontier)?;
            brought.extend(self.backward(sight, &backward, &frontier, is_iterating)?);
            if !is_iterating || brought.is_empty() {
                return Ok(());
            }
            if self.loaded.len() > MAX_GATHERED {
                break;
            }
            frontier = brought;
        }
        let text = "_include:iterate or _revinclude:iterate stopped before its end: it brought \
                    more than one page may gather; ask for less at once";
        self.notes.push(Issue::warning(IssueType::TooCostly, text).at("http._include"));
        Ok(())
    }

    /// Loads what `frontier` refers to; gives what is new.
    fn forward(
        &mut self,
        sight: &mut Sight<'_>,
        includes: &[&Include],
        frontier: &[StoredVersion],
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let mut keys = Vec::new();
        for stored in frontier {
            for key in references(self.app, includes, stored)? {
                if self.known.insert(key.clone()) {
                    keys.push(key);
                }
            }
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let brought = sight.load_keys(&keys)?;
        self.loaded.extend(brought.iter().map(|stored| (stored.row, stored.clone())));
        Ok(brought)
    }

    /// Finds what refers to `frontier`; loads it only when it is asked for more in turn.
    fn backward(
        &mut self,
        sight: &mut Sight<'_>,
        includes: &[&Include],
        frontier: &[StoredVersion],
        is_iterating: bool,
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let mut brought = Vec::new();
        for include in includes {
            let fits = |stored: &&StoredVersion| {
                include.target.is_none_or(|target| stored.key.resource_type == target)
            };
            let hash = |stored: &StoredVersion| self.app.hasher().reference(&stored.key);
            let targets: Vec<i64> = frontier.iter().filter(fits).map(hash).collect();
            if targets.is_empty() {
                continue;
            }
            let (after, limit) = if is_iterating {
                (None, MAX_GATHERED)
            } else {
                // One more than fits, and matches among them don't count.
                (self.sent, self.page_size() + 1 + self.matches.len())
            };
            let rows = sight.referring(&include.parameters, &targets, after, limit)?;
            if is_iterating {
                let new: Vec<_> =
                    rows.into_iter().filter(|row| !self.loaded.contains_key(row)).collect();
                for stored in sight.load_visible(&new)? {
                    self.known.insert(stored.key.clone());
                    self.loaded.insert(stored.row, stored.clone());
                    brought.push(stored);
                }
            } else {
                self.rows.extend(rows);
            }
        }
        Ok(brought)
    }

    fn page_size(&self) -> usize {
        self.app.settings().max_included.max(1)
    }

    fn finish(mut self, sight: &mut Sight<'_>) -> Result<Included, ReadFailure> {
        let mut rows = self.rows.clone();
        rows.extend(self.loaded.keys());
        let is_left =
            |row: &RowKey| !self.matches.contains(row) && self.sent.is_none_or(|sent| *row > sent);
        let mut rows: Vec<_> = rows.into_iter().filter(is_left).collect();
        let has_more = rows.len() > self.page_size();
        rows.truncate(self.page_size());
        let last = rows.last().copied().filter(|_| has_more);
        let missing: Vec<_> =
            rows.iter().copied().filter(|row| !self.loaded.contains_key(row)).collect();
        for stored in sight.load_visible(&missing)? {
            self.loaded.insert(stored.row, stored);
        }
        let resources = rows.iter().filter_map(|row| self.loaded.remove(row)).collect();
        Ok(Included { resources, last, notes: self.notes })
    }
}

/// The local references of a resource that the includes follow.
fn references(
    app: &App,
    includes: &[&Include],
    stored: &StoredVersion,
) -> Result<Vec<ResourceKey>, ReadFailure> {
    let wanted: Vec<_> =
        includes.iter().filter(|include| include.source == stored.key.resource_type).collect();
    let Some(body) = stored.body.as_ref().filter(|_| !wanted.is_empty()) else {
        return Ok(Vec::new());
    };
    let resource = body.to_resource(&stored.key)?;
    let mut keys = Vec::new();
    let definitions = app.definitions();
    for include in wanted {
        for parameter in &include.parameters {
            let Some(parameter) = definitions.registry.by_id(*parameter) else { continue };
            let found = app::references(&definitions.indexer, resource.view(), parameter);
            let fits =
                |key: &ResourceKey| include.target.is_none_or(|target| key.resource_type == target);
            keys.extend(found.into_iter().filter(fits));
        }
    }
    Ok(keys)
}
