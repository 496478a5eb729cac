//! The handle of an open database.

use std::sync::Arc;

use fhir_model::date::Zone;
use fhir_model::{Id, Instant};
use fhir_search::{CustomParameter, ValueHasher};

use crate::backend::{postgres, sqlite};
use crate::core::{Core, Definitions};
use crate::error::StoreError;
use crate::full_text::FullTextStatus;
use crate::kept::{KeptKind, KeptName, NewKept};
use crate::online::{Activation, Online, ParameterStatus, Workbench};
use crate::packages::{PackageChange, PackageShelf, StoredPackages};
use crate::purge::{self, Purge, PurgeReport};
use crate::read::{Reader, RowKey};
use crate::settings::StoreSettings;
use crate::tidings::Tidings;
use crate::trace::{TraceRemoval, TraceRow};
use crate::url::DatabaseUrl;
use crate::write::{WriteFault, WriteGroup, Written};

/// An open database; clones share it.
#[derive(Clone)]
pub struct Store {
    core: Arc<Core>,
    engine: Engine,
    online: Arc<Online>,
    shelf: Arc<dyn PackageShelf>,
}

/// The database behind the store.
#[derive(Clone)]
enum Engine {
    Sqlite(Arc<sqlite::Engine>),
    Postgres(Arc<postgres::Engine>),
}

impl Store {
    /// Opens a database, makes it when absent and migrates it.
    ///
    /// # Errors
    /// `Locked`, `Newer`, `OtherZone` and `Open` say why this database may not be opened.
    pub fn open(url: &DatabaseUrl, settings: &StoreSettings) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let (core, engine) = sqlite::Engine::open(path, settings)?;
                let engine = Arc::new(engine);
                let bench: Arc<dyn Workbench> = Arc::<sqlite::Engine>::clone(&engine);
                let shelf: Arc<dyn PackageShelf> = Arc::<sqlite::Engine>::clone(&engine);
                let online = Online::open(Arc::clone(&core), bench)?;
                let (online, engine) = (Arc::new(online), Engine::Sqlite(engine));
                Ok(Self { core, engine, online, shelf })
            }
            DatabaseUrl::Postgres(text) => {
                let (core, engine) = postgres::Engine::open(text, settings)?;
                let engine = Arc::new(engine);
                let bench: Arc<dyn Workbench> = Arc::<postgres::Engine>::clone(&engine);
                let shelf: Arc<dyn PackageShelf> = Arc::<postgres::Engine>::clone(&engine);
                let online = Online::open(Arc::clone(&core), bench)?;
                let (online, engine) = (Arc::new(online), Engine::Postgres(engine));
                Ok(Self { core, engine, online, shelf })
            }
        }
    }

    /// The search parameters and their indexer, as they are now. Whoever parses a query and
    /// whoever runs it should hold the same ones.
    #[must_use]
    pub fn definitions(&self) -> Arc<Definitions> {
        self.core.definitions()
    }

    /// The present instant, from the clock of the settings.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.now()
    }

    /// Whether what was read is still as it was.
    #[must_use]
    pub fn tidings(&self) -> &Tidings {
        &self.core.tidings
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
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.core.pace.serve();
        match &self.engine {
            Engine::Sqlite(engine) => engine.read(&self.core, work),
            Engine::Postgres(engine) => engine.read(&self.core, work).await,
        }
    }

    /// Writes a group; the answer comes after it is durable. One result for each operation.
    ///
    /// # Errors
    /// `Busy` where the queue is full, `Refused` where an atomic group or an expectation failed.
    pub async fn write(
        &self,
        group: WriteGroup,
    ) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
        self.core.pace.serve();
        match &self.engine {
            Engine::Sqlite(engine) => engine.write(&self.core, group).await,
            Engine::Postgres(engine) => engine.write(&self.core, group).await,
        }
    }

    /// Writes a row of the trace that belongs to no write; the answer comes after it is durable.
    ///
    /// # Errors
    /// `Busy` where the queue is full: then the access must not be answered.
    pub async fn trace(&self, row: TraceRow) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.trace(&self.core, row).await,
            Engine::Postgres(engine) => engine.trace(row).await,
        }
    }

    /// Brings every row of the trace that [`Self::trace`] has answered to where
    /// [`crate::Reader::traces`] finds it, in reads that begin afterwards.
    ///
    /// # Errors
    /// `Busy` where the queue is full, and what the database fails with.
    pub async fn settle_trace(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.settle_trace().await,
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// Removes rows of the trace that were written before an instant: the only removal there is.
    ///
    /// # Errors
    /// What the database fails with; what was removed before stays removed.
    pub async fn forget_traces(&self, before: Instant) -> Result<TraceRemoval, StoreError> {
        let before = before.min(self.now());
        match &self.engine {
            Engine::Sqlite(engine) => engine.forget_traces(before.0).await,
            Engine::Postgres(engine) => engine.forget_traces(before.0).await,
        }
    }

    /// Removes resources for good, in commits of some hundred resources each: what was removed
    /// before a failure stays removed, and the same purge may be asked for again.
    ///
    /// # Errors
    /// What the database fails with.
    pub async fn purge(&self, purge: Purge) -> Result<PurgeReport, StoreError> {
        let core = Arc::clone(&self.core);
        let doomed = Arc::new(self.read(move |reader| purge::doomed(&core, reader, &purge)).await?);
        let rows: Vec<RowKey> = doomed.keys().copied().collect();
        let mut report = match &self.engine {
            Engine::Sqlite(engine) => engine.purge(&rows).await?,
            Engine::Postgres(engine) => engine.purge(&rows).await?,
        };
        let core = Arc::clone(&self.core);
        report.referring =
            self.read(move |reader| purge::referring(&core, reader, &doomed)).await?;
        Ok(report)
    }

    /// Puts a search parameter of a resource in force: from now on writes are indexed by it, and
    /// once the rows of all resources are built, searches may use it. `definition` is the
    /// resource as JSON.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn activate(
        &self,
        parameter: &CustomParameter,
        definition: &[u8],
    ) -> Result<Activation, StoreError> {
        self.online.activate(parameter, definition)
    }

    /// Takes the search parameter of a resource with this URL out of use; false where there is
    /// none.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn retire(&self, url: &str) -> Result<bool, StoreError> {
        self.online.retire(url)
    }

    /// Goes through the rows of the search parameters with this URL, or of all, once more, while
    /// they answer; false where there is none.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn rebuild(&self, url: Option<&str>) -> Result<bool, StoreError> {
        self.online.rebuild(url)
    }

    /// How far the search parameters are that came while the store was open, and those whose
    /// rows are gone through once more.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn parameter_status(&self) -> Result<Vec<ParameterStatus>, StoreError> {
        self.online.status()
    }

    /// Whether the words of resources are searched by, and how far they are.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn full_text_status(&self) -> Result<FullTextStatus, StoreError> {
        self.online.full_text()
    }

    /// The number of the last change of the packages: another one than before says that another
    /// server on the same database has installed or removed some.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn package_change(&self) -> Result<i64, StoreError> {
        self.shelf.package_change()
    }

    /// The installed packages with the index of their resources.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn packages(&self) -> Result<StoredPackages, StoreError> {
        self.shelf.packages()
    }

    /// The packed text of a resource of a package.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn package_body(&self, package: i64, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.shelf.package_body(package, number)
    }

    /// What is kept of a kind beside the resources, by name.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    pub fn kept_names(&self, kind: KeptKind) -> Result<Vec<KeptName>, StoreError> {
        self.shelf.kept_names(kind)
    }

    /// Revision and bytes of what is kept by a name.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    pub fn kept(&self, kind: KeptKind, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        self.shelf.kept(kind, name)
    }

    /// Keeps bytes by a name; false, and nothing is written, where another revision is there than
    /// the one that was read.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    pub fn keep(&self, new: NewKept) -> Result<bool, StoreError> {
        self.shelf.keep(new)
    }

    /// Removes what is kept by a name; false where there was nothing.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    pub fn drop_kept(&self, kind: KeptKind, name: &str) -> Result<bool, StoreError> {
        self.shelf.drop_kept(kind, name)
    }

    /// Removes and adds packages, all or nothing; gives the number of the change, or none where
    /// the packages have changed since they were read. Other writes wait meanwhile with SQLite.
    ///
    /// # Errors
    /// What the database fails with.
    pub fn change_packages(&self, change: PackageChange) -> Result<Option<i64>, StoreError> {
        self.shelf.change_packages(change)
    }

    /// Ends the writer once everything queued is durable; later writes answer `Closed`.
    pub fn close(&self) {
        self.online.close();
        match &self.engine {
            Engine::Sqlite(engine) => engine.close(),
            Engine::Postgres(engine) => engine.close(),
        }
    }
}
