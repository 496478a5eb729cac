//! What can be read: the [`Reader`] trait and the values it gives.

use fhir_definitions::ResourceType;
use fhir_model::{Body, Instant, ResourceKey, VersionId};
use fhir_search::{ParameterId, SearchQuery};

use crate::error::StoreError;
use crate::explain::{Explanation, Touched};
use crate::mark::{MarkKind, StoredMark};
use crate::trace::{StoredTrace, TraceWindow};

/// Reads inside one snapshot of the database.
///
/// Made by [`crate::Store::read`]. All lists are complete up to their limit; nothing is dropped.
pub trait Reader {
    /// Opens the snapshot of everything that is read from now on, where none is open.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn steady(&mut self) -> Result<(), StoreError>;

    /// The current version, deleted ones included; `None` where the resource never was.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn current(&mut self, key: &ResourceKey) -> Result<Option<StoredVersion>, StoreError>;

    /// One version, deletes included.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn version(
        &mut self,
        key: &ResourceKey,
        version: VersionId,
    ) -> Result<Option<StoredVersion>, StoreError>;

    /// Versions of a scope, newest first, strictly after `after` in that order.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn history(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        after: Option<&HistoryPosition>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError>;

    /// How many versions `history` would give in all.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn history_count(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
    ) -> Result<u64, StoreError>;

    /// Live resources that match, ordered by the sort keys and then by row; ask for one more than
    /// a page to learn whether another page follows.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn search(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError>;

    /// How many live resources match, exactly.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError>;

    /// About how many live resources match, at a cost that does not grow with them: exact for few,
    /// from counters, statistics and samples for many.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn estimate(&mut self, query: &SearchQuery) -> Result<u64, StoreError>;

    /// The last matches before a position, in the order of the search; `None` where walking
    /// backwards would cost more than a page is worth.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn search_before(
        &mut self,
        query: &SearchQuery,
        before: &Position,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError>;

    /// Runs a search and says how.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn explain(&mut self, query: &SearchQuery, limit: usize) -> Result<Explanation, StoreError>;

    /// What this reader has done so far.
    fn touched(&self) -> Touched;

    /// The current versions of rows, in the order asked; rows that are gone are left out.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn load(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError>;

    /// The live ones among these resources, in the order asked.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn load_keys(&mut self, keys: &[ResourceKey]) -> Result<Vec<StoredVersion>, StoreError>;

    /// Rows that refer to one of `targets` (hashes as in `ReferenceRow`) by one of `parameters`,
    /// in row order after `after`.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn referring(
        &mut self,
        parameters: &[ParameterId],
        targets: &[i64],
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, StoreError>;

    /// How many resources live, of one type or of all.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn live(&mut self, resource_type: Option<ResourceType>) -> Result<u64, StoreError>;

    /// How many bytes the database takes, index rows included.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn bytes(&mut self) -> Result<u64, StoreError>;

    /// Versions of a scope in the order of changes, oldest first, after a cursor (`None` from the
    /// start).
    ///
    /// Whoever goes on from [`Changes::end`] each time gets every version that is ever committed,
    /// once: on SQLite changes have the writer's counter, on PostgreSQL they are given out when
    /// every transaction that began before theirs has ended. The versions of one resource come in
    /// their order.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn changes_since(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        cursor: Option<ChangeCursor>,
        limit: usize,
    ) -> Result<Changes, StoreError>;

    /// The last versions with a body of resources that are deleted, in row order after `after`.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn last_before_deletion(
        &mut self,
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError>;

    /// The positions of a file that a loader has marked, ascending.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn journal(&mut self, file: &str) -> Result<Vec<i64>, StoreError>;

    /// The marks of a kind with this hash.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn marks(&mut self, kind: MarkKind, hash: i64) -> Result<Vec<StoredMark>, StoreError>;

    /// The UCUM units that quantities of a parameter have, or had: their number in index rows
    /// (`fhir_search::UnitRow::unit`) and their code.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, StoreError>;

    /// Rows of the trace. Those that stand alone are there once [`crate::Store::settle_trace`] was
    /// asked for, or a moment later.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn traces(&mut self, window: &TraceWindow) -> Result<Vec<StoredTrace>, StoreError>;
}

/// Where a resource's row is. Rows are given at creation, in time order, and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The row number.
    pub rid: i64,
    /// The distribution key: 0 on SQLite, the bucket of the person on PostgreSQL.
    pub dk: i64,
}

/// How a version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Created under an id that the server gave.
    Post,
    /// Created or updated under an id that the client named.
    Put,
    /// Deleted.
    Delete,
    /// Created once more, under the id of a deleted resource. The store says it of versions that
    /// came as `Put`.
    PutAfterDelete,
}

/// One version of one resource.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// Its row.
    pub row: RowKey,
    /// Its type and id.
    pub key: ResourceKey,
    /// Its version.
    pub version: VersionId,
    /// When this version came to be.
    pub updated: Instant,
    /// How this version came to be.
    pub method: Method,
    /// The stored form; `None` for a delete.
    pub body: Option<Body>,
}

/// Whose history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryScope {
    /// One resource.
    Instance(ResourceKey),
    /// All of a type.
    Type(ResourceType),
    /// Everything.
    System,
    /// These resources; where a version is named, only that version.
    Listed(Vec<(ResourceKey, Option<VersionId>)>),
}

/// From when until when; both ends may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryWindow {
    /// `_since`: only versions that came at or after this instant.
    pub since: Option<Instant>,
    /// Only versions that came before this instant.
    pub before: Option<Instant>,
    /// Only versions that came at or after this instant or were current at it; a deletion is
    /// current until something follows it.
    pub current_at: Option<Instant>,
}

/// The place of a version in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPosition {
    /// When the version came.
    pub updated: Instant,
    /// Its row.
    pub rid: i64,
    /// Its number.
    pub version: VersionId,
}

impl StoredVersion {
    /// Where this version stands in a history.
    #[must_use]
    pub fn history_position(&self) -> HistoryPosition {
        HistoryPosition { updated: self.updated, rid: self.row.rid, version: self.version }
    }
}

/// One value of a sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortValue {
    /// The resource has no value: it stands last in either direction.
    Absent,
    /// A date, a reference or another integer key.
    Integer(i64),
    /// A string or uri.
    Text(String),
    /// An exact decimal in its order-preserving form.
    Bytes(Vec<u8>),
}

/// The place of a resource in a sorted walk: its sort values and its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// One value for each sort key of the query.
    pub values: Vec<SortValue>,
    /// The tie-breaker.
    pub row: RowKey,
}

/// A match of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The row, for [`Reader::load`].
    pub row: RowKey,
    /// Its place, to go on from.
    pub position: Position,
    /// What of it matched.
    pub matched: Matched,
}

/// What of a resource matched a search; without `_contained` always the resource itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The resource itself.
    pub itself: bool,
    /// The local ids (without `#`) of the contained resources that match, as they stand in it.
    pub contained: Vec<String>,
}

impl Default for Matched {
    fn default() -> Self {
        Self { itself: true, contained: Vec::new() }
    }
}

/// A place in the order of changes; its numbers mean nothing outside the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeCursor(pub [i64; 3]);

/// Some versions in the order of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The versions.
    pub versions: Vec<StoredVersion>,
    /// Where to go on, also when there was nothing.
    pub end: ChangeCursor,
    /// Whether the limit cut them off; otherwise these are all there are for now.
    pub has_more: bool,
}
