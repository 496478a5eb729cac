//! SQLite: one file, one writer thread, a reading connection for each thread.

mod connection;
mod journal;
mod kept;
mod online;
mod open;
mod packages;
mod purge;
mod reader;
mod rows;
mod statements;
mod writer;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::sqlite::SqliteConnection;

use crate::budget;
use crate::core::Core;
use crate::error::StoreError;
use crate::read::Reader;
use crate::settings::StoreSettings;
use crate::trace::{TraceRemoval, TraceRow};
use crate::write::{WriteFault, WriteGroup, Written};

/// An open SQLite database.
pub(crate) struct Engine {
    /// Tells the stores of this process apart in the threads' lists of connections.
    number: u64,
    path: PathBuf,
    settings: StoreSettings,
    journal: journal::Journal,
    queue: Arc<writer::Queue>,
    /// A reading connection for packages.
    aside: Mutex<Option<SqliteConnection>>,
    /// Held until the store is closed.
    lock: Mutex<Option<std::fs::File>>,
}

static ENGINES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static READERS: RefCell<Vec<(u64, SqliteConnection)>> = const { RefCell::new(Vec::new()) };
}

impl Engine {
    /// Opens, makes or migrates the database.
    pub(crate) fn open(
        path: &Path,
        settings: &StoreSettings,
    ) -> Result<(Arc<Core>, Self), StoreError> {
        let lock = open::lock(path)?;
        let (core, connection) = open::open(path, settings)?;
        let core = Arc::new(core);
        let queue = Arc::new(writer::start(connection, Arc::clone(&core), settings)?);
        let journal = journal::Journal::new(path, &core, &queue);
        let engine = Self {
            number: ENGINES.fetch_add(1, Ordering::Relaxed),
            path: path.to_owned(),
            settings: settings.clone(),
            journal,
            queue,
            aside: Mutex::new(None),
            lock: Mutex::new(Some(lock)),
        };
        Ok((core, engine))
    }

    /// Runs `work` here, on this thread's connection.
    pub(crate) fn read<T>(
        &self,
        core: &Core,
        work: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.take_reader() {
            Some(connection) => connection,
            None => connection::reading(&self.path, &self.settings)?,
        };
        let mut reader = reader::SqliteReader::new(core, &mut connection);
        let result = budget::with_deadline(self.settings.read_timeout_ms, || work(&mut reader));
        reader.end();
        self.keep_reader(connection);
        result
    }

    /// Hands a group to the writer and waits until it is durable.
    pub(crate) async fn write(
        &self,
        core: &Core,
        group: WriteGroup,
    ) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
        self.queue.send(core, group)?.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// Writes a row of the trace that stands alone; comes back once it is durable.
    pub(crate) async fn trace(&self, core: &Core, row: TraceRow) -> Result<(), StoreError> {
        if row.body.len().max(row.actor.len()).max(row.keys.len()) > journal::MOST_LENGTH {
            // As a commit of its own.
            let group = WriteGroup { trace: Some(row), ..WriteGroup::default() };
            return self.write(core, group).await.map(|_| ());
        }
        self.journal.add(row)?.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// Brings all rows of the trace that are durable into the database.
    pub(crate) async fn settle_trace(&self) -> Result<(), StoreError> {
        let Some(settling) = self.journal.settling() else { return Ok(()) };
        self.queue.task(settling).await
    }

    /// Removes rows of the trace that are older.
    pub(crate) async fn forget_traces(&self, before: i64) -> Result<TraceRemoval, StoreError> {
        self.settle_trace().await?;
        let mut removal = TraceRemoval::default();
        loop {
            let so_far = removal;
            let step = self.queue.task(move |writer| {
                let mut next = so_far;
                Ok((writer.forget_traces(before, &mut next)?, next))
            });
            let (more, next) = step.await?;
            removal = next;
            if !more {
                return Ok(removal);
            }
        }
    }

    pub(crate) fn close(&self) {
        self.journal.close();
        self.queue.close();
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn take_reader(&self) -> Option<SqliteConnection> {
        READERS.with_borrow_mut(|readers| {
            let place = readers.iter().position(|(number, _)| *number == self.number)?;
            Some(readers.swap_remove(place).1)
        })
    }

    fn keep_reader(&self, connection: SqliteConnection) {
        READERS.with_borrow_mut(|readers| readers.push((self.number, connection)));
    }
}
