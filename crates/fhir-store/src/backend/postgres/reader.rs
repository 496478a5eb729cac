//! Reading from PostgreSQL, inside a transaction that is open already.

use std::collections::HashMap;

use diesel::connection::SimpleConnection;
use diesel::result::OptionalExtension;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Untyped};
use diesel::{PgConnection, RunQueryDsl};
use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey, VersionId};
use fhir_search::{ParameterId, SearchQuery};

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
use crate::sql::{Bind, Dialect, Sql};
use crate::trace::{self, StoredTrace, TraceWindow};

/// `dk, rid, type, id, version, updated, method, dict, body`.
type Columns = (BigInt, BigInt, Integer, Text, BigInt, BigInt, Integer, Integer, Nullable<Binary>);
type Tuple = (i64, i64, i32, String, i64, i64, i32, i32, Option<Vec<u8>>);

const CURRENT: &str = "SELECT r.dk, r.rid, r.type, r.id, r.version, r.updated, r.method, r.dict, \
                       r.body FROM resource r WHERE ";
const OLD: &str = "SELECT r.dk, r.rid, r.type, r.id, v.version, v.updated, v.method, v.dict, \
                   v.body FROM version v JOIN resource r ON r.dk = v.dk AND r.rid = v.rid WHERE ";

pub(crate) struct PostgresReader<'a> {
    pub(crate) core: &'a Core,
    pub(crate) connection: &'a mut PgConnection,
    work: Work,
}

impl<'a> PostgresReader<'a> {
    /// A reader inside a transaction that is open already.
    pub(crate) fn new(core: &'a Core, connection: &'a mut PgConnection) -> Self {
        Self { core, connection, work: Work::within(core.settings.read_timeout_ms) }
    }
}

/// Where a resource is or would be: by the bucket in its id, or by the directory.
pub(crate) fn locate(
    core: &Core,
    connection: &mut PgConnection,
    key: &ResourceKey,
) -> Result<Option<RowKey>, StoreError> {
    let mut sql = Sql::default();
    match core.ids.decipher(&key.id) {
        Some(bucket) => {
            sql.push("SELECT dk, rid FROM resource WHERE hash = ");
            sql.integer(core.hasher.reference(key)).push(" AND dk = ").integer(i64::from(bucket));
            sql.push(" AND type = ").integer(row::number_of(key.resource_type));
        }
        None => {
            sql.push("SELECT dk, rid FROM directory WHERE hash = ");
            sql.integer(core.hasher.reference(key));
            sql.push(" AND type = ").integer(row::number_of(key.resource_type));
        }
    }
    sql.push(" AND id = ").bind(Bind::Text(key.id.as_str().to_owned()));
    let found: Option<(i64, i64)> =
        sql.typed::<(BigInt, BigInt)>().get_result(connection).optional()?;
    Ok(found.map(|(dk, rid)| RowKey { rid, dk }))
}

impl PostgresReader<'_> {
    fn stored(&self, tuple: Tuple) -> Result<StoredVersion, StoreError> {
        let (dk, rid, kind, id, version, updated, method, dict, body) = tuple;
        Ok(StoredVersion {
            row: RowKey { rid, dk },
            key: row::key_of(kind, &id)?,
            version: VersionId(version),
            updated: Instant(updated),
            method: row::method_of(method)?,
            body: body.map(|bytes| self.core.codec.unpack(dict, &bytes)).transpose()?,
        })
    }

    fn list(&mut self, sql: &Sql) -> Result<Vec<StoredVersion>, StoreError> {
        let tuples: Vec<Tuple> = sql.typed::<Columns>().load(self.connection)?;
        tuples.into_iter().map(|tuple| self.stored(tuple)).collect()
    }

    fn by_row(&mut self, row: RowKey) -> Result<Option<StoredVersion>, StoreError> {
        let mut sql = Sql::new(CURRENT);
        sql.push("r.dk = ").integer(row.dk).push(" AND r.rid = ").integer(row.rid);
        Ok(self.list(&sql)?.pop())
    }

    fn number(&mut self, sql: &Sql) -> Result<u64, StoreError> {
        let number: i64 = sql.typed::<BigInt>().get_result(self.connection)?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// Whose versions a scope means; `None` where nobody's.
    fn rows_of(&mut self, scope: &HistoryScope) -> Result<Option<Rows>, StoreError> {
        Rows::of(scope, |key| locate(self.core, self.connection, key))
    }
}

/// A row of the order of changes: its transaction and the columns of a version.
type ChangedColumns =
    (BigInt, BigInt, BigInt, Integer, Text, BigInt, BigInt, Integer, Integer, Nullable<Binary>);
type ChangedTuple = (i64, i64, i64, i32, String, i64, i64, i32, i32, Option<Vec<u8>>);

impl Reading for PostgresReader<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
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
        let mut explained = Sql::new("EXPLAIN ");
        explained.append(sql);
        Ok(explained.typed::<Text>().load(self.connection)?)
    }

    /// PostgreSQL keeps no account of it.
    fn repeats(&mut self, _p: i32) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn work(&mut self) -> &mut Work {
        &mut self.work
    }
}

impl Reader for PostgresReader<'_> {
    fn steady(&mut self) -> Result<(), StoreError> {
        // The snapshot is that of the first statement.
        Ok(self.connection.batch_execute("SELECT 1")?)
    }

    fn current(&mut self, key: &ResourceKey) -> Result<Option<StoredVersion>, StoreError> {
        match locate(self.core, self.connection, key)? {
            Some(row) => self.by_row(row),
            None => Ok(None),
        }
    }

    fn version(
        &mut self,
        key: &ResourceKey,
        version: VersionId,
    ) -> Result<Option<StoredVersion>, StoreError> {
        let Some(current) = self.current(key)? else { return Ok(None) };
        if current.version == version {
            return Ok(Some(current));
        }
        let mut sql = Sql::new(OLD);
        sql.push("v.dk = ").integer(current.row.dk).push(" AND v.rid = ");
        sql.integer(current.row.rid).push(" AND v.version = ").integer(version.0);
        Ok(self.list(&sql)?.pop())
    }

    fn history(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        after: Option<&HistoryPosition>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let Some(rows) = self.rows_of(scope)? else { return Ok(Vec::new()) };
        self.list(&history::page(Dialect::Postgres, &rows, window, after, limit))
    }

    fn history_count(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
    ) -> Result<u64, StoreError> {
        match self.rows_of(scope)? {
            Some(rows) => self.number(&history::count(Dialect::Postgres, &rows, window)),
            None => Ok(0),
        }
    }

    fn search(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        Run::new(self, query)?.search(query, after, limit)
    }

    fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        Run::new(self, query)?.count(query)
    }

    fn estimate(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        Run::new(self, query)?.estimate(query)
    }

    fn search_before(
        &mut self,
        query: &SearchQuery,
        before: &Position,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError> {
        Run::new(self, query)?.before(query, before, limit)
    }

    fn explain(&mut self, query: &SearchQuery, limit: usize) -> Result<Explanation, StoreError> {
        Run::new(self, query)?.explain(query, limit)
    }

    fn touched(&self) -> Touched {
        self.work.touched
    }

    fn load(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError> {
        self.work.touched.bodies += rows.len() as u64;
        let mut sql = Sql::new(CURRENT);
        sql.push("r.dk = ANY(");
        sql.bind(Bind::Integers(rows.iter().map(|row| row.dk).collect()))
            .push(") AND r.rid = ANY(");
        sql.bind(Bind::Integers(rows.iter().map(|row| row.rid).collect())).push(")");
        let found = self.list(&sql)?;
        let mut found: HashMap<RowKey, StoredVersion> =
            found.into_iter().map(|version| (version.row, version)).collect();
        Ok(rows.iter().filter_map(|row| found.remove(row)).collect())
    }

    fn load_keys(&mut self, keys: &[ResourceKey]) -> Result<Vec<StoredVersion>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.extend(locate(self.core, self.connection, key)?);
        }
        let mut versions = self.load(&rows)?;
        versions.retain(|version| version.body.is_some());
        Ok(versions)
    }

    fn referring(
        &mut self,
        parameters: &[ParameterId],
        targets: &[i64],
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, StoreError> {
        let sql = row::referring(Dialect::Postgres, parameters, targets, after, limit);
        let rows: Vec<(i64, i64)> = sql.typed::<(BigInt, BigInt)>().load(self.connection)?;
        Ok(rows.into_iter().map(|(rid, dk)| RowKey { rid, dk }).collect())
    }

    fn live(&mut self, resource_type: Option<ResourceType>) -> Result<u64, StoreError> {
        let mut sql = Sql::new("SELECT coalesce(sum(live), 0)::bigint FROM counter");
        if let Some(kind) = resource_type {
            sql.push(" WHERE type = ").integer(row::number_of(kind));
        }
        self.number(&sql)
    }

    fn bytes(&mut self) -> Result<u64, StoreError> {
        self.number(&Sql::new("SELECT pg_database_size(current_database())"))
    }

    fn changes_since(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        cursor: Option<ChangeCursor>,
        limit: usize,
    ) -> Result<Changes, StoreError> {
        // What was restored from another cluster stands below 0.
        let start = cursor.map_or([i64::MIN; 3], |cursor| cursor.0);
        let mut found: Vec<ChangedTuple> = Vec::new();
        if let Some(rows) = self.rows_of(scope)? {
            let sql = history::changes(Dialect::Postgres, &rows, window, start, limit);
            found = sql.typed::<ChangedColumns>().load(self.connection)?;
        }
        let has_more = found.len() >= limit;
        let end = match found.last().filter(|_| has_more) {
            Some((xid, _, rid, _, _, version, ..)) => [*xid, *rid, *version],
            // Everything below the oldest open transaction has been looked at. The snapshot of
            // this reader is one and the same for all its statements.
            None => {
                let horizon = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
                let open: i64 = Sql::new(horizon).typed::<BigInt>().get_result(self.connection)?;
                [open.saturating_sub(1), i64::MAX, i64::MAX]
            }
        };
        let versions = found.into_iter().map(
            |(_, dk, rid, kind, id, version, updated, method, dict, body)| {
                self.stored((dk, rid, kind, id, version, updated, method, dict, body))
            },
        );
        let mut versions: Vec<StoredVersion> = versions.collect::<Result<_, _>>()?;
        // Transactions that ran side by side: within a page the older version comes first.
        versions.sort_by_key(StoredVersion::history_position);
        Ok(Changes { versions, end: ChangeCursor(end.max(start)), has_more })
    }

    fn last_before_deletion(
        &mut self,
        after: Option<RowKey>,
        limit: usize,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let after = after.unwrap_or(RowKey { rid: i64::MIN, dk: i64::MIN });
        let mut sql = Sql::new(OLD);
        sql.push("v.version = r.version - 1 AND r.body IS NULL AND (r.rid, r.dk) > (");
        sql.integer(after.rid).push(", ").integer(after.dk).push(") ORDER BY r.rid, r.dk");
        self.list(sql.limit(row::limit_of(limit)))
    }

    fn journal(&mut self, file: &str) -> Result<Vec<i64>, StoreError> {
        let mut sql = Sql::new("SELECT position FROM journal WHERE file = ");
        sql.integer(self.core.hasher.hash(file)).push(" ORDER BY position");
        Ok(sql.typed::<BigInt>().load(self.connection)?)
    }

    fn marks(&mut self, kind: MarkKind, hash: i64) -> Result<Vec<StoredMark>, StoreError> {
        let mut sql = Sql::new("SELECT item, at, content FROM mark WHERE kind = ");
        sql.integer(kind.number()).push(" AND hash = ").integer(hash).push(" ORDER BY item");
        let found: Vec<(String, i64, String)> =
            sql.typed::<(Text, BigInt, Text)>().load(self.connection)?;
        let mark = |(item, at, content)| StoredMark { item, at: Instant(at), content };
        Ok(found.into_iter().map(mark).collect())
    }

    fn traces(&mut self, window: &TraceWindow) -> Result<Vec<StoredTrace>, StoreError> {
        trace::find(self.connection, window)
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(row::units(p).typed::<(BigInt, Text)>().load(self.connection)?)
    }
}
