//! PostgreSQL: a pool of connections with threads of its own.
//!
//! Every table and every join carries the distribution key `dk`: the bucket inside ids that the
//! server gave, or what `directory` says for ids of the client's choice. Rows and instants come
//! from this process. A write is one transaction, which runs again when the database asks for it.

mod kept;
mod online;
mod open;
mod packages;
mod purge;
mod reader;
mod rows;
mod trace;
mod work;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;

use crate::codec::Packed;
use crate::core::Core;
use crate::error::StoreError;
use crate::read::Reader;
use crate::settings::StoreSettings;
use crate::write::{Action, WriteFault, WriteGroup, Written};

/// An open PostgreSQL database.
pub(crate) struct Engine {
    core: Arc<Core>,
    crew: work::Crew,
    tracer: Arc<trace::Tracer>,
    rows: Arc<writer::RowNumbers>,
    url: String,
    /// A connection for packages.
    aside: Mutex<Option<diesel::PgConnection>>,
}

impl Engine {
    /// Opens and migrates the database.
    pub(crate) fn open(
        url: &str,
        settings: &StoreSettings,
    ) -> Result<(Arc<Core>, Self), StoreError> {
        let core = Arc::new(open::open(url, settings)?);
        let crew = work::Crew::start(url, settings)?;
        let own = Arc::clone(&core);
        let tracer = trace::Tracer::new(&core, url);
        let rows = Arc::new(writer::RowNumbers::draw());
        let (url, aside) = (url.to_owned(), Mutex::new(None));
        Ok((core, Self { core: own, crew, tracer, rows, url, aside }))
    }

    /// Runs `work` on a thread of the pool, in one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        core: &Arc<Core>,
        work: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let core = Arc::clone(core);
        self.run(move |connection| {
            connection.build_transaction().read_only().repeatable_read().run(|connection| {
                let mut reader = reader::PostgresReader::new(&core, connection);
                work(&mut reader)
            })
        })
        .await
    }

    /// Writes a group on a thread of the pool.
    pub(crate) async fn write(
        &self,
        core: &Arc<Core>,
        group: WriteGroup,
    ) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
        let bodies = group.ops.iter().map(|op| match &op.action {
            Action::Put { body, .. } => Some(core.codec.pack(body)),
            Action::Delete => None,
        });
        let bodies: Vec<Option<Packed>> = bodies.collect();
        let core = Arc::clone(core);
        let (rows, tracer) = (Arc::clone(&self.rows), Arc::clone(&self.tracer));
        self.run(move |connection| {
            let with = (&*core, &*rows, &tracer);
            writer::write(with, connection, &group, &bodies)
        })
        .await
    }

    pub(crate) fn close(&self) {
        self.crew.close();
        self.tracer.close();
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut diesel::PgConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.crew.send(Box::new(move |connection| {
            // Whoever asked may have gone away.
            let _ = reply.send(connection.and_then(work));
        }))?;
        answer.await.unwrap_or(Err(StoreError::Interrupted))
    }
}
