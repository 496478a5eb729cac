//! Resources that are removed for good.
//!
//! Index rows go by their keys, made again from the body, as in a delete. What is removed is
//! overwritten in the file (`secure_delete`), and the words of the full text, which a delete only
//! marks, are merged away.

use std::sync::Arc;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::result::OptionalExtension;
use diesel::sql_types::BigInt;

use super::super::rows;
use super::super::statements::{ByRow, DeleteAccess, DeleteWords, PutSetting, StoredTuple};
use super::apply::Writer;
use crate::backend::row;
use crate::error::StoreError;
use crate::purge::{PurgeReport, WORDS};
use crate::read::RowKey;
use crate::sql::{Bind, Dialect, Sql};

/// The highest row and instant that were ever given, in the table `setting`: what is purged takes
/// its own away, and they must not come again.
pub(super) const HIGH_WATER: &str = "high_water";

/// Pages of the full text that one commit merges.
const MERGED_PAGES: i64 = 500;

impl Writer {
    /// Removes some rows in one commit.
    pub(crate) fn purge(&mut self, doomed: &[RowKey]) -> Result<PurgeReport, StoreError> {
        let core = Arc::clone(&self.core);
        let _stamped = core.tidings.writing_anything();
        self.connection.batch_execute("PRAGMA secure_delete = ON")?;
        let done = self.task(|writer| {
            let mut report = PurgeReport::default();
            for row in doomed {
                writer.purge_one(row.rid, &mut report)?;
            }
            let mark = [writer.next_row.saturating_sub(1), writer.last_updated];
            let mark: Vec<u8> = mark.iter().flat_map(|number| number.to_be_bytes()).collect();
            PutSetting::new(HIGH_WATER, &mark).execute(&mut writer.connection)?;
            Ok(report)
        });
        self.connection.batch_execute("PRAGMA secure_delete = OFF")?;
        done
    }

    fn purge_one(&mut self, rid: i64, report: &mut PurgeReport) -> Result<(), StoreError> {
        let found: Option<StoredTuple> =
            ByRow::new(rid).get_result(&mut self.connection).optional()?;
        let Some((_, kind, id, _, updated, _, dict, body)) = found else { return Ok(()) };
        let key = row::key_of(kind, &id)?;
        if let Some(bytes) = body {
            let core = Arc::clone(&self.core);
            let old = core.rows_of(&key, &core.codec.unpack(dict, &bytes)?)?;
            rows::replace(&mut self.connection, rid, Some(&old), None)?;
            DeleteAccess::new(kind, rid).execute(&mut self.connection)?;
            DeleteWords::new(rid).execute(&mut self.connection)?;
            *self.live.entry(kind).or_default() -= 1;
            report.note_rows(&old);
        }
        let mut sql = Sql::new("SELECT updated FROM version WHERE rid = ");
        let mut instants: Vec<i64> =
            sql.integer(rid).typed::<BigInt>().load(&mut self.connection)?;
        report.note("version", instants.len());
        instants.push(updated);
        report.versions += u64::try_from(instants.len()).unwrap_or(0);
        report.note("change", instants.len());
        report.note("resource", 1);
        *report.resources.entry(key.resource_type).or_default() += 1;
        let mut sql = Sql::new("DELETE FROM change WHERE updated");
        self.remove(sql.in_list(Dialect::Sqlite, instants))?;
        let mut sql = Sql::new("DELETE FROM mark WHERE kind = 0 AND item = ");
        self.remove(sql.bind(Bind::Text(key.to_string())))?;
        for table in ["version", "resource"] {
            let mut sql = Sql::new(&format!("DELETE FROM {table} WHERE rid = "));
            self.remove(sql.integer(rid))?;
        }
        Ok(())
    }

    fn remove(&mut self, sql: &Sql) -> Result<(), StoreError> {
        sql.typed::<()>().execute(&mut self.connection)?;
        Ok(())
    }

    /// Goes through a whole table for rows of these resources: what the keys did not tell of.
    pub(crate) fn sweep(&mut self, table: &str, doomed: &[RowKey]) -> Result<(), StoreError> {
        let column = if table == WORDS { "rowid" } else { "rid" };
        let mut sql = Sql::new(&format!("DELETE FROM {table} WHERE {column}"));
        sql.in_list(Dialect::Sqlite, doomed.iter().map(|row| row.rid).collect());
        self.task(|writer| writer.remove(&sql))
    }

    /// Merges words that a delete has only marked; true while there is more to do.
    pub(crate) fn merge_words(&mut self, is_first: bool) -> Result<bool, StoreError> {
        self.connection.batch_execute("PRAGMA secure_delete = ON")?;
        let pages = if is_first { -MERGED_PAGES } else { MERGED_PAGES };
        let done = self.task(|writer| {
            let count = || Sql::new("SELECT total_changes()");
            let before: i64 = count().typed::<BigInt>().get_result(&mut writer.connection)?;
            let mut sql = Sql::new("INSERT INTO words (words, rank) VALUES ('merge', ");
            writer.remove(sql.integer(pages).push(")"))?;
            let after: i64 = count().typed::<BigInt>().get_result(&mut writer.connection)?;
            // The merge itself is one change; more means that pages were written.
            Ok(after.saturating_sub(before) > 1)
        });
        self.connection.batch_execute("PRAGMA secure_delete = OFF")?;
        done
    }

    /// Brings the write-ahead log into the file and empties it, so that nothing stays there.
    pub(crate) fn empty_log(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }
}
