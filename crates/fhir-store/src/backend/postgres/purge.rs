//! A purge on PostgreSQL: transactions of the pool's threads.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::result::OptionalExtension;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::{PgConnection, RunQueryDsl};

use super::{Engine, rows, writer};
use crate::backend::row;
use crate::core::Core;
use crate::error::StoreError;
use crate::purge::{CHUNK, DIRECTORY, PurgeReport, TABLES, WORDS};
use crate::read::RowKey;
use crate::sql::{Bind, Dialect, Sql};

type Columns = (Integer, Text, Integer, Nullable<Binary>);
type Tuple = (i32, String, i32, Option<Vec<u8>>);

impl Engine {
    /// Removes rows and looks what is left of them.
    pub(crate) async fn purge(&self, doomed: &[RowKey]) -> Result<PurgeReport, StoreError> {
        let mut report = PurgeReport::default();
        for chunk in doomed.chunks(CHUNK) {
            let (core, chunk) = (Arc::clone(&self.core), chunk.to_vec());
            let work = move |connection: &mut PgConnection| {
                let _stamped = core.tidings.writing_anything();
                writer::in_turn(&core, connection, |connection| remove(&core, connection, &chunk))
            };
            report.merge(self.run(work).await?);
        }
        for table in TABLES.into_iter().chain([WORDS, DIRECTORY]) {
            let mut left = self.sweep(table, doomed, "SELECT count(*) FROM").await?;
            if left > 0 {
                tracing::warn!(table, left, "a purge found rows that the bodies did not tell of");
                self.sweep(table, doomed, "DELETE FROM").await?;
                report.note(table, usize::try_from(left).unwrap_or(usize::MAX));
                left = self.sweep(table, doomed, "SELECT count(*) FROM").await?;
            }
            report.note(table, 0);
            report.left.insert(table, left);
        }
        Ok(report)
    }

    /// Goes through a whole table for rows of these resources, which takes the time it takes.
    async fn sweep(
        &self,
        table: &'static str,
        doomed: &[RowKey],
        what: &'static str,
    ) -> Result<u64, StoreError> {
        let core = Arc::clone(&self.core);
        let pairs: Vec<(i64, i64)> = doomed.iter().map(|row| (row.dk, row.rid)).collect();
        self.run(move |connection| {
            writer::in_turn(&core, connection, |connection| {
                connection.batch_execute("SET LOCAL statement_timeout = 0")?;
                let mut sql = Sql::new(&format!("{what} {table} WHERE (dk, rid)"));
                sql.in_pairs(Dialect::Postgres, &pairs);
                if what.starts_with("DELETE") {
                    return Ok(u64::try_from(sql.typed::<()>().execute(connection)?).unwrap_or(0));
                }
                let count: i64 = sql.typed::<BigInt>().get_result(connection)?;
                Ok(u64::try_from(count).unwrap_or(0))
            })
        })
        .await
    }
}

fn remove(
    core: &Core,
    connection: &mut PgConnection,
    doomed: &[RowKey],
) -> Result<PurgeReport, StoreError> {
    let mut report = PurgeReport::default();
    for row in doomed {
        remove_one(core, connection, *row, &mut report)?;
    }
    Ok(report)
}

fn remove_one(
    core: &Core,
    connection: &mut PgConnection,
    row: RowKey,
    report: &mut PurgeReport,
) -> Result<(), StoreError> {
    let mut sql = Sql::new("SELECT type, id, dict, body FROM resource WHERE dk = ");
    sql.integer(row.dk).push(" AND rid = ").integer(row.rid).push(" FOR UPDATE");
    let found: Option<Tuple> = sql.typed::<Columns>().get_result(connection).optional()?;
    let Some((kind, id, dict, body)) = found else { return Ok(()) };
    let key = row::key_of(kind, &id)?;
    if let Some(bytes) = body {
        let old = core.rows_of(&key, &core.codec.unpack(dict, &bytes)?)?;
        rows::replace(connection, row, Some(&old), None)?;
        let mut sql = Sql::new("UPDATE counter SET live = live - 1 WHERE type = ");
        sql.integer(kind).push(" AND dk = ").integer(row.dk).typed::<()>().execute(connection)?;
        report.note_rows(&old);
    }
    let mut sql = Sql::new("DELETE FROM access WHERE type = ");
    sql.integer(kind).push(" AND rid = ").integer(row.rid).push(" AND dk = ").integer(row.dk);
    sql.typed::<()>().execute(connection)?;
    let mut sql = Sql::new("DELETE FROM directory WHERE hash = ");
    sql.integer(core.hasher.reference(&key)).push(" AND type = ").integer(kind);
    sql.push(" AND id = ").bind(Bind::Text(id));
    report.note(DIRECTORY, sql.typed::<()>().execute(connection)?);
    let mut sql = Sql::new("DELETE FROM mark WHERE kind = 0 AND item = ");
    sql.bind(Bind::Text(key.to_string())).typed::<()>().execute(connection)?;
    for table in [WORDS, "version", "change", "resource"] {
        let mut sql = Sql::new(&format!("DELETE FROM {table} WHERE rid = "));
        sql.integer(row.rid).push(" AND dk = ").integer(row.dk);
        let count = sql.typed::<()>().execute(connection)?;
        if table != WORDS {
            report.note(table, count);
        }
        if table == "change" {
            report.versions += u64::try_from(count).unwrap_or(0);
        }
    }
    *report.resources.entry(key.resource_type).or_default() += 1;
    Ok(())
}
