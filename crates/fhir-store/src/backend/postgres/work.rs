//! The threads that wait for PostgreSQL, each with a connection of the pool at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};

use crate::error::StoreError;
use crate::settings::StoreSettings;

/// How long a thread waits for a connection, in seconds.
const CONNECTION_WAIT_S: u64 = 10;

type Task = Box<dyn FnOnce(Result<&mut PgConnection, StoreError>) + Send>;
type Connections = Pool<ConnectionManager<PgConnection>>;

/// A pool of connections and as many threads.
pub(crate) struct Crew {
    sender: Mutex<Option<SyncSender<Task>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Limits {
    timeout_ms: u64,
}

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Limits {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        let timeout_ms = self.timeout_ms;
        connection
            .batch_execute(&format!("SET statement_timeout = {timeout_ms}; SET timezone = 'UTC'"))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

impl Crew {
    pub(crate) fn start(url: &str, settings: &StoreSettings) -> Result<Self, StoreError> {
        let size = settings.connections.max(1);
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(Duration::from_secs(CONNECTION_WAIT_S))
            .connection_customizer(Box::new(Limits { timeout_ms: settings.read_timeout_ms }))
            .build(ConnectionManager::new(url))
            .map_err(|error| StoreError::Open(error.into()))?;
        let (sender, receiver) = sync_channel::<Task>(settings.queue_length.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for number in 0..size {
            let receiver = Arc::clone(&receiver);
            let pool = pool.clone();
            let thread = std::thread::Builder::new()
                .name(format!("fhir-store-{number}"))
                .spawn(move || run(&receiver, &pool))
                .map_err(|error| StoreError::Open(error.into()))?;
            threads.push(thread);
        }
        Ok(Self { sender: Mutex::new(Some(sender)), threads: Mutex::new(threads) })
    }

    pub(crate) fn send(&self, task: Task) -> Result<(), StoreError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_ref() else { return Err(StoreError::Closed) };
        sender.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Finishes what has queued.
    pub(crate) fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store ended in a panic");
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(receiver: &Mutex<Receiver<Task>>, pool: &Connections) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return };
        let done = catch_unwind(AssertUnwindSafe(|| match pool.get() {
            Ok(mut connection) => task(Ok(&mut connection)),
            Err(error) => {
                tracing::warn!(%error, "no connection to the database");
                task(Err(StoreError::Busy));
            }
        }));
        if done.is_err() {
            tracing::error!("a task of the store panicked");
        }
    }
}
