//! The trace on SQLite: one strand, in the writer's own commits.

use std::sync::Arc;
use std::time::Duration;

use fhir_security::seal::SealKey;

use super::apply::Writer;
use crate::error::StoreError;
use crate::trace::strand::{self, Actors, Link, Strand};
use crate::trace::{TraceRemoval, TraceRow, TracedWrite, retention};
use crate::write::{WriteFault, Written};

/// What the writer knows of the trace.
#[derive(Default)]
pub(crate) struct Tracer {
    key: Option<Arc<SealKey>>,
    /// None until the first row of this opening.
    strand: Option<Strand>,
    /// The strand as it was before the open transaction.
    before: Option<Strand>,
    /// Rows of the open transaction.
    fresh: Vec<Link>,
    actors: Actors,
}

impl Tracer {
    pub(super) fn begin(&mut self) {
        self.before.clone_from(&self.strand);
        self.fresh.clear();
    }

    pub(super) fn commit(&mut self) {
        self.actors.learn(&self.fresh);
        self.fresh.clear();
    }

    pub(super) fn roll_back(&mut self) {
        self.strand = self.before.take();
        self.fresh.clear();
    }

    /// Whether rows wait for a seal.
    pub(super) fn waits(&self) -> bool {
        self.strand.as_ref().is_some_and(|strand| !strand.is_sealed())
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
        let key = self.seal_key()?;
        let mut strand = match self.tracer.strand.take() {
            Some(strand) => strand,
            None => {
                let every = self.core.settings.trace.seal_every_us();
                Strand::new(strand::open(&mut self.connection, &key, now, every)?, 1)
            }
        };
        let written: Vec<TracedWrite> = answers.iter().map(TracedWrite::of).collect();
        let link = strand.link(row, &written, now);
        self.tracer.strand = Some(strand);
        let links = std::slice::from_ref(&link);
        let known = |link: &Link| {
            self.tracer.actors.has(link)
                || self.tracer.fresh.iter().any(|fresh| fresh.actor == link.actor)
        };
        strand::add(&mut self.connection, links, &known)?;
        self.tracer.fresh.push(link);
        Ok(())
    }

    fn seal_key(&mut self) -> Result<Arc<SealKey>, StoreError> {
        if let Some(key) = &self.tracer.key {
            return Ok(Arc::clone(key));
        }
        let key = self.core.settings.trace.seal_key(&self.core.secret)?;
        self.tracer.key = Some(Arc::clone(&key));
        Ok(key)
    }

    pub(super) fn seal_every(&self) -> Duration {
        Duration::from_millis(self.core.settings.trace.seal_every_ms.into())
    }

    /// Seals the strand in the open transaction, where its rows have waited long enough.
    pub(super) fn seal_if_due(&mut self) -> Result<(), StoreError> {
        let every = self.core.settings.trace.seal_every_us();
        let now = self.core.now().0;
        if self.tracer.strand.as_ref().is_some_and(|strand| strand.is_due(now, every)) {
            self.seal(now)?;
        }
        Ok(())
    }

    fn seal(&mut self, now: i64) -> Result<(), StoreError> {
        let key = self.seal_key()?;
        let Some(strand) = &mut self.tracer.strand else { return Ok(()) };
        strand.seal(&mut self.connection, &key, now, &[])
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
