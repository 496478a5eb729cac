//! How a store is opened: clock, zone, limits.

use std::sync::Arc;

use fhir_model::Instant;
use fhir_model::date::Zone;

use crate::trace::TraceSettings;

/// Gives the present instant; the store never asks the system itself.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What a store needs besides the place of its database.
#[derive(Clone)]
pub struct StoreSettings {
    /// Where instants come from.
    pub clock: Clock,
    /// The zone in which dates without an offset are indexed. It is kept in the database: opening
    /// a database that was made with another zone is refused.
    pub zone: Zone,
    /// The server's own FHIR root without the trailing slash: absolute references under it are
    /// indexed as local ones. Keep it the same for the life of a database.
    pub base: Option<String>,
    /// Whether the words of resources are indexed for `_text` and `_content`. Where a database had
    /// them and this says no, they go; where it had none, they are indexed in the background.
    /// Servers that share a database have to agree.
    pub full_text: bool,
    /// How many write groups may wait for the writer before `StoreError::Busy` is answered.
    pub queue_length: usize,
    /// How many operations one commit takes at most, a larger atomic group excepted.
    pub commit_ops: usize,
    /// Page cache of each SQLite connection, in KiB.
    pub cache_kib: u32,
    /// How much of a SQLite file is mapped into memory, in MiB.
    pub mmap_mib: u32,
    /// How long one read may take, in milliseconds; 0 means no limit.
    pub read_timeout_ms: u64,
    /// How many matches of one search are sorted in memory: more under a sort key that no index is
    /// ordered by are refused as too costly. A tenth of it bounds the inner sets of chains that
    /// are looked up first.
    pub sorted_in_memory: usize,
    /// Connections to PostgreSQL, and threads that use them.
    pub connections: u32,
    /// How much of the time the building of index rows in the background takes while reads and
    /// writes are served, in percent; it takes all of it while nobody asks for anything.
    pub reindex_percent: u32,
    /// How the trace of accesses is kept, where one is written.
    pub trace: TraceSettings,
}

impl StoreSettings {
    /// The defaults, with the two values that have none.
    #[must_use]
    pub fn new(clock: Clock, zone: Zone) -> Self {
        Self {
            clock,
            zone,
            base: None,
            full_text: true,
            queue_length: 4096,
            commit_ops: 128,
            cache_kib: 16 * 1024,
            mmap_mib: 2047,
            read_timeout_ms: 30_000,
            sorted_in_memory: 10_000,
            connections: 8,
            reindex_percent: 40,
            trace: TraceSettings::default(),
        }
    }
}

impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSettings")
            .field("full_text", &self.full_text)
            .field("queue_length", &self.queue_length)
            .field("commit_ops", &self.commit_ops)
            .field("cache_kib", &self.cache_kib)
            .field("mmap_mib", &self.mmap_mib)
            .field("read_timeout_ms", &self.read_timeout_ms)
            .field("connections", &self.connections)
            .field("reindex_percent", &self.reindex_percent)
            .finish_non_exhaustive()
    }
}
