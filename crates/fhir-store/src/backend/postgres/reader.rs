//! Reading from PostgreSQL, inside a transaction that is open already.

use std::collections::HashMap;

use diesel::result::OptionalExtension;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text, Untyped};
use diesel::{PgConnection, RunQueryDsl};
use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey, VersionId};
use fhir_search::{ParameterId, SearchQuery};

use crate::backend::row::{self, HitRow};
use crate::core::Core;
use crate::error::StoreError;
use crate::explain::{Explanation, Touched};
use crate::query::reading::{Reading, Work};
use crate::query::run::Run;
use crate::read::{
    ChangeCursor, ChangeRow, HistoryPosition, HistoryScope, HistoryWindow, Hit, Position, Reader,
    RowKey, StoredVersion,
};
use crate::sql::{Bind, Dialect, Sql};

/// `dk, rid, type, id, version, updated, method, dict, body`.
type Columns = (BigInt, BigInt, Integer, Text, BigInt, BigInt, Integer, Integer, Nullable<Binary>);
type Tuple = (i64, i64, i32, String, i64, i64, i32, i32, Option<Vec<u8>>);

const CURRENT: &str = "SELECT r.dk, r.rid, r.type, r.id, r.version, r.updated, r.method, r.dict, \
                       r.body FROM resource r WHERE ";
const OLD: &str = "SELECT r.dk, r.rid, r.type, r.id, v.version, v.updated, v.method, v.dict, \
                   v.body FROM version v JOIN resource r ON r.dk = v.dk AND r.rid = v.rid WHERE ";
const HISTORY: &str = "SELECT c.dk, c.rid, c.type, r.id, c.version, c.updated, \
    CASE WHEN r.version = c.version THEN r.method ELSE v.method END, \
    CASE WHEN r.version = c.version THEN r.dict ELSE v.dict END, \
    CASE WHEN r.version = c.version THEN r.body ELSE v.body END \
    FROM change c JOIN resource r ON r.dk = c.dk AND r.rid = c.rid \
    LEFT JOIN version v ON v.dk = c.dk AND v.rid = c.rid AND v.version = c.version WHERE ";

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

    /// Rows of `change` in a scope and window; `None` where the instance never was.
    fn changes_of(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
        start: &str,
    ) -> Result<Option<Sql>, StoreError> {
        let (since, before) = row::bounds_of(window);
        let mut sql = Sql::new(start);
        sql.push("c.updated >= ").integer(since).push(" AND c.updated < ").integer(before);
        match scope {
            HistoryScope::System => {}
            HistoryScope::Type(kind) => {
                sql.push(" AND c.type = ").integer(row::number_of(*kind));
            }
            HistoryScope::Instance(key) => {
                let Some(row) = locate(self.core, self.connection, key)? else { return Ok(None) };
                sql.push(" AND c.dk = ").integer(row.dk).push(" AND c.rid = ").integer(row.rid);
            }
        }
        Ok(Some(sql))
    }
}

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

    fn keys(&mut self, sql: &Sql) -> Result<Vec<(i32, String)>, StoreError> {
        let rows: Vec<(i32, String)> = sql.typed::<(Integer, Text)>().load(self.connection)?;
        self.work.note(sql, rows.len());
        Ok(rows)
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
        let Some(mut sql) = self.changes_of(scope, window, HISTORY)? else {
            return Ok(Vec::new());
        };
        if let Some(after) = after {
            sql.push(" AND (c.updated, c.rid, c.version) < (").integer(after.updated.0);
            sql.push(", ").integer(after.rid).push(", ").integer(after.version.0).push(")");
        }
        sql.push(" ORDER BY c.updated DESC, c.rid DESC, c.version DESC LIMIT ");
        sql.integer(row::limit_of(limit));
        self.list(&sql)
    }

    fn history_count(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
    ) -> Result<u64, StoreError> {
        match self.changes_of(scope, window, "SELECT count(*) FROM change c WHERE ")? {
            Some(sql) => self.number(&sql),
            None => Ok(0),
        }
    }

    fn search(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        Run::new(self, &query.scope)?.search(query, after, limit)
    }

    fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        Run::new(self, &query.scope)?.count(query)
    }

    fn estimate(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        Run::new(self, &query.scope)?.estimate(query)
    }

    fn search_before(
        &mut self,
        query: &SearchQuery,
        before: &Position,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError> {
        Run::new(self, &query.scope)?.before(query, before, limit)
    }

    fn explain(&mut self, query: &SearchQuery, limit: usize) -> Result<Explanation, StoreError> {
        Run::new(self, &query.scope)?.explain(query, limit)
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

    fn changes_since(
        &mut self,
        cursor: Option<ChangeCursor>,
        limit: usize,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let [xid, rid, version] = cursor.map_or([0; 3], |cursor| cursor.0);
        // Whatever began before the oldest open transaction has ended: nothing can come below.
        let mut sql = Sql::new(
            "SELECT c.xid, c.rid, c.version, c.type, r.id, c.updated, \
             CASE WHEN r.version = c.version THEN r.method ELSE v.method END \
             FROM change c JOIN resource r ON r.dk = c.dk AND r.rid = c.rid \
             LEFT JOIN version v ON v.dk = c.dk AND v.rid = c.rid AND v.version = c.version \
             WHERE c.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
             AND (c.xid, c.rid, c.version) > (",
        );
        sql.integer(xid).push(", ").integer(rid).push(", ").integer(version);
        sql.push(") ORDER BY c.xid, c.rid, c.version LIMIT ").integer(row::limit_of(limit));
        type Row = (i64, i64, i64, i32, String, i64, i32);
        let rows: Vec<Row> = sql
            .typed::<(BigInt, BigInt, BigInt, Integer, Text, BigInt, Integer)>()
            .load(self.connection)?;
        rows.into_iter()
            .map(|(xid, rid, version, kind, id, updated, method)| {
                Ok(ChangeRow {
                    cursor: ChangeCursor([xid, rid, version]),
                    key: row::key_of(kind, &id)?,
                    version: VersionId(version),
                    updated: Instant(updated),
                    method: row::method_of(method)?,
                })
            })
            .collect()
    }

    fn journal(&mut self, file: &str) -> Result<Vec<i64>, StoreError> {
        let mut sql = Sql::new("SELECT position FROM journal WHERE file = ");
        sql.integer(self.core.hasher.hash(file)).push(" ORDER BY position");
        Ok(sql.typed::<BigInt>().load(self.connection)?)
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(row::units(p).typed::<(BigInt, Text)>().load(self.connection)?)
    }
}
