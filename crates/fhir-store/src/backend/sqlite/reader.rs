//! Reading from one snapshot of a SQLite file.

use std::collections::HashMap;

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{OptionalExtension, QueryResult};
use diesel::sql_types::{BigInt, Text, Untyped};
use diesel::sqlite::{Sqlite, SqliteConnection};
use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey, VersionId};
use fhir_search::{DateMatch, ParameterId, SearchQuery};

use super::statements::{
    Begin, ByRow, Changes, Commit, CountSystem, CountType, CountVersions, Current, CurrentTuple,
    Journal, LiveAll, LiveOf, OldVersion, OldVersions, Repeats, StoredColumns, StoredTuple,
    SystemHistory, TypeHistory, VersionTuple,
};
use crate::backend::row::{self, HitRow};
use crate::backend::sort;
use crate::core::Core;
use crate::error::StoreError;
use crate::explain::{Explanation, Touched};
use crate::query::select::Select;
use crate::read::{
    ChangeCursor, ChangeRow, HistoryPosition, HistoryScope, HistoryWindow, Hit, Matched, Position,
    Reader, RowKey, SortValue, StoredVersion,
};
use crate::sql::{Dialect, Sql};

/// Bodies of a page are fetched by this many rows with one statement.
const PAGE: usize = 20;

/// A leg with fewer rows than this is sorted as a list; a longer one is walked in sort order.
const SHORT_LIST: i64 = 1000;

/// A leg with fewer rows drives without a look at the others.
const FEW: i64 = 32;

/// Legs are compared up to this many rows.
const MANY: i64 = 256;

pub(crate) struct SqliteReader<'a> {
    core: &'a Core,
    connection: &'a mut SqliteConnection,
    /// Whether a snapshot is open that this reader has to end.
    is_open: bool,
    /// Whether a transaction is open already, which is the writer's.
    is_inside: bool,
}

impl<'a> SqliteReader<'a> {
    pub(crate) fn new(core: &'a Core, connection: &'a mut SqliteConnection) -> Self {
        Self { core, connection, is_open: false, is_inside: false }
    }

    /// A reader that sees what the writer's open transaction has written.
    pub(crate) fn inside(core: &'a Core, connection: &'a mut SqliteConnection) -> Self {
        Self { core, connection, is_open: false, is_inside: true }
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

    /// Lets the leg with the fewest rows drive, and says how few they are.
    fn choose(&mut self, select: &mut Select<'_>, most: i64) -> QueryResult<Option<i64>> {
        let mut best: Option<(i64, usize)> = None;
        for (place, probe) in select.probes(most) {
            let rows: i64 = probe.typed::<BigInt>().get_result(self.connection)?;
            if best.is_none_or(|(fewest, _)| rows < fewest) {
                best = Some((rows, place));
            }
            if rows < FEW {
                break;
            }
        }
        if let Some((rows, place)) = best {
            select.drive_from(place);
            return Ok(Some(rows));
        }
        match select.driver_probe(most) {
            Some(probe) => probe.typed::<BigInt>().get_result(self.connection).map(Some),
            None => Ok(None),
        }
    }

    fn hits(&mut self, sql: &Sql) -> QueryResult<Vec<Hit>> {
        let rows: Vec<HitRow> = sql.typed::<Untyped>().load(self.connection)?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// A handful of matches, sorted, and their dates compared, by what the indexer reads in their bodies: no index is keyed by
    /// row, so the database would have to go through the sort key's whole index instead.
    fn sorted_here(
        &mut self,
        select: &mut Select<'_>,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: i64,
    ) -> Result<Vec<Hit>, StoreError> {
        let dates = select.take_dates();
        let rows: Vec<RowKey> =
            self.hits(&select.all_in_row_order())?.iter().map(|hit| hit.row).collect();
        let mut hits = Vec::with_capacity(rows.len());
        for version in self.load(&rows)? {
            let index = match &version.body {
                Some(body) => self.core.rows_of(&version.key, body)?,
                None => continue,
            };
            let holds = |(p, when): &(ParameterId, DateMatch)| {
                index.date.iter().any(|row| row.p.abs() == p.0 && when.holds(row.lo, row.hi))
            };
            if !dates.iter().all(holds) {
                continue;
            }
            let row = version.row;
            let value = |key| sort::value_of(key, &version, &index);
            let values = query.sort.iter().map(value).collect();
            hits.push(Hit { row, position: Position { values, row }, matched: Matched::default() });
        }
        hits.sort_by(|one, other| sort::compare(&query.sort, &one.position, &other.position));
        if let Some(after) = after {
            hits.retain(|hit| sort::compare(&query.sort, &hit.position, after).is_gt());
        }
        hits.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(hits)
    }

    /// A search with sort keys: a short list is sorted, a long one walked along the sort key's
    /// index, with the resources that have no value after it.
    fn sorted(
        &mut self,
        select: &Select<'_>,
        fewest: Option<i64>,
        after: Option<&Position>,
        limit: i64,
    ) -> QueryResult<Vec<Hit>> {
        if fewest.is_some_and(|rows| rows < SHORT_LIST) {
            return self.hits(&select.page(after, limit));
        }
        if let Some(walk) = select.walk_updated(after, limit) {
            return self.hits(&walk);
        }
        let walk = match select.date_order() {
            None => None,
            Some(p) => {
                let repeats: i64 = Repeats::new(p.0).get_result(self.connection)?;
                select.walk_date(repeats > 0, after, limit)
            }
        };
        let Some(walk) = walk else { return self.hits(&select.page(after, limit)) };
        let mut hits = self.hits(&walk)?;
        let rest = limit - i64::try_from(hits.len()).unwrap_or(limit);
        if rest > 0 {
            let dates_end =
                Position { values: vec![SortValue::Absent], row: RowKey { rid: i64::MIN, dk: 0 } };
            hits.extend(self.hits(&select.page(Some(&dates_end), rest))?);
        }
        Ok(hits)
    }
}

impl Reader for SqliteReader<'_> {
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
        let (since, mut before) = row::bounds_of(window);
        if let HistoryScope::Instance(key) = scope {
            return self.instance_history(key, (since, before), after, limit);
        }
        before = after.map_or(before, |position| before.min(position.updated.0));
        let limit = row::limit_of(limit);
        let tuples: Vec<StoredTuple> = match scope {
            HistoryScope::Type(kind) => {
                TypeHistory::new(row::number_of(*kind), since, before, limit)
                    .load(self.connection)?
            }
            HistoryScope::System | HistoryScope::Instance(_) => {
                SystemHistory::new(since, before, limit).load(self.connection)?
            }
        };
        tuples.into_iter().map(|tuple| self.stored(tuple)).collect()
    }

    fn history_count(
        &mut self,
        scope: &HistoryScope,
        window: HistoryWindow,
    ) -> Result<u64, StoreError> {
        self.snapshot()?;
        let (since, before) = row::bounds_of(window);
        let count: i64 = match scope {
            HistoryScope::System => CountSystem::new(since, before).get_result(self.connection)?,
            HistoryScope::Type(kind) => {
                CountType::new(row::number_of(*kind), since, before).get_result(self.connection)?
            }
            HistoryScope::Instance(key) => match self.row_of(key)? {
                None => 0,
                Some((rid, _, updated, ..)) => {
                    let old: i64 =
                        CountVersions::new(rid, since, before).get_result(self.connection)?;
                    old + i64::from(updated >= since && updated < before)
                }
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
        let mut select = Select::new(Dialect::Sqlite, query);
        let limit = row::limit_of(limit);
        if query.sort.is_empty() {
            let has_dates = query.predicates.len() > 1 && select.has_dates();
            if select.has_choice() || has_dates {
                let fewest = self.choose(&mut select, MANY)?;
                if has_dates && fewest.is_some_and(|rows| rows < MANY) {
                    return self.sorted_here(&mut select, query, after, limit);
                }
            }
            return Ok(self.hits(&select.page(after, limit))?);
        }
        let fewest = self.choose(&mut select, SHORT_LIST)?;
        if fewest.is_some_and(|rows| rows < MANY) {
            return self.sorted_here(&mut select, query, after, limit);
        }
        Ok(self.sorted(&select, fewest, after, limit)?)
    }

    fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        self.snapshot()?;
        let mut select = Select::new(Dialect::Sqlite, query);
        if select.has_choice() {
            self.choose(&mut select, MANY)?;
        }
        let count: i64 = select.count().typed::<BigInt>().get_result(self.connection)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn estimate(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        self.count(query)
    }

    fn search_before(
        &mut self,
        _query: &SearchQuery,
        _before: &Position,
        _limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError> {
        Ok(None)
    }

    fn explain(&mut self, query: &SearchQuery, limit: usize) -> Result<Explanation, StoreError> {
        self.search(query, None, limit)?;
        Ok(Explanation::default())
    }

    fn touched(&self) -> Touched {
        Touched::default()
    }

    fn load(&mut self, rows: &[RowKey]) -> Result<Vec<StoredVersion>, StoreError> {
        self.snapshot()?;
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

    fn changes_since(
        &mut self,
        cursor: Option<ChangeCursor>,
        limit: usize,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let after = cursor.map_or(i64::MIN, |cursor| {
            let [sequence, ..] = cursor.0;
            sequence
        });
        let rows: Vec<(i32, String, i64, i64, i32)> =
            Changes::new(after, row::limit_of(limit)).load(self.connection)?;
        rows.into_iter()
            .map(|(kind, id, version, updated, method)| {
                Ok(ChangeRow {
                    cursor: ChangeCursor([updated, 0, 0]),
                    key: row::key_of(kind, &id)?,
                    version: VersionId(version),
                    updated: Instant(updated),
                    method: row::method_of(method)?,
                })
            })
            .collect()
    }

    fn journal(&mut self, file: &str) -> Result<Vec<i64>, StoreError> {
        Ok(Journal::new(self.core.hasher.hash(file)).load(self.connection)?)
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
