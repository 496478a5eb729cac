//! The background work on SQLite: resources are read and indexed on a connection of its own, and
//! their rows are added by the writer, between the commits of others.

use std::sync::Arc;

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Binary, Integer, Text};
use diesel::sqlite::SqliteConnection;
use fhir_definitions::ResourceType;
use fhir_search::IndexRows;

use super::{Engine, connection};
use crate::backend::parameters::ParameterRow;
use crate::backend::row;
use crate::core::Core;
use crate::error::StoreError;
use crate::online::{Job, ParameterState, Workbench};
use crate::read::RowKey;
use crate::sql::Sql;

type Row = (BigInt, BigInt, Text, Integer, Binary);

/// The rows that a version of a resource lacks.
pub(super) struct Lacking {
    pub(super) rid: i64,
    pub(super) version: i64,
    pub(super) rows: IndexRows,
}

impl Engine {
    /// Lends a connection that reads, beside those of the threads that serve.
    fn read_aside<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.take_reader() {
            Some(connection) => connection,
            None => connection::reading(&self.path, &self.settings)?,
        };
        let result = work(&mut connection);
        self.keep_reader(connection);
        result
    }
}

impl Workbench for Engine {
    fn parameters(&self) -> Result<Vec<ParameterRow>, StoreError> {
        self.queue.run(|writer| writer.parameters())
    }

    fn add(&self, rows: Vec<ParameterRow>, retired: Vec<i32>) -> Result<(), StoreError> {
        self.queue.run(move |writer| writer.add_parameters(&rows, &retired))
    }

    fn mark(
        &self,
        parameters: Vec<i32>,
        state: ParameterState,
        progress: i64,
    ) -> Result<(), StoreError> {
        self.queue.run(move |writer| writer.mark_parameters(&parameters, state, progress))
    }

    fn build(
        &self,
        core: &Arc<Core>,
        job: &Arc<Job>,
        after: RowKey,
        limit: usize,
    ) -> Result<Option<RowKey>, StoreError> {
        let found =
            self.read_aside(|connection| prepare(core, connection, job, after.rid, limit))?;
        let Some(last) = found.last().map(|lacking| lacking.rid) else { return Ok(None) };
        let is_end = found.len() < limit;
        let job = Arc::clone(job);
        self.queue.run(move |writer| writer.supply(&job, after.rid, last, &found))?;
        Ok((!is_end).then_some(RowKey { rid: last, dk: 0 }))
    }

    fn count(&self, base: ResourceType, until: i64) -> Result<u64, StoreError> {
        let mut sql = Sql::new("SELECT count(*) FROM resource WHERE type = ");
        sql.integer(row::number_of(base)).push(" AND body IS NOT NULL AND rid <= ").integer(until);
        self.read_aside(|connection| {
            let count: i64 = sql.typed::<BigInt>().get_result(connection)?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }
}

/// Indexes the next resources of a job's type after a row, as they are in one snapshot.
fn prepare(
    core: &Core,
    connection: &mut SqliteConnection,
    job: &Job,
    after: i64,
    limit: usize,
) -> Result<Vec<Lacking>, StoreError> {
    let kind = row::number_of(job.base);
    let mut sql = Sql::new("SELECT rid, version, id, dict, body FROM resource WHERE type = ");
    sql.integer(kind).push(" AND body IS NOT NULL AND rid > ");
    sql.integer(after).push(" ORDER BY rid LIMIT ").integer(row::limit_of(limit));
    let found: Vec<(i64, i64, String, i32, Vec<u8>)> = sql.typed::<Row>().load(connection)?;
    let index = |(rid, version, id, dict, bytes): (i64, i64, String, i32, Vec<u8>)| {
        let body = core.codec.unpack(dict, &bytes)?;
        let key = row::key_of(kind, &id)?;
        let rows = core.rows_of_some(&job.parameters, &job.indexer, &key, &body)?;
        Ok(Lacking { rid, version, rows })
    };
    found.into_iter().map(index).collect()
}
