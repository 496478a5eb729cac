//! Rows of search parameters that are built while the store is open.

use std::sync::Arc;

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Binary, Integer, Text};
use fhir_definitions::ResourceType;

use super::super::rows;
use super::apply::Writer;
use crate::backend::parameters::{self, ParameterColumns, ParameterRow, ParameterTuple};
use crate::backend::row;
use crate::error::StoreError;
use crate::online::{Job, ParameterState};
use crate::read::RowKey;
use crate::sql::Sql;

type Row = (BigInt, Text, Integer, Binary);

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

    /// Indexes the resources of a job's type after a row.
    pub(crate) fn build(
        &mut self,
        job: &Job,
        after: i64,
        limit: usize,
    ) -> Result<Option<RowKey>, StoreError> {
        self.task(|writer| {
            let mut sql = Sql::new("SELECT rid, id, dict, body FROM resource WHERE type = ");
            sql.integer(row::number_of(job.base)).push(" AND body IS NOT NULL AND rid > ");
            sql.integer(after).push(" ORDER BY rid LIMIT ").integer(row::limit_of(limit));
            let found: Vec<(i64, String, i32, Vec<u8>)> =
                sql.typed::<Row>().load(writer.connection())?;
            let Some(last) = found.last().map(|(rid, ..)| *rid) else { return Ok(None) };
            let is_end = found.len() < limit;
            let core = Arc::clone(writer.core());
            let definitions = core.definitions();
            let kind = row::number_of(job.base);
            for (rid, id, dict, bytes) in found {
                let key = row::key_of(row::number_of(job.base), &id)?;
                let body = core.codec.unpack(dict, &bytes)?;
                let built = core.rows_of_some(&job.parameters, &job.indexer, &key, &body)?;
                rows::replace(writer.connection(), rid, None, Some(&built))?;
                if let Some(mut sql) = parameters::present(&definitions.registry, kind, &built) {
                    sql.push(" AND rid = ").integer(rid);
                    sql.typed::<()>().execute(writer.connection())?;
                }
                writer.note(&built)?;
            }
            let state = parameters::progress(&job.parameters, last);
            state.typed::<()>().execute(writer.connection())?;
            Ok((!is_end).then_some(RowKey { rid: last, dk: 0 }))
        })
    }

    pub(crate) fn count_until(
        &mut self,
        base: ResourceType,
        until: i64,
    ) -> Result<u64, StoreError> {
        let mut sql = Sql::new("SELECT count(*) FROM resource WHERE type = ");
        sql.integer(row::number_of(base)).push(" AND body IS NOT NULL AND rid <= ").integer(until);
        let count: i64 = sql.typed::<BigInt>().get_result(self.connection())?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
