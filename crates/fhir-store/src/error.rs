//! What can go wrong in the store, in its own words.

use std::path::PathBuf;

use fhir_definitions::ResourceType;

use crate::write::WriteFault;

/// A failure of the store as a whole; faults of single operations are [`WriteFault`]s.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The write queue is full or no connection became free: try again later (503).
    #[error("the store is busy")]
    Busy,
    /// A read took longer than its time budget.
    #[error("the query took longer than allowed")]
    Timeout,
    /// A search would need more memory than one search is given: too many matches under a sort
    /// key that no index is ordered by (400).
    #[error("{0}")]
    TooCostly(&'static str),
    /// An atomic group was refused as a whole, because of the operation (or, for
    /// `WriteFault::Stale`, the expectation) with this index.
    #[error("operation {index} was refused: {fault}")]
    Refused {
        /// Index into `WriteGroup::ops`, or into `WriteGroup::expect` when the fault is `Stale`.
        index: usize,
        /// Why.
        fault: WriteFault,
    },
    /// The write was cut short; whether it happened is unknown until it is read.
    #[error("the write was interrupted")]
    Interrupted,
    /// The store was closed, or its writer has ended.
    #[error("the store is closed")]
    Closed,
    /// Another process owns the database file.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// The database was made by a newer program.
    #[error("the database has migration {0}, which this program does not know: it is newer")]
    Newer(String),
    /// The database was made with another zone for dates without an offset.
    #[error("the database was made for the zone {stored}, the settings say {configured}")]
    OtherZone {
        /// The zone in the database.
        stored: String,
        /// The zone in the settings.
        configured: String,
    },
    /// A resource type has more search parameters than `access` has bits.
    #[error("{resource_type} would have more than {most} search parameters")]
    TooManyParameters {
        /// The type.
        resource_type: ResourceType,
        /// How many it may have.
        most: usize,
    },
    /// What stands in the database cannot be right.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The database could not be opened.
    #[error("the database cannot be opened")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Database(#[source] diesel::result::Error),
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        // The words of SQLite and of PostgreSQL in turn.
        let is_interrupted = if let diesel::result::Error::DatabaseError(_, said) = &error {
            said.message() == "interrupted" || said.message().contains("statement timeout")
        } else {
            false
        };
        if is_interrupted { Self::Timeout } else { Self::Database(error) }
    }
}

impl StoreError {
    /// Whether the same request may succeed a moment later without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Timeout)
    }
}
