//! The trace of every access: rows that are only ever added, chained by hash and sealed.
//!
//! A row is what the caller of the store encoded, with who asked (kept apart, once a month) and,
//! for the trace of a write, what each operation came to. Rows stand in strands, one for each line
//! of commits: a row's hash goes over the row and the hash before it. Now and then the last hash
//! of a strand is signed (a seal), and every opening of a database signs the one before it, so
//! that [`verify`] tells of any row, key, actor, seal or opening that was changed or removed. What
//! came after the last seal can be cut off unseen by whoever may write the database: at most
//! [`TraceSettings::seal_every_ms`].

pub(crate) mod chain;
pub(crate) mod connection;
mod find;
pub(crate) mod journal;
pub(crate) mod retention;
pub(crate) mod strand;
mod verify;

use std::sync::Arc;

use fhir_model::{Instant, VersionId};
use fhir_search::ValueHasher;
use fhir_security::seal::{SealKey, SealPublicKey};

pub use self::verify::{TraceFault, TraceHead, TraceReport, verify};
pub(crate) use find::find;

use crate::write::{Change, WriteFault, Written};

/// One access, to be written: with the operations of a group, or alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Who asked; equal bytes are kept once a month.
    pub actor: Arc<[u8]>,
    /// What was asked and what it touched.
    pub body: Vec<u8>,
    /// What the row is to be found by, as [`TraceSettings::keys_of`] tells it from the stored row.
    pub keys: Vec<i64>,
}

/// A row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTrace {
    /// Its place, and when it was written.
    pub position: TracePosition,
    /// Its number in its strand, from 1.
    pub sequence: i64,
    /// [`TraceRow::actor`]; none where it is gone, which [`verify`] tells.
    pub actor: Option<Arc<[u8]>>,
    /// [`TraceRow::body`].
    pub body: Vec<u8>,
    /// What each operation of the group came to, in their order; empty for a row that stood alone.
    pub written: Vec<TracedWrite>,
}

/// Where a row stands; ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TracePosition {
    /// When it was written.
    pub at: Instant,
    /// Its strand.
    pub strand: i64,
}

/// What an operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedWrite {
    /// What happened; none where the operation was refused.
    pub change: Option<Change>,
    /// The version that is now current, 0 where there is none.
    pub version: VersionId,
}

impl TracedWrite {
    pub(crate) fn of(answer: &Result<Written, WriteFault>) -> Self {
        match answer {
            Ok(written) => Self { change: Some(written.change), version: written.version },
            Err(_) => Self { change: None, version: VersionId(0) },
        }
    }
}

/// Rows that are asked for.
#[derive(Clone, Debug, Default)]
pub struct TraceWindow {
    /// Those found by one of these; none: all.
    pub keys: Option<Vec<i64>>,
    /// Not before this.
    pub from: Option<Instant>,
    /// Before this.
    pub before: Option<Instant>,
    /// Behind this one, in the order of the window.
    pub after: Option<TracePosition>,
    /// The newest first.
    pub newest_first: bool,
    /// So many at most.
    pub limit: usize,
}

/// How the trace is kept.
#[derive(Clone)]
pub struct TraceSettings {
    /// Signs; none takes a key that is made from the database's own secret, which whoever may
    /// write the database can make too.
    pub key: Option<Arc<SealKey>>,
    /// The longest time between a row and the next seal of its strand.
    pub seal_every_ms: u32,
    /// What a stored row is found by; used where rows are verified or removed.
    pub keys_of: KeysOf,
}

/// The keys of a stored row.
pub type KeysOf = fn(&ValueHasher, &StoredTrace) -> Vec<i64>;

impl Default for TraceSettings {
    fn default() -> Self {
        Self { key: None, seal_every_ms: 5_000, keys_of: |_, _| Vec::new() }
    }
}

impl TraceSettings {
    /// The key that seals a database with this secret.
    ///
    /// # Errors
    /// `Open` where the cryptographic library fails.
    pub(crate) fn seal_key(&self, secret: &[u8; 32]) -> Result<Arc<SealKey>, crate::StoreError> {
        match &self.key {
            Some(key) => Ok(Arc::clone(key)),
            None => SealKey::from_bytes(&chain::derived(secret))
                .map(Arc::new)
                .map_err(|error| crate::StoreError::Open(Box::new(error))),
        }
    }

    /// [`Self::seal_every_ms`] in microseconds.
    pub(crate) fn seal_every_us(&self) -> i64 {
        i64::from(self.seal_every_ms).saturating_mul(1_000)
    }

    pub(crate) fn public_key(&self, secret: &[u8; 32]) -> Result<SealPublicKey, crate::StoreError> {
        let key = self.seal_key(secret)?;
        key.public().map_err(|error| crate::StoreError::Open(Box::new(error)))
    }
}

/// What a removal of old rows came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceRemoval {
    /// Removed rows.
    pub rows: u64,
    /// Removed actors.
    pub actors: u64,
}
