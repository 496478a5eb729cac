//! Reading from one snapshot of a SQLite file.

use std::collections::HashMap;

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{OptionalExtension, QueryResult};
use diesel::sql_types::{BigInt, Integer, Text, Untyped};
use diesel::sqlite::{Sqlite, SqliteConnection};
use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey, VersionId};
use fhir_search::{ParameterId, SearchQuery};

use super::statements::{
    AnySetting, Begin, ByRow, Commit, CountVersions, Current, CurrentTuple, DatabaseBytes, Journal,
    LastChange, LiveAll, LiveOf, Marks, OldVersion, OldVersions, Repeats, StoredColumns,
    StoredTuple, VersionTuple,
};
use crate::backend::history::{self, Rows};
use crate::backend::row::{self, HitRow};
use crate::core::Core;
use crate::error::StoreError;
use crate::explain::{Explanation, Touched};
use crate::mark::{MarkKind, StoredMark};
use crate::query::reading::{Reading, Work};
use crate::query::run::Run;
use crate::read::{
    ChangeCursor, Changes, HistoryPosition, HistoryScope, HistoryWindow, Hit, Position, Reader,
    RowKey, StoredVersion,
};
use crate::sql::{Dialect, Sql};
use crate::trace::{self, StoredTrace, TraceWindow};

/// Bodies of a page are fetched by this many rows with one statement.
const PAGE: usize = 20;

pub(crate) struct SqliteReader<'a> {
    core: &'a Core,
    connection: &'a mut SqliteConnection,
    /// Whether a snapshot is open that this reader has to end.
    is_open: bool,
    /// Whether a transaction is open already, which is the writer's.
    is_inside: bool,
    work: Work,
}

impl<'a> SqliteReader<'a> {
    pub(crate) fn new(core: &'a Core, connection: &'a mut SqliteConnection) -> Self {
        let work = Work::within(core.settings.read_timeout_ms);
        Self { core, connection, is_open: false, is_inside: false, work }
    }

    /// A reader that sees what the writer's open transaction has written.
    pub(crate) fn inside(core: &'a Core, connection: &'a mut SqliteConnection) -> Self {
        let work = Work::within(core.settings.read_timeout_ms);
        Self { core, connection, is_open: false, is_inside: true, work }
    }

    /// Ends the snapshot.
    pub(crate) fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let ended = Commit::new().execute(self.connection);
            if let Err(error) = ended {
                tracing::warn!(%error, "a read snapshot did not end");
            }
        }
    }

    /// One statement is its own snapshot; whoever needs several opens one.
    fn snapshot(&mut self) -> QueryResult<()> {
        if !self.is_open && !self.is_inside {
            Begin::new().execute(self.connection)?;
            self.is_open = true;
        }
        Ok(())
    }

    fn row_of(&mut self, key: &ResourceKey) -> QueryResult<Option<CurrentTuple>> {
        let hash = self.core.hasher.reference(key);
        Current::new(hash, row::number_of(key.resource_type), key.id.as_str())
            .get_result(self.connection)
            .optional()
    }

    fn version_of(
        &self,
        rid: i64,
        key: &ResourceKey,
        tuple: VersionTuple,
    ) -> Result<StoredVersion, StoreError> {
        let (version, updated, method, dict, body) = tuple;
        Ok(StoredVersion {
            row: RowKey { rid, dk: 0 },
            key: key.clone(),
            version: VersionId(version),
            updated: Instant(updated),
            method: row::method_of(method)?,
            body: body.map(|bytes| self.core.codec.unpack(dict, &bytes)).transpose()?,
        })
    }

    fn stored(&self, tuple: StoredTuple) -> Result<StoredVersion, StoreError> {
        let (rid, kind, id, version, updated, method, dict, body) = tuple;
        let key = row::key_of(kind, &id)?;
        self.version_of(rid, &key, (version, updated, method, dict, body))
    }

    fn instance_history(
        &mut self,
        key: &ResourceKey,
        (since, before): (i64, i64),
        after: Option<&HistoryPosition>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let Some((rid, version, updated, method, dict, body)) = self.row_of(key)? else {
            return Ok(Vec::new());
        };
        let below = after.map_or(i64::MAX, |position| position.version.0);
        let mut out = Vec::new();
        if version < below && updated >= since && updated < before && limit > 0 {
            out.push(self.version_of(rid, key, (version, updated, method, dict, body))?);
        }
        let rest = row::limit_of(limit.saturating_sub(out.len()));
        let older: Vec<VersionTuple> =
            OldVersions::new(rid, below, since, before, rest).load(self.connection)?;
        for tuple in older {
            out.push(self.version_of(rid, key, tuple)?);
        }
        Ok(out)
    }
}

impl SqliteReader<'_> {
    /// Whose versions a scope means; `None` where nobody's.
    fn rows_of(&mut self, scope: &HistoryScope) -> Result<Option<Rows>, StoreError> {
        Rows::of(scope, |key| Ok(self.row_of(key)?.map(|(rid, ..)| RowKey { rid, dk: 0 })))
    }

    fn list(&mut self, sql: &Sql) -> Result<Vec<StoredVersion>, StoreError> {
        let tuples: Vec<StoredTuple> = sql.typed::<StoredColumns>().load(self.connection)?;
        tuples.into_iter().map(|tuple| self.stored(tuple)).collect()
    }
}

impl Reading for SqliteReader<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn core(&self) -> &Core {
        self.core
    }

    fn hits(&mut self, sql: &Sql) -> Result<Vec<Hit>, StoreError> {
        let rows: Vec<HitRow> = sql.typed::<Untyped>().load(self.connection)?;
        self.work.note(sql, rows.len());
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    fn numbers(&mut self, sql: &Sql) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        let rows: Vec<(i64, i64, i64)> =
            sql.typed::<(BigInt, BigInt, BigInt)>().load(self.connection)?;
        self.work.note(sql, rows.len());
        Ok(rows)
    }

    fn texts(&mut self, sql: &Sql) -> Result<Vec<String>, StoreError> {
        let texts: Vec<String> = sql.typed::<Text>().load(self.connection)?;
        self.work.note(sql, texts.len());
        Ok(texts)
    }

    fn bodies(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError> {
        self.load(rows)
    }

    fn plan_of(&mut self, sql: &Sql) -> Result<Vec<String>, StoreError> {
        let mut explained = Sql::new("EXPLAIN QUERY PLAN ");
        explained.append(sql);
        let steps: Vec<(i32, i32, i32, String)> =
            explained.typed::<(Integer, Integer, Integer, Text)>().load(self.connection)?;
        Ok(steps.into_iter().map(|(.., detail)| detail).collect())
    }

    fn repeats(&mut self, p: i32) -> Result<bool, StoreError> {
        let repeats: i64 = Repeats::new(p).get_result(self.connection)?;
        Ok(repeats > 0)
    }

    fn work(&mut self) -> &mut Work {
        &mut self.work
    }
}

impl Reader for SqliteReader<'_> {
    fn steady(&mut self) -> Result<(), StoreError> {
        if !self.is_open && !self.is_inside {
            self.snapshot()?;
            // The snapshot is that of the first statement.
            AnySetting::new().get_result::<i32>(self.connection).optional()?;
        }
        Ok(())
    }

    fn current(&mut self, key: &ResourceKey) -> Result<Option<StoredVersion>, StoreError> {
        match self.row_of(key)? {
            None => Ok(None),
            Some((rid, version, updated, method, dict, body)) => {
                self.version_of(rid, key, (version, updated, method, dict, body)).map(Some)
            }
        }
    }

    fn version(
        &mut self,
        key: &ResourceKey,
        version: VersionId,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.snapshot()?;
        let Some((rid, current, updated, method, dict, body)) = self.row_of(key)? else {
            return Ok(None);
        };
        if current == version.0 {
            return self.version_of(rid, key, (current, updated, method, dict, body)).map(Some);
        }
        let old: Option<VersionTuple> =
            OldVersion::new(rid, version.0).get_result(self.connection).optional()?;
        old.map(|tuple| self.version_of(rid, key, tuple)).transpose()
    }

    fn history(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        after: Option<&HistoryPosition>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        self.snapshot()?;
        if let (HistoryScope::Instance(key), None) = (scope, window.current_at) {
            return self.instance_history(key, row::bounds_of(window), after, limit);
        }
        let Some(rows) = self.rows_of(scope)? else { return Ok(Vec::new()) };
        self.list(&history::page(Dialect::Sqlite, &rows, window, after, limit))
    }

    fn history_count(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
    ) -> Result<u64, StoreError> {
        self.snapshot()?;
        let (since, before) = row::bounds_of(window);
        let count: i64 = match (scope, window.current_at) {
            (HistoryScope::Instance(key), None) => match self.row_of(key)? {
                None => 0,
                Some((rid, _, updated, ..)) => {
                    let old: i64 =
                        CountVersions::new(rid, since, before).get_result(self.connection)?;
                    old + i64::from(updated >= since && updated < before)
                }
            },
            _ => match self.rows_of(scope)? {
                None => 0,
                Some(rows) => history::count(Dialect::Sqlite, &rows, window)
                    .typed::<BigInt>()
                    .get_result(self.connection)?,
            },
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn search(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        self.snapshot()?;
        Run::new(self, query)?.search(query, after, limit)
    }

    fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        self.snapshot()?;
        Run::new(self, query)?.count(query)
    }

    fn estimate(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        self.snapshot()?;
        Run::new(self, query)?.estimate(query)
    }

    fn search_before(
        &mut self,
        query: &SearchQuery,
        before: &Position,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError> {
        self.snapshot()?;
        Run::new(self, query)?.before(query, before, limit)
    }

    fn explain(&mut self, query: &SearchQuery, limit: usize) -> Result<Explanation, StoreError> {
        self.snapshot()?;
        Run::new(self, query)?.explain(query, limit)
    }

    fn touched(&self) -> Touched {
        self.work.touched
    }

    fn load(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError> {
        self.snapshot()?;
        self.work.touched.bodies += rows.len() as u64;
        let mut found: HashMap<i64, StoredVersion> = HashMap::with_capacity(rows.len());
        for part in rows.chunks(PAGE) {
            let tuples: Vec<StoredTuple> = match part {
                [] => Vec::new(),
                [one] => ByRow::new(one.rid).load(self.connection)?,
                [first, ..] => {
                    let mut rids = [first.rid; PAGE];
                    for (place, row) in rids.iter_mut().zip(part) {
                        *place = row.rid;
                    }
                    ByRows { rids }.load(self.connection)?
                }
            };
            for tuple in tuples {
                found.insert(tuple.0, self.stored(tuple)?);
            }
        }
        Ok(rows.iter().filter_map(|row| found.remove(&row.rid)).collect())
    }

    fn load_keys(&mut self, keys: &[ResourceKey]) -> Result<Vec<StoredVersion>, StoreError> {
        self.snapshot()?;
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            out.extend(self.current(key)?.filter(|version| version.body.is_some()));
        }
        Ok(out)
    }

    fn referring(
        &mut self,
        parameters: &[ParameterId],
        targets: &[i64],
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, StoreError> {
        self.snapshot()?;
        let sql = row::referring(Dialect::Sqlite, parameters, targets, after, limit);
        let rows: Vec<(i64, i64)> = sql.typed::<(BigInt, BigInt)>().load(self.connection)?;
        Ok(rows.into_iter().map(|(rid, dk)| RowKey { rid, dk }).collect())
    }

    fn live(&mut self, resource_type: Option<ResourceType>) -> Result<u64, StoreError> {
        let live: i64 = match resource_type {
            Some(kind) => LiveOf::new(row::number_of(kind)).get_result(self.connection)?,
            None => LiveAll::new().get_result(self.connection)?,
        };
        Ok(u64::try_from(live).unwrap_or(0))
    }

    fn bytes(&mut self) -> Result<u64, StoreError> {
        let bytes: i64 = DatabaseBytes::new().get_result(self.connection)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    fn changes_since(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        cursor: Option<ChangeCursor>,
        limit: usize,
    ) -> Result<Changes, StoreError> {
        self.snapshot()?;
        let start = cursor.map_or([i64::MIN, 0, 0], |cursor| cursor.0);
        let versions = match self.rows_of(scope)? {
            None => Vec::new(),
            Some(rows) => {
                self.list(&history::changes(Dialect::Sqlite, &rows, window, start, limit))?
            }
        };
        let has_more = versions.len() >= limit;
        let last: i64 = match versions.last().filter(|_| has_more) {
            Some(last) => last.updated.0,
            // Whatever is older and not among them is none of the scope's.
            None => LastChange::new().get_result(self.connection)?,
        };
        Ok(Changes { versions, end: ChangeCursor([last, 0, 0].max(start)), has_more })
    }

    fn last_before_deletion(
        &mut self,
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        self.snapshot()?;
        let mut sql = Sql::new(
            "SELECT r.rid, r.type, r.id, v.version, v.updated, v.method, v.dict, v.body \
             FROM resource r JOIN version v ON v.rid = r.rid AND v.version = r.version - 1 \
             WHERE r.body IS NULL AND r.rid > ",
        );
        sql.integer(after.map_or(i64::MIN, |row| row.rid)).push(" ORDER BY r.rid");
        self.list(sql.limit(row::limit_of(limit)))
    }

    fn journal(&mut self, file: &str) -> Result<Vec<i64>, StoreError> {
        Ok(Journal::new(self.core.hasher.hash(file)).load(self.connection)?)
    }

    fn marks(&mut self, kind: MarkKind, hash: i64) -> Result<Vec<StoredMark>, StoreError> {
        self.snapshot()?;
        let found: Vec<(String, i64, String)> =
            Marks::new(kind.number(), hash).load(self.connection)?;
        let mark = |(item, at, content)| StoredMark { item, at: Instant(at), content };
        Ok(found.into_iter().map(mark).collect())
    }

    fn traces(&mut self, window: &TraceWindow) -> Result<Vec<StoredTrace>, StoreError> {
        self.snapshot()?;
        trace::find(self.connection, window)
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, StoreError> {
        self.snapshot()?;
        Ok(row::units(p).typed::<(BigInt, Text)>().load(self.connection)?)
    }
}

/// A page of rows; fewer are padded with one of them.
struct ByRows {
    rids: [i64; PAGE],
}

impl QueryId for ByRows {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for ByRows {
    type SqlType = StoredColumns;
}

impl RunQueryDsl<SqliteConnection> for ByRows {}

impl QueryFragment<Sqlite> for ByRows {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "SELECT rid, type, id, version, updated, method, dict, body FROM resource \
             WHERE rid IN (",
        );
        for (place, rid) in self.rids.iter().enumerate() {
            out.push_sql(if place > 0 { ", " } else { "" });
            out.push_bind_param::<BigInt, _>(rid)?;
        }
        out.push_sql(")");
        Ok(())
    }
}
