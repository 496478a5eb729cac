//! What the writer does inside a transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, PoisonError};

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::result::{OptionalExtension, QueryResult};
use diesel::sqlite::SqliteConnection;
use fhir_model::{Body, Instant, ResourceKey, VersionId};
use fhir_search::{IndexRows, SearchQuery};

use super::super::reader::SqliteReader;
use super::super::statements::{
    AddToCounter, BeginImmediate, Commit, Current, CurrentTuple, GetSetting, InsertJournal,
    InsertResource, KeepVersion, LastChange, LastRow, Release, Rollback, RollbackTo, Savepoint,
    UpdateResource,
};
use super::purge::HIGH_WATER;
use super::trace::Tracer;
use super::{Answer, Job};
use crate::backend::rule::{Found, Verdict, judge};
use crate::backend::{bounds, guarded, linked, row};
use crate::codec::Packed;
use crate::core::Core;
use crate::error::StoreError;
use crate::read::{Method, Reader, RowKey};
use crate::write::{Action, Change, Expectation, WriteFault, WriteOp, Written};

/// So many known rows of a table are remembered; then the memory starts afresh.
const MAX_KNOWN: usize = 1 << 20;

/// Rows that are in a table, so that they need not be inserted again.
pub(super) struct Known<T> {
    pub(super) committed: HashSet<T>,
    /// Of the open transaction.
    pub(super) fresh: Vec<T>,
}

impl<T: Eq + Hash> Known<T> {
    fn new() -> Self {
        Self { committed: HashSet::new(), fresh: Vec::new() }
    }

    fn commit(&mut self) {
        if self.committed.len() > MAX_KNOWN {
            self.committed.clear();
        }
        self.committed.extend(self.fresh.drain(..));
    }
}

/// The writer's connection and what it remembers between commits.
pub(crate) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) core: Arc<Core>,
    pub(super) next_row: i64,
    pub(super) last_updated: i64,
    /// Changes of the counters that the open transaction has not written yet.
    pub(super) live: HashMap<i32, i64>,
    pub(super) codings: Known<(i64, i64)>,
    pub(super) units: Known<(i32, i64)>,
    pub(super) repeating: HashSet<i32>,
    pub(super) tracer: Tracer,
}

impl Writer {
    pub(crate) fn new(connection: SqliteConnection, core: Arc<Core>) -> Result<Self, StoreError> {
        let mut writer = Self {
            connection,
            core,
            next_row: 1,
            last_updated: 0,
            live: HashMap::new(),
            codings: Known::new(),
            units: Known::new(),
            repeating: HashSet::new(),
            tracer: Tracer::default(),
        };
        writer.remember()?;
        Ok(writer)
    }

    fn remember(&mut self) -> QueryResult<()> {
        let last: i64 = LastRow::new().get_result(&mut self.connection)?;
        self.next_row = last.saturating_add(1);
        self.last_updated = LastChange::new().get_result(&mut self.connection)?;
        let kept: Option<Vec<u8>> =
            GetSetting::new(HIGH_WATER).get_result(&mut self.connection).optional()?;
        if let Some((row, updated)) = kept.as_deref().and_then(high_water) {
            self.next_row = self.next_row.max(row.saturating_add(1));
            self.last_updated = self.last_updated.max(updated);
        }
        self.forget();
        Ok(())
    }

    /// Drops what belongs to a transaction that was rolled back.
    fn forget(&mut self) {
        self.live.clear();
        self.forget_rows();
    }

    /// Drops the rows that may have been undone; inserting them again does no harm.
    fn forget_rows(&mut self) {
        self.codings.fresh.clear();
        self.units.fresh.clear();
        self.repeating.clear();
    }

    /// After a panic: nothing of the open transaction stays.
    pub(crate) fn recover(&mut self) {
        self.roll_back();
    }

    fn roll_back(&mut self) {
        // Where SQLite has rolled back by itself, this fails and that is well.
        let _ = Rollback::new().execute(&mut self.connection);
        self.tracer.roll_back();
        self.forget();
        if let Err(error) = self.remember() {
            tracing::error!(%error, "the writer cannot read its own database");
        }
    }

    /// Leaves the file tidy.
    pub(crate) fn finish(&mut self) {
        self.seal_now();
        let tidied =
            self.connection.batch_execute("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
        if let Err(error) = tidied {
            tracing::warn!(%error, "the write-ahead log was not emptied");
        }
    }

    /// One transaction with one flush. A statement that fails, or a group that gives anything but
    /// `Refused`, undoes it all.
    pub(crate) fn transaction<T: Answers>(
        &mut self,
        work: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, StoreError> {
        let core = Arc::clone(&self.core);
        let _writing = core.writing.read().unwrap_or_else(PoisonError::into_inner);
        BeginImmediate::new().execute(&mut self.connection)?;
        self.tracer.begin();
        let answers = work(self);
        if let Some(error) = answers.failure() {
            tracing::warn!(%error, "a statement of the writer failed");
            self.roll_back();
            return Err(StoreError::Interrupted);
        }
        let ended = self.seal_if_due().and_then(|()| {
            self.write_counters()?;
            Commit::new().execute(&mut self.connection)?;
            Ok(())
        });
        if let Err(error) = ended {
            self.roll_back();
            return Err(error);
        }
        self.tracer.commit();
        self.codings.commit();
        self.units.commit();
        Ok(answers)
    }

    /// A transaction of the store's own work.
    pub(crate) fn task<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transaction(work)?
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    fn write_counters(&mut self) -> QueryResult<()> {
        for (kind, live) in self.live.drain().filter(|(_, live)| *live != 0) {
            AddToCounter::new(kind, live).execute(&mut self.connection)?;
        }
        Ok(())
    }

    /// Applies a group inside the open transaction.
    pub(crate) fn group(&mut self, job: &Job) -> Answer {
        if let (true, true, Some(trace)) =
            (job.group.ops.is_empty(), job.group.expect.is_empty(), &job.group.trace)
            && job.group.journal.is_none()
        {
            return self.trace(trace, &[]).map(|()| Vec::new());
        }
        if self.is_done(&job.group)? {
            return Err(StoreError::Refused { index: 0, fault: WriteFault::Repeated });
        }
        for (index, expectation) in job.group.expect.iter().enumerate() {
            if !self.holds(expectation)? {
                return Err(StoreError::Refused { index, fault: WriteFault::Stale });
            }
        }
        let mut reader = SqliteReader::inside(&self.core, &mut self.connection);
        if let Some(guard) = &job.group.guard {
            // There is one writer, so that nobody else holds any name.
            let held = guard.names(&mut reader)?;
            guarded::judged(guard.as_ref(), &mut reader, &held)?;
        }
        let settled = bounds::before(&mut reader, &job.group)?;
        let is_stepped = job.group.atomic && job.group.ops.len() > 1;
        let live = is_stepped.then(|| self.live.clone());
        if is_stepped {
            Savepoint::new().execute(&mut self.connection)?;
        }
        let answers = match self.ops(job, is_stepped, settled)? {
            Ok(answers) => answers,
            Err((index, fault)) => {
                if let Some(live) = live {
                    RollbackTo::new().execute(&mut self.connection)?;
                    Release::new().execute(&mut self.connection)?;
                    self.live = live;
                    self.forget_rows();
                }
                return Err(StoreError::Refused { index, fault });
            }
        };
        if let Some(journal) = &job.group.journal {
            InsertJournal::new(self.core.hasher.hash(&journal.file), journal.position)
                .execute(&mut self.connection)?;
        }
        self.mark(&job.group, &answers)?;
        if let Some(trace) = &job.group.trace {
            self.trace(trace, &answers)?;
        }
        if is_stepped {
            Release::new().execute(&mut self.connection)?;
        }
        Ok(answers)
    }

    /// Applies the operations of a group; the first fault of an atomic one ends it, with its
    /// index. References are judged after all operations of several that stand together.
    fn ops(
        &mut self,
        job: &Job,
        is_stepped: bool,
        mut settled: BTreeMap<usize, Result<Written, WriteFault>>,
    ) -> Result<Applied, StoreError> {
        let mut answers = Vec::with_capacity(job.group.ops.len());
        for (index, (op, body)) in job.group.ops.iter().zip(&job.bodies).enumerate() {
            if let Some(answer) = settled.remove(&index) {
                answers.push(answer);
                continue;
            }
            match self.op(op, body.as_ref(), !is_stepped)? {
                Err(fault) if job.group.atomic => return Ok(Err((index, fault))),
                answer => answers.push(answer),
            }
        }
        if is_stepped {
            for (index, (op, answer)) in job.group.ops.iter().zip(&answers).enumerate() {
                let is_done = answer.as_ref().is_ok_and(|written| written.change.is_write());
                if is_done && let Some(fault) = self.link_fault(op)? {
                    return Ok(Err((index, fault)));
                }
            }
        }
        Ok(Ok(answers))
    }

    fn link_fault(&mut self, op: &WriteOp) -> Result<Option<WriteFault>, StoreError> {
        let now = self.core.now();
        let mut reader = SqliteReader::inside(&self.core, &mut self.connection);
        if let Some(fault) = bounds::after(&mut reader, op, now)? {
            return Ok(Some(fault));
        }
        linked::fault(&mut reader, op)
    }

    fn holds(&mut self, expectation: &Expectation) -> Result<bool, StoreError> {
        let found = self.matching(&expectation.query)?;
        Ok(match (found.as_slice(), &expectation.found) {
            ([], None) => true,
            ([one], Some(key)) => self.key_of(*one)?.0 == *key,
            _ => false,
        })
    }

    /// The first two resources that match, the open transaction's own included.
    fn matching(&mut self, query: &SearchQuery) -> Result<Vec<RowKey>, StoreError> {
        let mut reader = SqliteReader::inside(&self.core, &mut self.connection);
        let hits = reader.search(query, None, 2)?;
        Ok(hits.into_iter().map(|hit| hit.row).collect())
    }

    fn key_of(&mut self, row: RowKey) -> Result<(ResourceKey, VersionId, Instant), StoreError> {
        let mut reader = SqliteReader::inside(&self.core, &mut self.connection);
        let found = reader.load(&[row])?.into_iter().next();
        found
            .map(|version| (version.key, version.version, version.updated))
            .ok_or_else(|| StoreError::Damaged("an index row without a resource".into()))
    }

    fn op(
        &mut self,
        op: &WriteOp,
        body: Option<&Packed>,
        links_now: bool,
    ) -> Result<Result<Written, WriteFault>, StoreError> {
        let hash = self.core.hasher.reference(&op.key);
        let current: Option<CurrentTuple> =
            Current::new(hash, row::number_of(op.key.resource_type), op.key.id.as_str())
                .get_result(&mut self.connection)
                .optional()?;
        let found = current.as_ref().map(|(_, version, updated, _, _, body)| Found {
            version: VersionId(*version),
            updated: Instant(*updated),
            is_live: body.is_some(),
        });
        match judge(op, found) {
            Verdict::Go => {}
            Verdict::Done(written) => return Ok(Ok(written)),
            Verdict::Fault(fault) => return Ok(Err(fault)),
        }
        if let Some(query) = &op.preconditions.unless_exists {
            match self.matching(query)?.as_slice() {
                [] => {}
                [one] => {
                    let (key, version, updated) = self.key_of(*one)?;
                    let change = Change::Existing;
                    return Ok(Ok(Written { key, change, version, updated, body: None }));
                }
                several => return Ok(Err(WriteFault::MultipleMatches(several.len()))),
            }
        }
        if links_now && let Some(fault) = self.link_fault(op)? {
            return Ok(Err(fault));
        }
        match (&op.action, body) {
            (Action::Put { body, rows, method }, Some(packed)) => {
                let core = Arc::clone(&self.core);
                let rows = &*core.present_rows(&op.key, body, rows)?;
                self.put(&op.key, Put { body, packed, rows, method: *method }, current).map(Ok)
            }
            (Action::Put { .. } | Action::Delete, _) => self.delete(&op.key, current).map(Ok),
        }
    }

    fn put(
        &mut self,
        key: &ResourceKey,
        put: Put<'_>,
        current: Option<CurrentTuple>,
    ) -> Result<Written, StoreError> {
        let done = |change, version, updated| Written {
            key: key.clone(),
            change,
            version: VersionId(version),
            updated: Instant(updated),
            body: Some(Arc::clone(put.body)),
        };
        let kind = row::number_of(key.resource_type);
        let Some((rid, version, at, _, dict, bytes)) = current else {
            let updated = self.tick();
            let rid = self.next_row;
            self.next_row = self.next_row.saturating_add(1);
            let Packed { dict, bytes } = put.packed;
            let method = row::number_of_method(put.method);
            let hash = self.core.hasher.reference(key);
            let id = key.id.as_str();
            InsertResource::new(rid, hash, kind, id, 1, updated, method, *dict, bytes)
                .execute(&mut self.connection)?;
            self.follow(Step { kind, rid, version: 1, updated }, None, Some(put.rows))?;
            *self.live.entry(kind).or_default() += 1;
            return Ok(done(Change::Created, 1, updated));
        };
        let old = match bytes {
            None => None,
            Some(bytes) => {
                if dict == put.packed.dict && bytes == put.packed.bytes {
                    return Ok(done(Change::Unchanged, version, at));
                }
                let body = self.core.codec.unpack(dict, &bytes)?;
                if body == **put.body {
                    return Ok(done(Change::Unchanged, version, at));
                }
                Some(self.core.rows_of(key, &body)?)
            }
        };
        let updated = self.tick();
        let next = version.saturating_add(1);
        KeepVersion::new(rid).execute(&mut self.connection)?;
        let method = row::number_of_method(row::kept_method(put.method, old.is_none()));
        let Packed { dict, bytes } = put.packed;
        UpdateResource::new(next, updated, method, *dict, Some(bytes), rid)
            .execute(&mut self.connection)?;
        let step = Step { kind, rid, version: next, updated };
        self.follow(step, old.as_ref(), Some(put.rows))?;
        if old.is_none() {
            *self.live.entry(kind).or_default() += 1;
            return Ok(done(Change::Created, next, updated));
        }
        Ok(done(Change::Updated, next, updated))
    }

    fn delete(
        &mut self,
        key: &ResourceKey,
        current: Option<CurrentTuple>,
    ) -> Result<Written, StoreError> {
        let done = |change, version, updated| Written {
            key: key.clone(),
            change,
            version: VersionId(version),
            updated: Instant(updated),
            body: None,
        };
        let (rid, version, dict, bytes) = match current {
            None => return Ok(done(Change::NothingToDelete, 0, 0)),
            Some((_, version, updated, _, _, None)) => {
                return Ok(done(Change::NothingToDelete, version, updated));
            }
            Some((rid, version, _, _, dict, Some(bytes))) => (rid, version, dict, bytes),
        };
        let body = self.core.codec.unpack(dict, &bytes)?;
        let old = self.core.rows_of(key, &body)?;
        let updated = self.tick();
        let next = version.saturating_add(1);
        KeepVersion::new(rid).execute(&mut self.connection)?;
        let method = row::number_of_method(Method::Delete);
        UpdateResource::new(next, updated, method, crate::codec::RAW, None, rid)
            .execute(&mut self.connection)?;
        let kind = row::number_of(key.resource_type);
        self.follow(Step { kind, rid, version: next, updated }, Some(&old), None)?;
        *self.live.entry(kind).or_default() -= 1;
        Ok(done(Change::Deleted, next, updated))
    }

    /// The instant of the next version: never the same twice, never backwards.
    fn tick(&mut self) -> i64 {
        let now = self.core.now().0;
        self.last_updated = now.max(self.last_updated.saturating_add(1));
        self.last_updated
    }
}

/// What the operations of a group came to, or the fault that ends an atomic one.
type Applied = Result<Vec<Result<Written, WriteFault>>, (usize, WriteFault)>;

/// A `Put` with its compressed body.
struct Put<'a> {
    body: &'a Arc<Body>,
    packed: &'a Packed,
    rows: &'a IndexRows,
    method: Method,
}

/// A new version: the number of its type, its row, its number and its instant.
pub(super) struct Step {
    pub(super) kind: i32,
    pub(super) rid: i64,
    pub(super) version: i64,
    pub(super) updated: i64,
}

/// Row and instant of the mark that a purge leaves.
fn high_water(bytes: &[u8]) -> Option<(i64, i64)> {
    let (row, updated) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*row), i64::from_be_bytes(updated.try_into().ok()?)))
}

/// Answers of one group or of several.
pub(crate) trait Answers {
    /// A failure that is not the group's own fault.
    fn failure(&self) -> Option<&StoreError>;
}

impl<T> Answers for Result<T, StoreError> {
    fn failure(&self) -> Option<&StoreError> {
        self.as_ref().err().filter(|error| !matches!(error, StoreError::Refused { .. }))
    }
}

impl Answers for Vec<Answer> {
    fn failure(&self) -> Option<&StoreError> {
        self.iter().find_map(Answers::failure)
    }
}
