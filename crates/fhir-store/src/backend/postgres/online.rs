//! The background work on PostgreSQL: transactions of the pool's threads.
//!
//! Resources are locked while their rows are added, so that an update waits and then finds them.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use diesel::sql_types::{BigInt, Binary, Integer, Text};
use diesel::{PgConnection, RunQueryDsl};
use fhir_definitions::ResourceType;

use super::{Engine, rows, writer};
use crate::backend::parameters::{self, ParameterColumns, ParameterRow, ParameterTuple};
use crate::backend::row;
use crate::core::Core;
use crate::error::StoreError;
use crate::full_text::Kept;
use crate::online::{Job, ParameterState, Workbench};
use crate::read::RowKey;
use crate::sql::Sql;

type Row = (BigInt, BigInt, Text, Integer, Binary);
type Tuple = (i64, i64, String, i32, Vec<u8>);

impl Engine {
    /// Runs a transaction on a thread of the pool and waits for it.
    pub(super) fn task<T: Send + 'static>(
        &self,
        work: impl Fn(&Core, &mut PgConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let core = Arc::clone(&self.core);
        self.crew.send(Box::new(move |connection| {
            let done = connection.and_then(|connection| {
                writer::in_turn(&core, connection, |connection| work(&core, connection))
            });
            // Whoever asked may have gone away.
            let _ = reply.send(done);
        }))?;
        answer.recv().unwrap_or(Err(StoreError::Interrupted))
    }
}

impl Workbench for Engine {
    fn parameters(&self) -> Result<Vec<ParameterRow>, StoreError> {
        self.task(|_, connection| {
            let rows: Vec<ParameterTuple> =
                Sql::new(parameters::NOT_PLAIN).typed::<ParameterColumns>().load(connection)?;
            rows.into_iter().map(ParameterRow::read).collect()
        })
    }

    fn add(&self, added: Vec<ParameterRow>, retired: Vec<i32>) -> Result<(), StoreError> {
        self.task(move |_, connection| {
            for row in &added {
                parameters::insert_custom(row).typed::<()>().execute(connection)?;
            }
            let mark = parameters::mark(&retired, ParameterState::Retired, 0);
            mark.typed::<()>().execute(connection)?;
            Ok(())
        })
    }

    fn mark(
        &self,
        numbers: Vec<i32>,
        state: ParameterState,
        progress: i64,
    ) -> Result<(), StoreError> {
        self.task(move |_, connection| {
            let mark = parameters::mark(&numbers, state, progress);
            mark.typed::<()>().execute(connection)?;
            Ok(())
        })
    }

    fn build(
        &self,
        _core: &Arc<Core>,
        job: &Arc<Job>,
        after: RowKey,
        limit: usize,
    ) -> Result<Option<RowKey>, StoreError> {
        let job = Arc::clone(job);
        self.task(move |core, connection| {
            let kind = row::number_of(job.base);
            let mut sql = Sql::new("SELECT rid, dk, id, dict, body FROM resource WHERE type = ");
            sql.integer(kind).push(" AND body IS NOT NULL AND (rid, dk) > (").integer(after.rid);
            sql.push(", ").integer(after.dk).push(") ORDER BY rid, dk");
            sql.limit(row::limit_of(limit)).push(" FOR UPDATE");
            let found: Vec<Tuple> = sql.typed::<Row>().load(connection)?;
            let Some((rid, dk, ..)) = found.last() else { return Ok(None) };
            let last = RowKey { rid: *rid, dk: *dk };
            let is_end = found.len() < limit;
            let definitions = core.definitions();
            let mut noted = writer::Noted::default();
            for (rid, dk, id, dict, bytes) in found {
                let key = row::key_of(kind, &id)?;
                let body = core.codec.unpack(dict, &bytes)?;
                let built = core.rows_of_some(&job.parameters, &job.indexer, &key, &body)?;
                if job.is_words {
                    if let Some(sql) = writer::words(RowKey { rid, dk }, None, Some(&built.text)) {
                        sql.typed::<()>().execute(connection)?;
                    }
                    continue;
                }
                rows::replace(connection, RowKey { rid, dk }, None, Some(&built))?;
                if let Some(mut sql) = parameters::present(&definitions.registry, kind, &built) {
                    sql.push(" AND rid = ").integer(rid).push(" AND dk = ").integer(dk);
                    sql.typed::<()>().execute(connection)?;
                }
                noted.add(&built);
            }
            noted.write(connection)?;
            job.keep(last.rid).typed::<()>().execute(connection)?;
            Ok((!is_end).then_some(last))
        })
    }

    fn full_text(&self) -> Result<Kept, StoreError> {
        self.task(|_, connection| {
            let bytes: Vec<u8> = Kept::get().typed::<Binary>().get_result(connection)?;
            Kept::from_bytes(&bytes)
                .ok_or_else(|| StoreError::Damaged("the state of the full text".into()))
        })
    }

    fn keep_full_text(&self, kept: Kept) -> Result<(), StoreError> {
        self.task(move |_, connection| {
            kept.put().typed::<()>().execute(connection)?;
            Ok(())
        })
    }

    fn count(&self, base: ResourceType, until: i64) -> Result<u64, StoreError> {
        self.task(move |_, connection| {
            let mut sql = Sql::new("SELECT count(*) FROM resource WHERE type = ");
            sql.integer(row::number_of(base)).push(" AND body IS NOT NULL AND rid <= ");
            sql.integer(until);
            let count: i64 = sql.typed::<BigInt>().get_result(connection)?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }
}
