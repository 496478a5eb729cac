//! A purge on SQLite: tasks of the writer, and a reader that goes through whole tables.

use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;

use super::{Engine, connection};
use crate::budget;
use crate::error::StoreError;
use crate::purge::{CHUNK, PurgeReport, TABLES, WORDS};
use crate::read::RowKey;
use crate::sql::{Dialect, Sql};

impl Engine {
    /// Removes rows and looks what is left of them.
    pub(crate) async fn purge(&self, doomed: &[RowKey]) -> Result<PurgeReport, StoreError> {
        let mut report = PurgeReport::default();
        for chunk in doomed.chunks(CHUNK) {
            let chunk = chunk.to_vec();
            report.merge(self.queue.task(move |writer| writer.purge(&chunk)).await?);
        }
        for table in TABLES.into_iter().chain([WORDS]) {
            let mut left = self.left(table, doomed)?;
            if left > 0 {
                tracing::warn!(table, left, "a purge found rows that the bodies did not tell of");
                let doomed_rows = doomed.to_vec();
                self.queue.task(move |writer| writer.sweep(table, &doomed_rows)).await?;
                report.note(table, usize::try_from(left).unwrap_or(usize::MAX));
                left = self.left(table, doomed)?;
            }
            report.note(table, 0);
            report.left.insert(table, left);
        }
        if !doomed.is_empty() && self.settings.full_text {
            let mut is_first = true;
            while self.queue.task(move |writer| writer.merge_words(is_first)).await? {
                is_first = false;
            }
        }
        self.queue.task(|writer| writer.empty_log()).await?;
        Ok(report)
    }

    fn left(&self, table: &str, doomed: &[RowKey]) -> Result<u64, StoreError> {
        let column = if table == WORDS { "rowid" } else { "rid" };
        let mut sql = Sql::new(&format!("SELECT count(*) FROM {table} WHERE {column}"));
        sql.in_list(Dialect::Sqlite, doomed.iter().map(|row| row.rid).collect());
        let mut connection = connection::reading(&self.path, &self.settings)?;
        let count = || sql.typed::<BigInt>().get_result::<i64>(&mut connection);
        let count = budget::with_deadline(0, count)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
