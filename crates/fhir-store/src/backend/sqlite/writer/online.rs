//! Rows of search parameters that are built while the store is open.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;
use fhir_search::IndexRows;

use super::super::online::{Lacking, again};
use super::super::rows;
use super::super::statements::DeleteWords;
use super::apply::Writer;
use crate::backend::parameters::{self, ParameterColumns, ParameterRow, ParameterTuple};
use crate::backend::row;
use crate::error::StoreError;
use crate::full_text::Kept;
use crate::online::{Job, ParameterState};
use crate::sql::Sql;

impl Writer {
    pub(crate) fn parameters(&mut self) -> Result<Vec<ParameterRow>, StoreError> {
        let rows: Vec<ParameterTuple> =
            Sql::new(parameters::NOT_PLAIN).typed::<ParameterColumns>().load(self.connection())?;
        rows.into_iter().map(ParameterRow::read).collect()
    }

    pub(crate) fn add_parameters(
        &mut self,
        added: &[ParameterRow],
        retired: &[i32],
    ) -> Result<(), StoreError> {
        self.task(|writer| {
            for row in added {
                parameters::insert_custom(row).typed::<()>().execute(writer.connection())?;
            }
            let mark = parameters::mark(retired, ParameterState::Retired, 0);
            mark.typed::<()>().execute(writer.connection())?;
            Ok(())
        })
    }

    pub(crate) fn mark_parameters(
        &mut self,
        numbers: &[i32],
        state: ParameterState,
        progress: i64,
    ) -> Result<(), StoreError> {
        self.task(|writer| {
            let mark = parameters::mark(numbers, state, progress);
            mark.typed::<()>().execute(writer.connection())?;
            Ok(())
        })
    }

    /// Adds the rows that resources lack in the stretch of rows after `after` up to `last`. What
    /// was written since it was read is indexed here: a write adds only what it changes.
    pub(crate) fn supply(
        &mut self,
        job: &Job,
        after: i64,
        last: i64,
        lacking: &[Lacking],
    ) -> Result<(), StoreError> {
        self.task(|writer| {
            let kind = row::number_of(job.base);
            let mut sql = Sql::new("SELECT rid, version FROM resource WHERE type = ");
            sql.integer(kind).push(" AND body IS NOT NULL AND rid > ").integer(after);
            sql.push(" AND rid <= ").integer(last);
            let present: Vec<(i64, i64)> =
                sql.typed::<(BigInt, BigInt)>().load(writer.connection())?;
            let present: HashMap<i64, i64> = present.into_iter().collect();
            for Lacking { rid, version, rows } in lacking {
                match present.get(rid) {
                    Some(now) if now == version => writer.supply_one(job, *rid, rows)?,
                    Some(_) => {
                        let core = Arc::clone(writer.core());
                        let rows = again(&core, writer.connection(), job, *rid)?;
                        writer.supply_one(job, *rid, &rows)?;
                    }
                    None => {}
                }
            }
            job.keep(last).typed::<()>().execute(writer.connection())?;
            Ok(())
        })
    }

    pub(crate) fn keep_full_text(&mut self, kept: Kept) -> Result<(), StoreError> {
        self.task(|writer| {
            kept.put().typed::<()>().execute(writer.connection())?;
            Ok(())
        })
    }

    fn supply_one(&mut self, job: &Job, rid: i64, rows: &IndexRows) -> Result<(), StoreError> {
        if job.is_words {
            // A write may have been here before.
            DeleteWords::new(rid).execute(self.connection())?;
            return Ok(self.words(rid, None, Some(&rows.text))?);
        }
        let kind = row::number_of(job.base);
        rows::replace(self.connection(), rid, None, Some(rows))?;
        let definitions = self.core().definitions();
        if let Some(mut sql) = parameters::present(&definitions.registry, kind, rows) {
            sql.push(" AND rid = ").integer(rid);
            sql.typed::<()>().execute(self.connection())?;
        }
        self.note(rows)?;
        Ok(())
    }
}
