//! The trace on PostgreSQL: a strand for each commit that is under way, and a thread that seals.

use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::{Connection, PgConnection};
use fhir_security::seal::SealKey;
use futures_channel::oneshot;

use super::{Engine, writer};
use crate::core::Core;
use crate::error::StoreError;
use crate::trace::connection::TraceConnection;
use crate::trace::strand::{self, Actors, LINE_BITS, Link, Strand};
use crate::trace::{TraceRemoval, TraceRow, TracedWrite, retention};

/// Rows that one commit takes at most.
const MOST_ROWS: usize = 256;

/// What all commits of this process share of the trace.
pub(crate) struct Tracer {
    core: Arc<Core>,
    url: String,
    /// The opening and its last line; none until the first row.
    opening: Mutex<Option<(Arc<SealKey>, i64)>>,
    lines: AtomicI64,
    idle: Mutex<Idle>,
    actors: Mutex<Actors>,
    waiting: Mutex<Waiting>,
    /// Wakes the thread that seals.
    closing: Condvar,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

/// Strands that no commit is using.
#[derive(Default)]
struct Idle {
    strands: Vec<Strand>,
    /// Strands whose last commit may or may not have happened: nothing is added to them.
    retired: Vec<Strand>,
    is_closed: bool,
}

/// Rows that stand alone, on their way.
#[derive(Default)]
struct Waiting {
    rows: Vec<(TraceRow, oneshot::Sender<Result<(), StoreError>>)>,
    is_flushing: bool,
}

impl Tracer {
    pub(super) fn new(core: &Arc<Core>, url: &str) -> Arc<Self> {
        Arc::new(Self {
            core: Arc::clone(core),
            url: url.to_owned(),
            opening: Mutex::new(None),
            lines: AtomicI64::new(0),
            idle: Mutex::default(),
            actors: Mutex::default(),
            waiting: Mutex::default(),
            closing: Condvar::new(),
            sealer: Mutex::new(None),
        })
    }

    /// Runs a transaction that may add rows to the strand that it is given.
    pub(super) fn in_turn<T>(
        self: &Arc<Self>,
        connection: &mut PgConnection,
        work: impl Fn(&mut PgConnection, &mut Tracing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (key, strand) = self.take(connection)?;
        let done = writer::in_turn(&self.core, connection, |connection| {
            let mut tracing =
                Tracing { tracer: self, key: &key, strand: strand.clone(), links: Vec::new() };
            let answer = work(connection, &mut tracing)?;
            tracing.seal_if_due(connection)?;
            Ok((answer, tracing.strand, tracing.links))
        });
        match done {
            Ok((answer, strand, links)) => {
                self.actors
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .learn(links.iter().map(|link| (link.month(), link.actor)));
                self.keep(strand);
                Ok(answer)
            }
            Err(error) => {
                // Where the connection was lost, the commit may have happened.
                let is_open = matches!(
                    error,
                    StoreError::Refused { .. } | StoreError::Busy | StoreError::Timeout
                );
                if is_open {
                    self.keep(strand);
                } else {
                    let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                    idle.retired.push(strand);
                }
                Err(error)
            }
        }
    }

    fn keep(&self, strand: Strand) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).strands.push(strand);
    }

    /// A strand that nobody else uses; the first one opens the trace.
    fn take(
        self: &Arc<Self>,
        connection: &mut PgConnection,
    ) -> Result<(Arc<SealKey>, Strand), StoreError> {
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used_up = self.lines.load(Ordering::Relaxed) >= (1 << LINE_BITS) - 1;
        let (key, number) = match &*opening {
            Some((key, number)) if !is_used_up => (Arc::clone(key), *number),
            _ => {
                let key = self.core.settings.trace.seal_key(&self.core.secret)?;
                let number = writer::in_turn(&self.core, connection, |connection| {
                    let every = self.core.settings.trace.seal_every_us();
                    strand::open(connection, &key, self.core.now().0, every)
                })?;
                self.lines.store(0, Ordering::Relaxed);
                *opening = Some((Arc::clone(&key), number));
                self.start_sealing()?;
                (key, number)
            }
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let strand = idle.strands.pop().unwrap_or_else(|| {
            let line = self.lines.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            Strand::new(number, line)
        });
        Ok((key, strand))
    }

    fn start_sealing(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner);
        if sealer.is_none() {
            let own = Arc::clone(self);
            let thread = std::thread::Builder::new()
                .name("fhir-store-trace".into())
                .spawn(move || own.seal_idle())
                .map_err(|error| StoreError::Open(error.into()))?;
            *sealer = Some(thread);
        }
        Ok(())
    }

    fn every(&self) -> Duration {
        Duration::from_millis(self.core.settings.trace.seal_every_ms.into())
    }

    /// Seals strands that nobody uses, until the store is closed and all are sealed.
    fn seal_idle(&self) {
        let mut connection = None;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let waited =
                self.closing.wait_timeout_while(idle, self.every(), |idle| !idle.is_closed);
            let (mut idle, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let is_closed = idle.is_closed;
            let Idle { strands, retired, .. } = &mut *idle;
            let (open, sealed): (Vec<_>, Vec<_>) =
                mem::take(strands).into_iter().partition(|strand| !strand.is_sealed());
            *strands = sealed;
            let retired = mem::take(retired);
            let heads: Vec<(i64, i64)> =
                strands.iter().chain(&open).map(|strand| (strand.number, strand.seq)).collect();
            drop(idle);
            if !open.is_empty() || !retired.is_empty() {
                let sealed = self.seal(&mut connection, &open, &retired, &heads);
                match sealed {
                    Ok(sealed) => sealed.into_iter().for_each(|strand| self.keep(strand)),
                    Err(error) => {
                        tracing::error!(%error, "the trace was not sealed");
                        connection = None;
                        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                        idle.strands.extend(open);
                        idle.retired.extend(retired);
                    }
                }
            }
            if is_closed {
                return;
            }
        }
    }

    fn seal(
        &self,
        connection: &mut Option<PgConnection>,
        open: &[Strand],
        retired: &[Strand],
        heads: &[(i64, i64)],
    ) -> Result<Vec<Strand>, StoreError> {
        let key = self.core.settings.trace.seal_key(&self.core.secret)?;
        let connection = match connection {
            Some(connection) => connection,
            None => {
                let fresh = PgConnection::establish(&self.url);
                connection.insert(fresh.map_err(|error| StoreError::Open(error.into()))?)
            }
        };
        writer::in_turn(&self.core, connection, |connection| {
            let now = self.core.now().0;
            let mut strands = open.to_vec();
            for strand in &mut strands {
                strand.seal(connection, &key, now, heads)?;
            }
            for strand in retired {
                strand.clone().seal(connection, &key, now, heads)?;
            }
            Ok(strands)
        })
    }

    /// Seals everything; nothing is added afterwards.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.closing.notify_all();
        let thread = self.sealer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that seals the trace ended in a panic");
        }
    }

    /// Writes all rows that wait, in as few commits as it takes.
    fn flush(self: &Arc<Self>, mut connection: Result<&mut PgConnection, StoreError>) {
        loop {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let most = waiting.rows.len().min(MOST_ROWS);
            let rows: Vec<_> = waiting.rows.drain(..most).collect();
            if rows.is_empty() {
                waiting.is_flushing = false;
                return;
            }
            drop(waiting);
            let (rows, replies): (Vec<TraceRow>, Vec<_>) = rows.into_iter().unzip();
            let done = match &mut connection {
                Ok(connection) => self.in_turn(connection, |connection, tracing| {
                    tracing.add(connection, rows.iter().map(|row| (row, &[][..])))
                }),
                Err(_) => Err(StoreError::Busy),
            };
            if let Err(error) = &done {
                tracing::warn!(%error, "rows of the trace were not written");
            }
            for reply in replies {
                // Whoever asked may have gone away.
                let _ = reply.send(done.as_ref().map_err(|_error| StoreError::Busy).copied());
            }
        }
    }
}

/// The strand of an open transaction.
pub(crate) struct Tracing<'a> {
    tracer: &'a Tracer,
    key: &'a SealKey,
    strand: Strand,
    links: Vec<Link>,
}

impl Tracing<'_> {
    /// Adds rows, each with what its operations came to.
    pub(super) fn add<'r>(
        &mut self,
        connection: &mut PgConnection,
        rows: impl Iterator<Item = (&'r TraceRow, &'r [TracedWrite])>,
    ) -> Result<(), StoreError> {
        let now = self.tracer.core.now().0;
        let strand = &mut self.strand;
        self.links = rows.map(|(row, written)| strand.link(row, written, now)).collect();
        let links: Vec<&Link> = self.links.iter().collect();
        let actors = self.tracer.actors.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = actors.unknown(&links);
        drop(actors);
        Ok(connection.add(&links, &unknown)?)
    }

    fn seal_if_due(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let now = self.tracer.core.now().0;
        let every = self.tracer.core.settings.trace.seal_every_us();
        if !self.strand.is_due(now, every) {
            return Ok(());
        }
        let heads: Vec<(i64, i64)> = {
            let idle = self.tracer.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.strands.iter().map(|strand| (strand.number, strand.seq)).collect()
        };
        self.strand.seal(connection, self.key, now, &heads)
    }
}

impl Engine {
    /// Writes a row of the trace that stands alone; comes back once it is durable.
    pub(crate) async fn trace(&self, row: TraceRow) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let tracer = &self.tracer;
        let is_first = {
            let mut waiting = tracer.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.rows.len() >= tracer.core.settings.queue_length.max(1) {
                return Err(StoreError::Busy);
            }
            waiting.rows.push((row, reply));
            !mem::replace(&mut waiting.is_flushing, true)
        };
        if is_first {
            let own = Arc::clone(tracer);
            let sent = self.crew.send(Box::new(move |connection| own.flush(connection)));
            if let Err(error) = sent {
                // Whoever waits is told by the end of the channel.
                let mut waiting = tracer.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.rows.clear();
                waiting.is_flushing = false;
                return Err(error);
            }
        }
        answer.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// Removes rows of the trace that are older.
    pub(crate) async fn forget_traces(&self, before: i64) -> Result<TraceRemoval, StoreError> {
        let core = Arc::clone(&self.core);
        self.run(move |connection| {
            let key = core.settings.trace.seal_key(&core.secret)?;
            let mut removal = TraceRemoval::default();
            loop {
                let (more, next) = writer::in_turn(&core, connection, |connection| {
                    let with = (&*key, core.settings.trace.keys_of, &core.hasher);
                    let mut next = removal;
                    let more = retention::step(connection, with, before, &mut next)?;
                    Ok((more, next))
                })?;
                removal = next;
                if !more {
                    return Ok(removal);
                }
            }
        })
        .await
    }
}
