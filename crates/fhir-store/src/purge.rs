//! What a purge is told and what it reports.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use fhir_search::{Found, IndexRows, ParameterId, SearchQuery, World};

use crate::core::Core;
use crate::error::StoreError;
use crate::read::{Reader, RowKey, StoredVersion};

/// What is to be removed for good: every version, every index row, every word.
#[derive(Clone, Debug, Default)]
pub struct Purge {
    /// These resources, whether they live or are deleted; what never was is passed over.
    pub keys: Vec<ResourceKey>,
    /// Whatever matches one of these (a compartment, a search), whether it lives or is deleted: a
    /// deleted resource is judged by its last version that had a body. Lookups are resolved before.
    pub matching: Vec<SearchQuery>,
}

/// What a purge has removed, and what it found left when it looked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurgeReport {
    /// Removed resources by type, deleted ones among them.
    pub resources: BTreeMap<ResourceType, u64>,
    /// Removed versions, deletes among them.
    pub versions: u64,
    /// Removed rows by table; tables without any are named with 0.
    pub removed: BTreeMap<&'static str, u64>,
    /// Rows of the purged resources that stand in each table afterwards, counted by going through
    /// the whole table: 0 everywhere, or something is wrong.
    pub left: BTreeMap<&'static str, u64>,
    /// Live resources that still refer to what was purged.
    pub referring: u64,
}

impl PurgeReport {
    /// Whether nothing of the purged resources stands in any table.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.values().all(|count| *count == 0)
    }
}

/// Resources that one commit of a purge removes.
pub(crate) const CHUNK: usize = 200;

/// Rows that are looked at in one go while a purge finds out what it is about.
const PAGE: usize = 500;

/// Tables in which rows of a resource stand under its row number, as they are counted afterwards.
/// Beside them there are tables about the database itself and about all resources alike: codings
/// (no identifiers), units, parameters, counters, dictionaries, settings, marks of loaders (a
/// file's hash and a position).
pub(crate) const TABLES: [&str; 16] = [
    "resource",
    "version",
    "change",
    "token",
    "reference",
    "date",
    "number",
    "string",
    "uri",
    "place",
    "composite_token",
    "composite_number",
    "composite_date",
    "composite_string",
    "code_date",
    "access",
];

/// The words of a resource stand under its row number too.
pub(crate) const WORDS: &str = "words";

/// Where ids of the client's choice are looked up; on PostgreSQL only.
pub(crate) const DIRECTORY: &str = "directory";

/// What a purge is about: every row with its key.
pub(crate) fn doomed(
    core: &Core,
    reader: &mut dyn Reader,
    purge: &Purge,
) -> Result<BTreeMap<RowKey, ResourceKey>, StoreError> {
    let mut doomed = BTreeMap::new();
    for key in &purge.keys {
        doomed.extend(reader.current(key)?.map(|found| (found.row, found.key)));
    }
    for query in &purge.matching {
        let mut after = None;
        loop {
            let hits = reader.search(query, after.as_ref(), PAGE)?;
            let rows: Vec<RowKey> = hits.iter().map(|hit| hit.row).collect();
            let found = reader.load(&rows)?;
            doomed.extend(found.into_iter().map(|found| (found.row, found.key)));
            match hits.last() {
                Some(last) if hits.len() == PAGE => after = Some(last.position.clone()),
                _ => break,
            }
        }
    }
    if purge.matching.is_empty() {
        return Ok(doomed);
    }
    let mut after = None;
    loop {
        let gone = reader.last_before_deletion(after, PAGE)?;
        for stored in &gone {
            if matched(core, stored, &purge.matching)? {
                doomed.insert(stored.row, stored.key.clone());
            }
        }
        match gone.last() {
            Some(last) if gone.len() == PAGE => after = Some(last.row),
            _ => return Ok(doomed),
        }
    }
}

/// Whether a version would match one of the queries, were it live.
fn matched(
    core: &Core,
    stored: &StoredVersion,
    queries: &[SearchQuery],
) -> Result<bool, StoreError> {
    let Some(body) = &stored.body else { return Ok(false) };
    let rows = Arc::new(core.rows_of(&stored.key, body)?);
    let hash = core.hasher.reference(&stored.key);
    let found = Found { key: stored.key.clone(), hash, updated: stored.updated, rows };
    Ok(queries.iter().any(|query| {
        let Ok(holds) = query.holds(&found, &mut Nothing);
        holds
    }))
}

/// A deleted resource stands alone: chains from it lead nowhere.
struct Nothing;

impl World for Nothing {
    type Error = Infallible;

    fn targets(&mut self, _: &[i64], _: ResourceType) -> Result<Vec<Found>, Infallible> {
        Ok(Vec::new())
    }

    fn referring(&mut self, _: i64, _: &[ParameterId]) -> Result<Vec<Found>, Infallible> {
        Ok(Vec::new())
    }
}

/// How many live resources refer to what was purged.
pub(crate) fn referring(
    core: &Core,
    reader: &mut dyn Reader,
    purged: &BTreeMap<RowKey, ResourceKey>,
) -> Result<u64, StoreError> {
    let mut by_type: BTreeMap<ResourceType, Vec<i64>> = BTreeMap::new();
    for key in purged.values() {
        by_type.entry(key.resource_type).or_default().push(core.hasher.reference(key));
    }
    let registry = &core.definitions().registry;
    let mut rows: BTreeSet<RowKey> = BTreeSet::new();
    for (resource_type, hashes) in by_type {
        let parameters = registry.linking(resource_type);
        for hashes in hashes.chunks(PAGE) {
            let mut after = None;
            loop {
                let found = reader.referring(&parameters, hashes, after, PAGE)?;
                rows.extend(&found);
                if found.len() < PAGE {
                    break;
                }
                after = found.last().copied();
            }
        }
    }
    Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}

impl PurgeReport {
    /// Adds rows that were removed.
    pub(crate) fn note(&mut self, table: &'static str, count: usize) {
        *self.removed.entry(table).or_default() += u64::try_from(count).unwrap_or(u64::MAX);
    }

    /// Adds the index rows of a resource that was live.
    pub(crate) fn note_rows(&mut self, rows: &IndexRows) {
        for (table, count) in [
            ("token", rows.token.len()),
            ("reference", rows.reference.len()),
            ("date", rows.date.len()),
            ("number", rows.number.len()),
            ("string", rows.string.len()),
            ("uri", rows.uri.len()),
            ("place", rows.place.len()),
            ("composite_token", rows.composite_token.len()),
            ("composite_number", rows.composite_number.len()),
            ("composite_date", rows.composite_date.len()),
            ("composite_string", rows.composite_string.len()),
            ("code_date", rows.code_date.len()),
            ("access", 1),
            (WORDS, usize::from(!crate::backend::words::is_empty(&rows.text))),
        ] {
            self.note(table, count);
        }
    }

    /// Adds what another part of the same purge did.
    pub(crate) fn merge(&mut self, other: Self) {
        for (resource_type, count) in other.resources {
            *self.resources.entry(resource_type).or_default() += count;
        }
        self.versions += other.versions;
        for (table, count) in other.removed {
            *self.removed.entry(table).or_default() += count;
        }
        for (table, count) in other.left {
            *self.left.entry(table).or_default() += count;
        }
    }
}
