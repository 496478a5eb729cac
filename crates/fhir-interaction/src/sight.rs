//! What a permit lets one see of the store.
//!
//! Every read goes through here, so that the predicates of a permit hold for reads by id, pages,
//! totals, includes and histories alike: what is hidden isn't there.

mod labels;
mod memory;
mod personal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fhir_access::Permit;
use fhir_definitions::ResourceType;
use fhir_model::{Resource, ResourceKey, VersionId};
use fhir_search::{
    ContainedMode, ContainedType, Indexer, Match, ParameterId, Predicate, Registry, Scope,
    SearchQuery, SummaryMode, TotalMode, ValueHasher,
};
use fhir_store::{
    ChangeCursor, Changes, Definitions, Explanation, HistoryPosition, HistoryScope, HistoryWindow,
    Hit, Position, Reader, RowKey, StoreError, StoredTrace, StoredVersion, TraceWindow,
};

use memory::Recall;
pub(crate) use memory::{Memory, stamps};

use crate::app::ReadFailure;
use crate::permitted::{guarded_chains, permitted};
use crate::trace::patients_of_all;

/// Versions or resources that are looked at in one go.
const CHUNK: usize = 500;

/// Whether versions are known to be the current ones.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Current,
    Any,
}

/// A number of matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// As many as there are.
    Exact(u64),
    /// About as many.
    Estimate(u64),
}

/// A reader that sees only what its permit allows.
pub(crate) struct Sight<'a> {
    reader: &'a mut dyn Reader,
    permit: &'a Permit,
    registry: &'a Registry,
    indexer: &'a Indexer,
    /// The generation of [`crate::terminology::Knowledge`] before the snapshot was opened.
    codes_as_of: u64,
    /// What is remembered of persons; none where nothing is.
    recall: Option<Recall<'a>>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(
        reader: &'a mut dyn Reader,
        permit: &'a Permit,
        definitions: &'a Definitions,
        codes_as_of: u64,
        recall: Option<Recall<'a>>,
    ) -> Self {
        let Definitions { registry, indexer } = definitions;
        Self { reader, permit, registry, indexer, codes_as_of, recall }
    }

    /// The search parameters that the snapshot's rows were made for.
    pub(crate) const fn registry(&self) -> &'a Registry {
        self.registry
    }

    /// What the rows were made with.
    pub(crate) const fn indexer(&self) -> &'a Indexer {
        self.indexer
    }

    pub(crate) fn hasher(&self) -> ValueHasher {
        self.indexer.hasher().clone()
    }

    /// Rows of the trace, which only who may read all of it is led to.
    pub(crate) fn traces(&mut self, window: &TraceWindow) -> Result<Vec<StoredTrace>, StoreError> {
        self.reader.traces(window)
    }

    /// What was known of codes before the snapshot was opened.
    pub(crate) const fn codes_as_of(&self) -> u64 {
        self.codes_as_of
    }

    /// Whether the permit hides something from its caller.
    pub(crate) fn hides_some(&self) -> bool {
        !self.permit.sees_all()
    }

    pub(crate) fn current(&mut self, key: &ResourceKey) -> Found {
        let found = self.reader.current(key)?;
        let found = self.only_visible(key, found)?;
        Ok(self.shown(found.into_iter().collect(), Age::Current)?.pop())
    }

    pub(crate) fn version(&mut self, key: &ResourceKey, version: VersionId) -> Found {
        let found = self.reader.version(key, version)?;
        let found = self.only_visible(key, found)?;
        Ok(self.shown(found.into_iter().collect(), Age::Any)?.pop())
    }

    /// Visible versions, newest first; fewer than `limit` only where there are no more.
    pub(crate) fn history(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        after: Option<&HistoryPosition>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let mut found = Vec::new();
        let mut after = after.copied();
        loop {
            let chunk = self.reader.history(scope, window, after.as_ref(), limit)?;
            let is_last = chunk.len() < limit;
            after = chunk.last().map(StoredVersion::history_position);
            found.extend(self.all_visible(chunk)?);
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return self.shown(found, Age::Any);
            }
        }
    }

    /// Visible versions in the order of changes; fewer than `limit` only where there are no more
    /// for now.
    pub(crate) fn changes_since(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        cursor: Option<ChangeCursor>,
        limit: usize,
    ) -> Result<Changes, StoreError> {
        let mut changes = self.reader.changes_since(scope, window, cursor, limit)?;
        changes.versions = self.all_visible(changes.versions)?;
        while changes.has_more && changes.versions.len() < limit {
            let missing = limit - changes.versions.len();
            let more = self.reader.changes_since(scope, window, Some(changes.end), missing)?;
            changes.versions.extend(self.all_visible(more.versions)?);
            (changes.end, changes.has_more) = (more.end, more.has_more);
        }
        changes.versions = self.shown(changes.versions, Age::Any)?;
        Ok(changes)
    }

    /// How many visible versions there are; they are walked where a permit hides some.
    pub(crate) fn history_count(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
    ) -> Result<u64, StoreError> {
        if self.permit.sees_all() {
            return self.reader.history_count(scope, window);
        }
        let mut count = 0;
        let mut after = None;
        loop {
            let chunk = self.history(scope, window, after.as_ref(), CHUNK)?;
            count += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            after = chunk.last().map(StoredVersion::history_position);
            if chunk.len() < CHUNK {
                return Ok(count);
            }
        }
    }

    /// How many visible resources of a type live.
    pub(crate) fn live(&mut self, resource_type: ResourceType) -> Result<u64, StoreError> {
        if self.permit.sees_all() {
            return self.reader.live(Some(resource_type));
        }
        self.count(&of_type(resource_type, Vec::new()))
    }

    /// How large the database is; none where the permit hides some of it.
    pub(crate) fn bytes(&mut self) -> Result<Option<u64>, StoreError> {
        if !self.permit.sees_all() {
            return Ok(None);
        }
        self.reader.bytes().map(Some)
    }

    /// The marks of a loader, which say nothing about resources.
    pub(crate) fn journal(&mut self, file: &str) -> Result<Vec<i64>, StoreError> {
        self.reader.journal(file)
    }

    /// The UCUM units that quantities of a parameter have, which say nothing about whose they are.
    pub(crate) fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, StoreError> {
        self.reader.units(p)
    }

    /// Whether the permit lets this resource be seen.
    pub(crate) fn sees(&mut self, key: &ResourceKey) -> Result<bool, StoreError> {
        if self.permit.sees_all() {
            return Ok(true);
        }
        Ok(!self.search(&by_id(key), None, 1)?.is_empty())
    }

    pub(crate) fn search(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        if self.is_about_contained(query) {
            return self.containers(query, after, limit);
        }
        let query = permitted(query, self.permit, self.registry);
        self.reader.search(&query, after, limit)
    }

    pub(crate) fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        if self.is_about_contained(query) {
            return self.count_containers(query);
        }
        let query = permitted(query, self.permit, self.registry);
        self.reader.count(&query)
    }

    /// Whether a search looks into resources, some of which the permit may hide: then what stands
    /// inside is compared with the client's conditions alone, and the permit's are for those
    /// around it.
    fn is_about_contained(&self, query: &SearchQuery) -> bool {
        query.contained != ContainedMode::False
            && (self.hides_some() || self.permit.conceals_some())
    }

    fn containers(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let query = guarded_chains(query, self.permit);
        let mut found = Vec::new();
        let mut after = after.cloned();
        loop {
            let hits = self.reader.search(&query, after.as_ref(), limit)?;
            let is_last = hits.len() < limit;
            after = hits.last().map(|hit| hit.position.clone());
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            let found_rows = self.reader.load(&rows)?;
            let mut visible: BTreeSet<RowKey> =
                self.all_visible(found_rows.clone())?.iter().map(|stored| stored.row).collect();
            // What stands inside of what is not shown whole isn't looked into.
            for stored in self.labelled(&found_rows) {
                visible.remove(&stored.row);
            }
            found.extend(hits.into_iter().filter(|hit| visible.contains(&hit.row)));
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    fn count_containers(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        let (mut count, mut after) = (0_u64, None);
        loop {
            let hits = self.containers(query, after.as_ref(), CHUNK)?;
            count = count.saturating_add(u64::try_from(hits.len()).unwrap_or(u64::MAX));
            after = hits.last().map(|hit| hit.position.clone());
            if hits.len() < CHUNK {
                return Ok(count);
            }
        }
    }

    /// How many match, roughly where that is cheaper. Under a permit that hides something it is
    /// always exact: an estimate could tell of what is hidden.
    pub(crate) fn estimate(&mut self, query: &SearchQuery) -> Result<Count, StoreError> {
        if self.permit.sees_all() && !self.permit.conceals_some() {
            return self.reader.estimate(query).map(Count::Estimate);
        }
        self.count(query).map(Count::Exact)
    }

    /// The last matches before a position; `None` where the store can't walk backwards.
    pub(crate) fn search_before(
        &mut self,
        query: &SearchQuery,
        before: &Position,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError> {
        let query = permitted(query, self.permit, self.registry);
        self.reader.search_before(&query, before, limit)
    }

    /// How the store answers a search.
    pub(crate) fn explain(
        &mut self,
        query: &SearchQuery,
        limit: usize,
    ) -> Result<Explanation, StoreError> {
        let query = permitted(query, self.permit, self.registry);
        self.reader.explain(&query, limit)
    }

    /// Goes through all that a search finds, in row order; `false` where it stopped because there
    /// was more than `most`.
    pub(crate) fn each(
        &mut self,
        query: &SearchQuery,
        most: usize,
        mut visit: impl FnMut(ResourceKey, &Resource),
    ) -> Result<bool, ReadFailure> {
        let (mut seen, mut after) = (0, None);
        loop {
            let hits = self.search(query, after.as_ref(), CHUNK)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            for stored in self.load(&rows)? {
                let Some(body) = &stored.body else { continue };
                let resource = body.to_resource(&stored.key)?;
                visit(stored.key, &resource);
            }
            seen += hits.len();
            after = hits.last().map(|hit| hit.position.clone());
            if hits.len() < CHUNK {
                return Ok(true);
            }
            if seen >= most {
                return Ok(false);
            }
        }
    }

    /// Bodies of rows that a search of the same permit has found.
    pub(crate) fn load(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError> {
        let found = self.reader.load(rows)?;
        self.shown(found, Age::Current)
    }

    /// The live and visible ones among these resources.
    pub(crate) fn load_keys(
        &mut self,
        keys: &[ResourceKey],
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let found = self.reader.load_keys(keys)?;
        let found = self.all_visible(found)?;
        self.shown(found, Age::Current)
    }

    /// Rows that refer to one of `targets`, after `after`; what is hidden among them goes when
    /// they are loaded with [`Sight::load_visible`].
    pub(crate) fn referring(
        &mut self,
        parameters: &[ParameterId],
        targets: &[i64],
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, StoreError> {
        // That one refers to another is hidden with the element that says so.
        let is_hidden = |p: &ParameterId| {
            self.permit.all_concealed().any(|(_, concealed)| concealed.parameters.contains(p))
        };
        let seen: Vec<_> = parameters.iter().copied().filter(|p| !is_hidden(p)).collect();
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        self.reader.referring(&seen, targets, after, limit)
    }

    /// The current versions of rows that may be hidden.
    pub(crate) fn load_visible(
        &mut self,
        rows: &[RowKey],
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let found = self.reader.load(rows)?;
        let found = self.all_visible(found)?;
        self.shown(found, Age::Current)
    }

    fn only_visible(&mut self, key: &ResourceKey, found: Option<StoredVersion>) -> Found {
        self.admit_found(key, found.as_slice())?;
        // What is hidden takes as long as what isn't there.
        let is_seen = self.sees(key)?;
        match found {
            Some(stored) if is_seen => {
                self.permit.trace().about(&stored.key, Some(stored.version));
                Ok(Some(stored))
            }
            _ => Ok(None),
        }
    }

    fn all_visible(&mut self, found: Vec<StoredVersion>) -> Result<Vec<StoredVersion>, StoreError> {
        if self.permit.sees_all() {
            return Ok(found);
        }
        self.admit_all(&found)?;
        let mut by_type: BTreeMap<ResourceType, BTreeSet<ResourceKey>> = BTreeMap::new();
        for stored in &found {
            by_type.entry(stored.key.resource_type).or_default().insert(stored.key.clone());
        }
        let mut visible = BTreeSet::new();
        for (resource_type, keys) in by_type {
            let limit = keys.len();
            let any = vec![Match::Keys(Arc::new(keys.into_iter().collect()))];
            let query = of_type(resource_type, vec![Predicate { any }]);
            visible.extend(self.search(&query, None, limit)?.into_iter().map(|hit| hit.row));
        }
        Ok(found.into_iter().filter(|stored| visible.contains(&stored.row)).collect())
    }

    /// Notes for the trace whose data these are. Whoever loads bodies is about to tell of them,
    /// or to work out something from them for the caller.
    fn note(&self, found: &[StoredVersion]) -> Result<(), StoreError> {
        if self.permit.trace().is_on() {
            self.permit.trace().touched(patients_of_all(self.indexer, found)?);
        }
        Ok(())
    }
}

fn by_id(key: &ResourceKey) -> SearchQuery {
    of_type(key.resource_type, vec![Predicate { any: vec![Match::Id(key.id.clone())] }])
}

/// What the server itself asks for: the resources of a type with all of these.
pub(crate) fn of_type(resource_type: ResourceType, predicates: Vec<Predicate>) -> SearchQuery {
    SearchQuery {
        scope: Scope::Type(resource_type),
        predicates,
        sort: Vec::new(),
        count: 1,
        total: TotalMode::None,
        summary: SummaryMode::False,
        elements: Vec::new(),
        include: Vec::new(),
        revinclude: Vec::new(),
        contained: ContainedMode::False,
        contained_type: ContainedType::Container,
        applied: Vec::new(),
        explain: false,
        warnings: Vec::new(),
    }
}

type Found = Result<Option<StoredVersion>, StoreError>;
