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
use crate::full_text::Kept;
use crate::online::{Job, ParameterState, Workbench};
use crate::read::RowKey;
use crate::sql::Sql;

type Row = (BigInt, BigInt, Text, Integer, Binary);
type Tuple = (i64, i64, String, i32, Vec<u8>);

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

    fn full_text(&self) -> Result<Kept, StoreError> {
        self.read_aside(|connection| {
            let bytes: Vec<u8> = Kept::get().typed::<Binary>().get_result(connection)?;
            Kept::from_bytes(&bytes)
                .ok_or_else(|| StoreError::Damaged("the state of the full text".into()))
        })
    }

    fn keep_full_text(&self, kept: Kept) -> Result<(), StoreError> {
        self.queue.run(move |writer| writer.keep_full_text(kept))
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
    let mut sql = read(job);
    sql.push(" AND rid > ").integer(after);
    sql.push(" ORDER BY rid").limit(row::limit_of(limit));
    let found: Vec<Tuple> = sql.typed::<Row>().load(connection)?;
    found.into_iter().map(|tuple| index(core, job, tuple)).collect()
}

/// The rows of a live resource as it is now.
pub(super) fn again(
    core: &Core,
    connection: &mut SqliteConnection,
    job: &Job,
    rid: i64,
) -> Result<IndexRows, StoreError> {
    let mut sql = read(job);
    sql.push(" AND rid = ").integer(rid);
    let tuple: Tuple = sql.typed::<Row>().get_result(connection)?;
    Ok(index(core, job, tuple)?.rows)
}

fn read(job: &Job) -> Sql {
    let mut sql = Sql::new("SELECT rid, version, id, dict, body FROM resource WHERE type = ");
    sql.integer(row::number_of(job.base)).push(" AND body IS NOT NULL");
    sql
}

fn index(
    core: &Core,
    job: &Job,
    (rid, version, id, dict, bytes): Tuple,
) -> Result<Lacking, StoreError> {
    let body = core.codec.unpack(dict, &bytes)?;
    let key = row::key_of(row::number_of(job.base), &id)?;
    let rows = core.rows_of_some(&job.parameters, &job.indexer, &key, &body)?;
    Ok(Lacking { rid, version, rows })
}

#[cfg(test)]
mod tests {
    use fhir_definitions::ResourceType;
    use fhir_model::date::Zone;
    use fhir_model::{Body, Instant, Resource};
    use fhir_search::{Indexer, Registry};

    use super::*;
    use crate::read::Method;
    use crate::settings::StoreSettings;
    use crate::write::{Action, Preconditions, WriteGroup, WriteOp};

    fn put(core: &Core, engine: &Engine, family: &str) {
        let json = format!(
            r#"{{"resourceType":"Patient","id":"p","gender":"male","name":[{{"family":"{family}"}}]}}"#
        );
        let resource = Resource::trusted(json.into_bytes()).unwrap();
        let key = "Patient/p".parse().unwrap();
        let rows = Box::new(core.definitions().indexer.index(resource.view(), &key));
        let body = Arc::new(Body::from_view(resource.view(), None));
        let action = Action::Put { body, rows, method: Method::Put };
        let op = WriteOp { key, action, preconditions: Preconditions::default() };
        let mut answer =
            engine.queue.send(core, WriteGroup { ops: vec![op], ..WriteGroup::default() }).unwrap();
        // The writer takes what comes in turn.
        engine.queue.run(|_| Ok(())).unwrap();
        answer.try_recv().unwrap().unwrap().unwrap().pop().unwrap().unwrap();
    }

    #[test]
    fn what_is_written_between_reading_and_adding_has_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            StoreSettings::new(Arc::new(|| Instant(1)), Zone::named("Europe/Helsinki").unwrap());
        let (core, engine) = Engine::open(&folder.path().join("one.sqlite"), &settings).unwrap();
        put(&core, &engine, "Virtanen");
        // As if the parameter had come after the resource.
        let base = ResourceType::PATIENT;
        let gender = core.definitions().registry.get(base, "gender").unwrap().clone();
        let p = gender.id.0;
        let count = Sql::new(&format!("SELECT count(*) FROM token WHERE p = {p}"));
        let remove = Sql::new(&format!("DELETE FROM token WHERE p = {p}"));
        engine
            .queue
            .run(move |writer| Ok(remove.typed::<()>().execute(writer.connection())?))
            .unwrap();
        let indexer =
            Indexer::compile(&Registry::new(vec![gender]), core.hasher.clone(), core.zone.clone());
        let job =
            Arc::new(Job { base, parameters: vec![p], indexer, from: i64::MIN, is_words: false });
        let found = engine.read_aside(|own| prepare(&core, own, &job, i64::MIN, 10)).unwrap();
        assert_eq!(found.len(), 1);
        // A write adds what it changes, which the gender is not.
        put(&core, &engine, "Korhonen");
        let rows = |engine: &Engine| -> i64 {
            engine.read_aside(|own| Ok(count.typed::<BigInt>().get_result(own)?)).unwrap()
        };
        assert_eq!(rows(&engine), 0);
        let last = found[0].rid;
        engine.queue.run(move |writer| writer.supply(&job, i64::MIN, last, &found)).unwrap();
        assert_eq!(rows(&engine), 1);
    }
}
