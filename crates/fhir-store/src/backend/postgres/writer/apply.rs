//! What happens inside the transaction of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel::result::{Error, OptionalExtension};
use diesel::sql_types::{BigInt, Binary, Integer, Nullable};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use fhir_model::{Body, Instant, ResourceKey, VersionId};
use fhir_search::{IndexRows, SearchQuery};

use super::super::reader::{PostgresReader, locate};
use super::{Noted, RowNumbers};
use crate::backend::rule::{Found, Verdict, judge};
use crate::backend::{bounds, guarded, linked, row};
use crate::codec::{Packed, RAW};
use crate::core::Core;
use crate::error::StoreError;
use crate::id::bucket;
use crate::read::{Method, Reader, RowKey};
use crate::sql::{Bind, Sql};
use crate::write::{Action, Change, WriteFault, WriteGroup, WriteOp, Written};

/// The current version under a lock.
struct Current {
    row: RowKey,
    version: i64,
    updated: i64,
    dict: i32,
    body: Option<Vec<u8>>,
}

/// An open transaction.
pub(crate) struct Transaction<'a> {
    pub(super) core: &'a Core,
    numbers: &'a RowNumbers,
    pub(super) connection: &'a mut PgConnection,
    /// Changes of the counters, written last, in one order.
    live: BTreeMap<(i32, i64), i64>,
    /// Codings and units of all operations.
    pub(super) noted: Noted,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(
        core: &'a Core,
        numbers: &'a RowNumbers,
        connection: &'a mut PgConnection,
    ) -> Self {
        Self { core, numbers, connection, live: BTreeMap::new(), noted: Noted::default() }
    }

    /// Applies a group. A fault of an atomic group undoes the transaction; one of a plain group
    /// comes before its operation has written anything.
    pub(crate) fn group(
        mut self,
        group: &WriteGroup,
        bodies: &[Option<Packed>],
    ) -> Result<Vec<Result<Written, WriteFault>>, StoreError> {
        if !self.take_name(group)? {
            return Err(StoreError::Refused { index: 0, fault: WriteFault::Repeated });
        }
        let names = match &group.guard {
            None => BTreeSet::new(),
            Some(guard) => guard.names(&mut PostgresReader::new(self.core, self.connection))?,
        };
        let mut held = self.hold_criteria(group, &names)?;
        for (index, expectation) in group.expect.iter().enumerate() {
            let found = self.matching(&expectation.query)?;
            let is_right = match (found.as_slice(), &expectation.found) {
                ([], None) => true,
                ([one], Some(key)) => self.key_of(*one)?.0 == *key,
                _ => false,
            };
            if !is_right {
                return Err(StoreError::Refused { index, fault: WriteFault::Stale });
            }
        }
        self.lock(group, &mut held)?;
        let mut reader = PostgresReader::new(self.core, self.connection);
        if let Some(guard) = &group.guard {
            guarded::judged(guard.as_ref(), &mut reader, &names)?;
        }
        let mut settled = bounds::before(&mut reader, group)?;
        let is_together = group.atomic && group.ops.len() > 1;
        let mut answers = Vec::with_capacity(group.ops.len());
        for (index, (op, body)) in group.ops.iter().zip(bodies).enumerate() {
            if let Some(answer) = settled.remove(&index) {
                answers.push(answer);
                continue;
            }
            match self.op(op, body.as_ref(), !is_together)? {
                Err(fault) if group.atomic => return Err(StoreError::Refused { index, fault }),
                answer => answers.push(answer),
            }
        }
        if is_together {
            // Entries may refer to each other: references are judged when all of them stand.
            for (index, (op, answer)) in group.ops.iter().zip(&answers).enumerate() {
                let is_done = answer.as_ref().is_ok_and(|written| written.change.is_write());
                if is_done && let Some(fault) = self.link_fault(op)? {
                    return Err(StoreError::Refused { index, fault });
                }
            }
        }
        if let Some(journal) = &group.journal {
            let mut sql = Sql::new("INSERT INTO journal (file, position) VALUES (");
            sql.integer(self.core.hasher.hash(&journal.file)).push(", ");
            sql.integer(journal.position);
            self.run(sql.push(") ON CONFLICT DO NOTHING"))?;
        }
        self.mark(group, &answers)?;
        self.noted.write(self.connection)?;
        self.write_counters()?;
        self.let_go(&held)?;
        Ok(answers)
    }

    /// Locks what the operations write and what they refer to, all in one order.
    ///
    /// What is referred to is locked against being deleted meanwhile: a delete waits for those who
    /// refer to its resource, and they for it.
    fn lock(&mut self, group: &WriteGroup, held: &mut Vec<i64>) -> Result<(), StoreError> {
        let mut keys: BTreeMap<&ResourceKey, bool> = BTreeMap::new();
        for op in &group.ops {
            keys.insert(&op.key, true);
            for target in &op.preconditions.targets {
                keys.entry(&target.key).or_insert(false);
            }
        }
        if keys.len() < 2 {
            return Ok(());
        }
        for (key, is_written) in keys {
            if !is_written {
                self.share(key)?;
                continue;
            }
            // What is not there yet has no row to lock: its key is held instead, in the same
            // order, so that two groups that create the same ids wait and don't deadlock.
            if self.current(key)?.is_none() && self.core.ids.decipher(&key.id).is_none() {
                let hash = self.core.hasher.reference(key);
                self.hold(hash)?;
                held.push(hash);
                self.current(key)?;
            }
        }
        Ok(())
    }

    /// Keeps a resource from being written until this transaction has ended.
    fn share(&mut self, key: &ResourceKey) -> Result<(), StoreError> {
        let Some(row) = locate(self.core, self.connection, key)? else { return Ok(()) };
        let mut sql = Sql::new("SELECT rid FROM resource WHERE dk = ");
        sql.integer(row.dk).push(" AND rid = ").integer(row.rid).push(" FOR SHARE");
        let _found: Vec<i64> = sql.typed::<BigInt>().load(self.connection)?;
        Ok(())
    }

    fn link_fault(&mut self, op: &WriteOp) -> Result<Option<WriteFault>, StoreError> {
        let mut reader = PostgresReader::new(self.core, self.connection);
        if let Some(fault) = bounds::after(&mut reader, op, self.core.now())? {
            return Ok(Some(fault));
        }
        linked::fault(&mut reader, op)
    }

    pub(super) fn run(&mut self, sql: &Sql) -> QueryResult<usize> {
        sql.typed::<()>().execute(self.connection)
    }

    /// Takes the rows of `directory` that stand for criteria and for the names of a guard; a second
    /// transaction with one of them waits here until this one has ended.
    fn hold_criteria(
        &mut self,
        group: &WriteGroup,
        names: &BTreeSet<ResourceKey>,
    ) -> QueryResult<Vec<i64>> {
        let conditions = group.ops.iter().filter_map(|op| op.preconditions.unless_exists.as_ref());
        let expected = group.expect.iter().map(|expectation| &expectation.query);
        let mut held: Vec<i64> = conditions
            .chain(expected)
            .map(|query| {
                let mut parts: Vec<String> =
                    query.predicates.iter().map(|predicate| format!("{predicate:?}")).collect();
                parts.sort_unstable();
                self.core.hasher.hash(&format!("{:?} {}", query.scope, parts.join("&")))
            })
            .chain(names.iter().map(|name| self.core.hasher.hash(&format!("guarded {name}"))))
            .collect();
        held.sort_unstable();
        held.dedup();
        for hash in &held {
            self.hold(*hash)?;
        }
        Ok(held)
    }

    /// Takes the row of `directory` that stands for something which has no row of its own.
    fn hold(&mut self, hash: i64) -> QueryResult<()> {
        let mut sql = Sql::new("INSERT INTO directory (hash, type, id, dk, rid) VALUES (");
        sql.integer(hash).push(", -1, '*', 0, 0) ON CONFLICT (hash, type, id) ");
        self.run(sql.push("DO UPDATE SET rid = 0")).map(|_| ())
    }

    fn let_go(&mut self, held: &[i64]) -> QueryResult<()> {
        for hash in held {
            let mut sql =
                Sql::new("DELETE FROM directory WHERE type = -1 AND id = '*' AND hash = ");
            self.run(sql.integer(*hash))?;
        }
        Ok(())
    }

    fn matching(&mut self, query: &SearchQuery) -> Result<Vec<RowKey>, StoreError> {
        // Searches by system and by unit read what earlier operations of the group have put off.
        self.noted.write(self.connection)?;
        let mut reader = PostgresReader::new(self.core, self.connection);
        Ok(reader.search(query, None, 2)?.into_iter().map(|hit| hit.row).collect())
    }

    fn key_of(&mut self, row: RowKey) -> Result<(ResourceKey, VersionId, Instant), StoreError> {
        let mut reader = PostgresReader::new(self.core, self.connection);
        let found = reader.load(&[row])?.into_iter().next();
        // Another transaction may have taken it away between two statements: look again.
        found
            .map(|version| (version.key, version.version, version.updated))
            .ok_or(StoreError::Database(Error::RollbackTransaction))
    }

    /// The current version; its row stays locked.
    fn current(&mut self, key: &ResourceKey) -> Result<Option<Current>, StoreError> {
        let Some(row) = locate(self.core, self.connection, key)? else { return Ok(None) };
        let mut sql = Sql::new("SELECT version, updated, dict, body FROM resource WHERE dk = ");
        sql.integer(row.dk).push(" AND rid = ").integer(row.rid).push(" FOR UPDATE");
        type Row = (i64, i64, i32, Option<Vec<u8>>);
        let found: Option<Row> = sql
            .typed::<(BigInt, BigInt, Integer, Nullable<Binary>)>()
            .get_result(self.connection)
            .optional()?;
        Ok(found.map(|(version, updated, dict, body)| Current {
            row,
            version,
            updated,
            dict,
            body,
        }))
    }

    fn op(
        &mut self,
        op: &WriteOp,
        body: Option<&Packed>,
        links_now: bool,
    ) -> Result<Result<Written, WriteFault>, StoreError> {
        let current = self.current(&op.key)?;
        let found = current.as_ref().map(|current| Found {
            version: VersionId(current.version),
            updated: Instant(current.updated),
            is_live: current.body.is_some(),
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
        let core = self.core;
        match (&op.action, body, current) {
            (Action::Put { body, rows, method }, Some(packed), None) => {
                let rows = &*core.present_rows(&op.key, body, rows)?;
                self.create(&op.key, Put { body, packed, rows, method: *method }).map(Ok)
            }
            (Action::Put { body, rows, method }, Some(packed), Some(current)) => {
                let rows = &*core.present_rows(&op.key, body, rows)?;
                self.put(&op.key, Put { body, packed, rows, method: *method }, current).map(Ok)
            }
            (_, _, Some(current)) => self.delete(&op.key, current).map(Ok),
            (_, _, None) => Err(StoreError::Damaged("an operation without its body".into())),
        }
    }

    fn create(&mut self, key: &ResourceKey, put: Put<'_>) -> Result<Written, StoreError> {
        let now = self.core.now();
        let kind = row::number_of(key.resource_type);
        let rid = self.numbers.row(now);
        let updated = self.numbers.instant(now, None);
        let carried = self.core.ids.decipher(&key.id);
        let dk = i64::from(carried.unwrap_or_else(|| bucket(put.rows.access.person)));
        if carried.is_none() {
            let mut sql = Sql::new("INSERT INTO directory (hash, type, id, dk, rid) VALUES (");
            sql.integer(self.core.hasher.reference(key)).push(", ").integer(kind).push(", ");
            sql.bind(Bind::Text(key.id.as_str().to_owned())).push(", ").integer(dk);
            self.run(sql.push(", ").integer(rid).push(")"))?;
        }
        let mut sql = Sql::new(
            "INSERT INTO resource (dk, rid, hash, type, id, version, updated, method, dict, body) \
             VALUES (",
        );
        sql.integer(dk).push(", ").integer(rid).push(", ");
        sql.integer(self.core.hasher.reference(key)).push(", ").integer(kind).push(", ");
        sql.bind(Bind::Text(key.id.as_str().to_owned())).push(", 1, ").integer(updated);
        sql.push(", ").integer(row::number_of_method(put.method)).push(", ");
        sql.integer(put.packed.dict).push(", ").bind(Bind::Bytes(put.packed.bytes.clone()));
        self.run(sql.push(")"))?;
        let step = Step { kind, row: RowKey { rid, dk }, version: 1, updated };
        self.follow(&step, None, Some(put.rows))?;
        *self.live.entry((kind, dk)).or_default() += 1;
        Ok(step.written(key, Change::Created, Some(put.body)))
    }

    fn put(
        &mut self,
        key: &ResourceKey,
        put: Put<'_>,
        current: Current,
    ) -> Result<Written, StoreError> {
        let kind = row::number_of(key.resource_type);
        let old = match &current.body {
            None => None,
            Some(bytes) => {
                let body = self.core.codec.unpack(current.dict, bytes)?;
                if body == **put.body {
                    let Current { row, version, updated, .. } = current;
                    let step = Step { kind, row, version, updated };
                    return Ok(step.written(key, Change::Unchanged, Some(put.body)));
                }
                Some(self.core.rows_of(key, &body)?)
            }
        };
        let bind = Bind::Bytes(put.packed.bytes.clone());
        let method = row::kept_method(put.method, old.is_none());
        let step = self.next(kind, &current, method, put.packed.dict, bind)?;
        self.follow(&step, old.as_ref(), Some(put.rows))?;
        if old.is_none() {
            *self.live.entry((kind, current.row.dk)).or_default() += 1;
            return Ok(step.written(key, Change::Created, Some(put.body)));
        }
        Ok(step.written(key, Change::Updated, Some(put.body)))
    }

    fn delete(&mut self, key: &ResourceKey, current: Current) -> Result<Written, StoreError> {
        let kind = row::number_of(key.resource_type);
        let bytes = current.body.as_deref().unwrap_or_default();
        let body = self.core.codec.unpack(current.dict, bytes)?;
        let old = self.core.rows_of(key, &body)?;
        let step = self.next(kind, &current, Method::Delete, RAW, Bind::NoBytes)?;
        self.follow(&step, Some(&old), None)?;
        *self.live.entry((kind, current.row.dk)).or_default() -= 1;
        Ok(step.written(key, Change::Deleted, None))
    }

    /// Keeps the current version and puts the next one in its place.
    fn next(
        &mut self,
        kind: i32,
        current: &Current,
        method: Method,
        dict: i32,
        body: Bind,
    ) -> Result<Step, StoreError> {
        let row = current.row;
        let updated = self.numbers.instant(self.core.now(), Some(current.updated));
        let version = current.version.saturating_add(1);
        let mut sql = Sql::new(
            "INSERT INTO version (dk, rid, version, updated, method, dict, body) \
             SELECT dk, rid, version, updated, method, dict, body FROM resource WHERE dk = ",
        );
        self.run(sql.integer(row.dk).push(" AND rid = ").integer(row.rid))?;
        let mut sql = Sql::new("UPDATE resource SET version = ");
        sql.integer(version).push(", updated = ").integer(updated);
        sql.push(", method = ").integer(row::number_of_method(method));
        sql.push(", dict = ").integer(dict).push(", body = ").bind(body);
        self.run(sql.push(" WHERE dk = ").integer(row.dk).push(" AND rid = ").integer(row.rid))?;
        Ok(Step { kind, row, version, updated })
    }

    fn write_counters(&mut self) -> QueryResult<()> {
        for ((kind, dk), live) in std::mem::take(&mut self.live) {
            let mut sql = Sql::new("INSERT INTO counter (type, dk, live) VALUES (");
            sql.integer(kind).push(", ").integer(dk).push(", ").integer(live);
            sql.push(") ON CONFLICT (type, dk) DO UPDATE SET live = counter.live + excluded.live");
            self.run(&sql)?;
        }
        Ok(())
    }
}

/// A `Put` with its compressed body.
struct Put<'a> {
    body: &'a Arc<Body>,
    packed: &'a Packed,
    rows: &'a IndexRows,
    method: Method,
}

/// A version: the number of its type, its row, its number and its instant.
pub(super) struct Step {
    pub(super) kind: i32,
    pub(super) row: RowKey,
    pub(super) version: i64,
    pub(super) updated: i64,
}

impl Step {
    fn written(&self, key: &ResourceKey, change: Change, body: Option<&Arc<Body>>) -> Written {
        Written {
            key: key.clone(),
            change,
            version: VersionId(self.version),
            updated: Instant(self.updated),
            body: body.cloned(),
        }
    }
}
