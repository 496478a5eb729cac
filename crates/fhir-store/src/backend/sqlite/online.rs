//! The background work on SQLite: tasks of the writer, between the commits of others.

use std::sync::Arc;

use fhir_definitions::ResourceType;

use super::Engine;
use crate::backend::parameters::ParameterRow;
use crate::error::StoreError;
use crate::online::{Job, ParameterState, Workbench};
use crate::read::RowKey;

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
        job: &Arc<Job>,
        after: RowKey,
        limit: usize,
    ) -> Result<Option<RowKey>, StoreError> {
        let job = Arc::clone(job);
        self.queue.run(move |writer| writer.build(&job, after.rid, limit))
    }

    fn count(&self, base: ResourceType, until: i64) -> Result<u64, StoreError> {
        self.queue.run(move |writer| writer.count_until(base, until))
    }
}
