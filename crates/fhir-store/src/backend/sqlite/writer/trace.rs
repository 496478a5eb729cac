//! The trace on SQLite: a strand in the writer's own commits, and one of the rows that were
//! flushed to the journal before.

use std::sync::Arc;
use std::time::Duration;

use fhir_security::seal::SealKey;

use super::apply::Writer;
use crate::error::StoreError;
use crate::trace::chain::ActorDigest;
use crate::trace::connection::TraceConnection;
use crate::trace::strand::{self, Actors, Link, Strand};
use crate::trace::{TraceRemoval, TraceRow, TracedWrite, retention};
use crate::write::{WriteFault, Written};

/// What the writer knows of the trace.
#[derive(Default)]
pub(crate) struct Tracer {
    key: Option<Arc<SealKey>>,
    /// None until the first row of this opening.
    lines: Option<Lines>,
    /// The strands as they were before the open transaction.
    before: Option<Lines>,
    /// Actors of the open transaction, by month and digest.
    fresh: Vec<(i64, ActorDigest)>,
    actors: Actors,
}

/// The strands of an opening.
#[derive(Clone)]
struct Lines {
    /// Rows that came with their writes.
    own: Strand,
    /// Rows that came through the journal.
    alone: Strand,
}

impl Lines {
    fn is_sealed(&self) -> bool {
        self.own.is_sealed() && self.alone.is_sealed()
    }

    fn is_due(&self, now: i64, every_us: i64) -> bool {
        self.own.is_due(now, every_us) || self.alone.is_due(now, every_us)
    }
}

impl Tracer {
    pub(super) fn begin(&mut self) {
        self.before.clone_from(&self.lines);
        self.fresh.clear();
    }

    pub(super) fn commit(&mut self) {
        self.actors.learn(self.fresh.drain(..));
    }

    pub(super) fn roll_back(&mut self) {
        self.lines = self.before.take();
        self.fresh.clear();
    }

    /// Whether rows wait for a seal.
    pub(super) fn waits(&self) -> bool {
        self.lines.as_ref().is_some_and(|lines| !lines.is_sealed())
    }
}

impl Writer {
    /// Adds a row to the trace, in the open transaction.
    pub(super) fn trace(
        &mut self,
        row: &TraceRow,
        answers: &[Result<Written, WriteFault>],
    ) -> Result<(), StoreError> {
        let now = self.core.now().0;
        let written: Vec<TracedWrite> = answers.iter().map(TracedWrite::of).collect();
        let link = self.lines()?.own.link(row, &written, now);
        self.add(&[&link])
    }

    /// The strands; the first one to ask opens the trace, in the open transaction.
    fn lines(&mut self) -> Result<&mut Lines, StoreError> {
        let lines = match self.tracer.lines.take() {
            Some(lines) => lines,
            None => {
                let (key, now) = (self.seal_key()?, self.core.now().0);
                let every = self.core.settings.trace.seal_every_us();
                let opening = strand::open(&mut self.connection, &key, now, every)?;
                let line = |line| Strand::new(opening, line).since(now);
                Lines { own: line(1), alone: line(2) }
            }
        };
        Ok(self.tracer.lines.insert(lines))
    }

    fn add(&mut self, links: &[&Link]) -> Result<(), StoreError> {
        let tracer = &mut self.tracer;
        let mut unknown = tracer.actors.unknown(links);
        unknown.retain(|link| !tracer.fresh.contains(&(link.month(), link.actor)));
        tracer.fresh.extend(unknown.iter().map(|link| (link.month(), link.actor)));
        Ok(self.connection.add(links, &unknown)?)
    }

    /// The strand of the journal, before its first row.
    pub(crate) fn journal_strand(&mut self) -> Result<Strand, StoreError> {
        self.task(|writer| Ok(writer.lines()?.alone.clone()))
    }

    /// Adds rows that stand in the journal, in one commit.
    pub(crate) fn add_flushed(&mut self, groups: &[Arc<Vec<Link>>]) -> Result<(), StoreError> {
        let links: Vec<&Link> = groups.iter().flat_map(|group| group.iter()).collect();
        let (Some(first), Some(last)) = (links.first(), links.last()) else { return Ok(()) };
        self.task(|writer| {
            writer.lines()?.alone.follow((first, last));
            writer.add(&links)
        })
    }

    fn seal_key(&mut self) -> Result<Arc<SealKey>, StoreError> {
        if let Some(key) = &self.tracer.key {
            return Ok(Arc::clone(key));
        }
        let key = self.core.settings.trace.seal_key(&self.core.secret)?;
        self.tracer.key = Some(Arc::clone(&key));
        Ok(key)
    }

    /// How long rows may still wait for their seal; none where all are sealed.
    pub(super) fn until_seal(&self) -> Option<Duration> {
        let lines = self.tracer.lines.as_ref()?;
        let since = [&lines.own, &lines.alone].map(Strand::unsealed_since).into_iter().flatten();
        let waited = self.core.now().0.saturating_sub(since.min()?);
        let rest = self.core.settings.trace.seal_every_us().saturating_sub(waited);
        Some(Duration::from_micros(u64::try_from(rest).unwrap_or(0)))
    }

    /// Seals the strands in the open transaction, where their rows have waited long enough.
    pub(super) fn seal_if_due(&mut self) -> Result<(), StoreError> {
        let every = self.core.settings.trace.seal_every_us();
        let now = self.core.now().0;
        if self.tracer.lines.as_ref().is_some_and(|lines| lines.is_due(now, every)) {
            self.seal(now)?;
        }
        Ok(())
    }

    fn seal(&mut self, now: i64) -> Result<(), StoreError> {
        let key = self.seal_key()?;
        let Some(Lines { own, alone }) = &mut self.tracer.lines else { return Ok(()) };
        let heads = [(own.number, own.seq)];
        own.seal(&mut self.connection, &key, now, &[(alone.number, alone.seq)])?;
        alone.seal(&mut self.connection, &key, now, &heads)
    }

    /// Seals what waits, in a transaction of its own.
    pub(super) fn seal_now(&mut self) {
        if !self.tracer.waits() {
            return;
        }
        let now = self.core.now().0;
        if let Err(error) = self.task(|writer| writer.seal(now)) {
            tracing::error!(%error, "the trace was not sealed");
        }
    }

    /// One commit's part of the removal of old rows; false once there are no more.
    pub(crate) fn forget_traces(
        &mut self,
        before: i64,
        removal: &mut TraceRemoval,
    ) -> Result<bool, StoreError> {
        let key = self.seal_key()?;
        self.task(|writer| {
            let core = Arc::clone(&writer.core);
            let with = (&*key, core.settings.trace.keys_of, &core.hasher);
            retention::step(&mut writer.connection, with, before, removal)
        })
    }
}
