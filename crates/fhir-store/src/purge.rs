//! What a purge is told and what it reports.

use std::collections::BTreeMap;

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use fhir_search::SearchQuery;

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
