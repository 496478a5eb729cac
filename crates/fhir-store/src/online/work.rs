//! The thread that builds rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use fhir_definitions::ResourceType;
use fhir_search::{Indexer, ParameterId, Registry};

use super::{Job, ParameterState, Workbench, redefine};
use crate::backend::parameters::ParameterRow;
use crate::core::Core;
use crate::error::StoreError;
use crate::full_text::Kept;
use crate::read::RowKey;

/// Resources that one commit indexes.
const BATCH: usize = 500;

/// So often a failing batch is tried again before the work rests until the next start.
const TRIES: u32 = 5;

/// Builds what there is to build, and ends.
pub(super) fn work(core: &Arc<Core>, bench: &dyn Workbench, is_closing: &AtomicBool) {
    let mut failures = 0;
    while failures < TRIES && !is_closing.load(Ordering::Acquire) {
        let stepped = pass_over_empty(core, bench).and_then(|()| step(core, bench, is_closing));
        match stepped.and_then(|more| Ok(more || words(core, bench, is_closing)?)) {
            Ok(true) => failures = 0,
            Ok(false) => return,
            Err(StoreError::Closed) => return,
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, "a part of the reindex failed");
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }
    }
}

/// Where there are no resources of a type, its parameters have nothing to build: all of them are
/// live at once, in one commit, so that a new store is ready soon. They are in force already, so
/// that what comes meanwhile is indexed by them.
fn pass_over_empty(core: &Arc<Core>, bench: &dyn Workbench) -> Result<(), StoreError> {
    let rows = {
        // As in `step`.
        let _turn = core.defining.lock().unwrap_or_else(PoisonError::into_inner);
        bench.parameters()?
    };
    let mut is_empty: BTreeMap<ResourceType, bool> = BTreeMap::new();
    let mut empty = Vec::new();
    for row in rows.iter().filter(|row| row.is_in_work()) {
        let Some(base) = row.base() else { continue };
        let known = match is_empty.get(&base) {
            Some(known) => *known,
            None => {
                let found = bench.count(base, i64::MAX)? == 0;
                is_empty.insert(base, found);
                found
            }
        };
        if known {
            empty.push(row.p);
        }
    }
    if empty.is_empty() {
        return Ok(());
    }
    let parameters = empty.len();
    redefine(core, bench, |bench| bench.mark(empty, ParameterState::Live, 0))?;
    tracing::info!(parameters, "search parameters of types without resources are live");
    Ok(())
}

/// Builds the parameters of one type to the end; false where nothing is left to do.
fn step(
    core: &Arc<Core>,
    bench: &dyn Workbench,
    is_closing: &AtomicBool,
) -> Result<bool, StoreError> {
    let (rows, definitions) = {
        // Between the two halves of `redefine` a row has no parameter yet, and would be taken for
        // one with nothing to build.
        let _turn = core.defining.lock().unwrap_or_else(PoisonError::into_inner);
        (bench.parameters()?, core.definitions())
    };
    let Some(first) = rows.iter().find(|row| row.is_in_work()) else { return Ok(false) };
    let same: Vec<&ParameterRow> = rows
        .iter()
        .filter(|row| row.is_in_work() && row.resource_type == first.resource_type)
        .collect();
    let Some(base) = first.base() else {
        return Err(StoreError::Damaged("a parameter of an unknown type".into()));
    };
    let numbers: Vec<i32> = same.iter().map(|row| row.p).collect();
    let known = &definitions.registry;
    let parameters = numbers.iter().filter_map(|p| known.by_id(ParameterId(*p)).cloned());
    let registry = Registry::new(parameters.collect());
    let indexer = Indexer::compile(&registry, core.hasher.clone(), core.zone.clone())
        .with_base(core.settings.base.clone());
    let from = same.iter().map(|row| row.progress).min().unwrap_or(i64::MIN);
    let is_words = false;
    let job = Arc::new(Job { base, parameters: numbers.clone(), indexer, from, is_words });
    if !build(core, bench, is_closing, &job)? {
        return Ok(false);
    }
    redefine(core, bench, |bench| bench.mark(numbers, ParameterState::Live, 0))?;
    tracing::info!(%base, parameters = job.parameters.len(), "search parameters are live");
    Ok(true)
}

/// Builds the rows of a job to the end; false where the store closes before.
fn build(
    core: &Arc<Core>,
    bench: &dyn Workbench,
    is_closing: &AtomicBool,
    job: &Arc<Job>,
) -> Result<bool, StoreError> {
    let mut place = RowKey { rid: job.from, dk: i64::MIN };
    let mut begin = Instant::now();
    while let Some(next) = bench.build(core, job, place, BATCH)? {
        place = next;
        core.pace.rest(begin.elapsed(), |part| wait(part, is_closing));
        if is_closing.load(Ordering::Acquire) {
            return Ok(false);
        }
        begin = Instant::now();
    }
    Ok(true)
}

/// Indexes the words that are lacking, type by type; false where nothing is left to do.
fn words(
    core: &Arc<Core>,
    bench: &dyn Workbench,
    is_closing: &AtomicBool,
) -> Result<bool, StoreError> {
    let Kept::Building { base: begun, after } = bench.full_text()? else { return Ok(false) };
    for base in ResourceType::all().filter(|base| base.index() >= begun) {
        let none = Registry::new(Vec::new());
        let indexer =
            Indexer::compile(&none, core.hasher.clone(), core.zone.clone()).with_text(true);
        let from = if base.index() == begun { after } else { i64::MIN };
        let job = Job { base, parameters: Vec::new(), indexer, from, is_words: true };
        if is_closing.load(Ordering::Acquire) || !build(core, bench, is_closing, &Arc::new(job))? {
            return Ok(false);
        }
    }
    redefine(core, bench, |bench| bench.keep_full_text(Kept::Live))?;
    tracing::info!("full text is live");
    Ok(true)
}

/// Waits for so long, or until the store closes; gives how long that was, none where it closes.
fn wait(part: Duration, is_closing: &AtomicBool) -> Option<Duration> {
    let begin = Instant::now();
    std::thread::park_timeout(part);
    (!is_closing.load(Ordering::Acquire)).then(|| begin.elapsed())
}
