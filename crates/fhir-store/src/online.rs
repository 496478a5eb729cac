//! Search parameters that come and go while the store is open.
//!
//! A new parameter is written down as being built, then put in force: from that moment every
//! write indexes by it. A thread in the background walks the resources of its types in row order
//! and adds the rows that are missing, a small commit at a time, each with the place it has come
//! to. When it is through, the parameter is live and searches may use it. A store that was killed
//! goes on at the place of the last commit. While others are served, the thread rests between its
//! commits (`Pace`).

mod work;

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fhir_definitions::ResourceType;
use fhir_search::{CustomParameter, FullText, Indexer, ParameterId, Registry, SearchParameter};

use crate::backend::parameters::{self, ParameterRow};
use crate::backend::presence::LAST_SLOT;
use crate::core::Core;
use crate::error::StoreError;
use crate::full_text::{FullTextStatus, Kept};
use crate::read::RowKey;
use crate::sql::Sql;

/// How far a search parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterState {
    /// Every resource is indexed by it.
    Live,
    /// Its rows are being built; searches may not use it yet.
    Building,
    /// It answers, and its rows are gone through once more.
    Rebuilding,
    /// It is no longer in use.
    Retired,
}

impl ParameterState {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Live => 0,
            Self::Building => 1,
            Self::Retired => 2,
            Self::Rebuilding => 3,
        }
    }

    pub(crate) const fn of(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Live,
            1 => Self::Building,
            2 => Self::Retired,
            3 => Self::Rebuilding,
            _ => return None,
        })
    }
}

/// A search parameter of one type, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterStatus {
    /// Its number.
    pub id: ParameterId,
    /// The type that has it.
    pub base: ResourceType,
    /// Its name in a query.
    pub code: String,
    /// Its canonical URL.
    pub url: String,
    /// How far it is.
    pub state: ParameterState,
    /// Resources of the type that the work in hand has gone through.
    pub done: u64,
    /// Resources of the type.
    pub total: u64,
}

/// What came of asking for a parameter to be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// It is in force already, just as it is.
    Unchanged,
    /// Its rows are being built.
    Started,
    /// The type has a parameter of this code, of another URL or one of the specification.
    Clash(ResourceType),
    /// The type has as many parameters as a store can tell apart.
    Full(ResourceType),
}

/// Rows to be built: parameters of one type, or its words, from one place on.
pub(crate) struct Job {
    pub(crate) base: ResourceType,
    pub(crate) parameters: Vec<i32>,
    pub(crate) indexer: Indexer,
    pub(crate) from: i64,
    /// Words are built, and no parameters.
    pub(crate) is_words: bool,
}

impl Job {
    /// The statement that keeps how far it is.
    pub(crate) fn keep(&self, last: i64) -> Sql {
        match self.is_words {
            true => Kept::after(self.base, last).put(),
            false => parameters::progress(&self.parameters, last),
        }
    }
}

/// What the background work asks of a database. Every call is a transaction of its own.
pub(crate) trait Workbench: Send + Sync + 'static {
    /// Rows of `parameter` that are not the program's own live ones.
    fn parameters(&self) -> Result<Vec<ParameterRow>, StoreError>;

    /// Adds rows with fresh numbers, and marks others as retired.
    fn add(&self, rows: Vec<ParameterRow>, retired: Vec<i32>) -> Result<(), StoreError>;

    /// Marks parameters.
    fn mark(
        &self,
        parameters: Vec<i32>,
        state: ParameterState,
        progress: i64,
    ) -> Result<(), StoreError>;

    /// Indexes the next resources after a place; gives the place it has come to, none at the end.
    fn build(
        &self,
        core: &Arc<Core>,
        job: &Arc<Job>,
        after: RowKey,
        limit: usize,
    ) -> Result<Option<RowKey>, StoreError>;

    /// How far the words are.
    fn full_text(&self) -> Result<Kept, StoreError>;

    /// Keeps how far they are.
    fn keep_full_text(&self, kept: Kept) -> Result<(), StoreError>;

    /// Live resources of a type up to a row.
    fn count(&self, base: ResourceType, until: i64) -> Result<u64, StoreError>;
}

/// The parameters of an open store, and the thread that builds their rows.
pub(crate) struct Online {
    core: Arc<Core>,
    bench: Arc<dyn Workbench>,
    is_closing: Arc<AtomicBool>,
    /// One change of the parameters at a time.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Online {
    /// Goes on with what an earlier process left.
    pub(crate) fn open(core: Arc<Core>, bench: Arc<dyn Workbench>) -> Result<Self, StoreError> {
        let is_closing = Arc::new(AtomicBool::new(false));
        let online = Self { core, bench, is_closing, thread: Mutex::new(None) };
        let has_words_to_do = online.core.definitions().registry.full_text() == FullText::Building;
        if has_words_to_do || online.bench.parameters()?.iter().any(|row| row.is_in_work()) {
            online.start(&mut online.thread.lock().unwrap_or_else(PoisonError::into_inner))?;
        }
        Ok(online)
    }

    /// Puts a parameter in force; `definition` is its resource as JSON.
    pub(crate) fn activate(
        &self,
        custom: &CustomParameter,
        definition: &[u8],
    ) -> Result<Activation, StoreError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.bench.parameters()?;
        let registry = &self.core.definitions().registry;
        let present = |base: &ResourceType| registry.known(*base, &custom.code);
        let is_own = |found: &SearchParameter| rows.iter().any(|row| row.p == found.id.0);
        let is_same = |found: &SearchParameter| equals(found, custom, is_own(found));
        if custom.bases.iter().all(|base| present(base).is_some_and(is_same)) {
            return Ok(Activation::Unchanged);
        }
        for base in &custom.bases {
            let is_taken = |found: &SearchParameter| found.url != custom.url || !is_own(found);
            if present(base).is_some_and(is_taken) {
                return Ok(Activation::Clash(*base));
            }
            let slots = registry.of_type(*base).map(|parameter| parameter.slot).max();
            if slots.is_some_and(|slot| slot >= LAST_SLOT) {
                return Ok(Activation::Full(*base));
            }
        }
        let earlier = rows.iter().filter(|row| row.url == custom.url && !row.is_retired());
        let earlier: Vec<i32> = earlier.map(|row| row.p).collect();
        let mut next = registry.all().map(|parameter| parameter.id.0).max().unwrap_or(0);
        let added = custom.bases.iter().map(|base| {
            next = next.saturating_add(1);
            ParameterRow {
                p: next,
                resource_type: i32::from(base.index()),
                code: custom.code.clone(),
                url: custom.url.clone(),
                state: ParameterState::Building,
                progress: i64::MIN,
                definition: Some(definition.to_vec()),
            }
        });
        let added = added.collect();
        redefine(&self.core, self.bench.as_ref(), |bench| bench.add(added, earlier))?;
        self.start(&mut thread)?;
        Ok(Activation::Started)
    }

    /// Takes a parameter of a resource out of use; false where none of this URL is in use.
    pub(crate) fn retire(&self, url: &str) -> Result<bool, StoreError> {
        let _thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.bench.parameters()?;
        let own = rows.iter().filter(|row| row.url == url && row.definition.is_some());
        let own: Vec<i32> = own.filter(|row| !row.is_retired()).map(|row| row.p).collect();
        if own.is_empty() {
            return Ok(false);
        }
        let retire = |bench: &dyn Workbench| bench.mark(own, ParameterState::Retired, 0);
        redefine(&self.core, self.bench.as_ref(), retire)?;
        Ok(true)
    }

    /// Goes through the rows of live parameters once more: of this URL, or of all.
    pub(crate) fn rebuild(&self, url: Option<&str>) -> Result<bool, StoreError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = &self.core.definitions().registry;
        let is_meant = |parameter: &&SearchParameter| {
            parameter.is_live && url.is_none_or(|url| url == parameter.url)
        };
        let parameters: Vec<i32> =
            registry.all().filter(is_meant).map(|parameter| parameter.id.0).collect();
        if parameters.is_empty() {
            return Ok(false);
        }
        self.bench.mark(parameters, ParameterState::Rebuilding, i64::MIN)?;
        self.start(&mut thread)?;
        Ok(true)
    }

    /// The parameters that are not simply the program's own live ones.
    pub(crate) fn status(&self) -> Result<Vec<ParameterStatus>, StoreError> {
        let mut done: BTreeMap<(ResourceType, i64), u64> = BTreeMap::new();
        let mut status = Vec::new();
        let _turn = self.core.defining.lock().unwrap_or_else(PoisonError::into_inner);
        for row in self.bench.parameters()? {
            let Some(base) = row.base() else { continue };
            let total = self.bench.count(base, i64::MAX)?;
            let done = match row.state {
                ParameterState::Live => total,
                ParameterState::Retired => 0,
                ParameterState::Building | ParameterState::Rebuilding => {
                    match done.get(&(base, row.progress)) {
                        Some(known) => *known,
                        None => {
                            let count = self.bench.count(base, row.progress)?;
                            done.insert((base, row.progress), count);
                            count
                        }
                    }
                }
            };
            let ParameterRow { p, code, url, state, .. } = row;
            let id = ParameterId(p);
            status.push(ParameterStatus { id, base, code, url, state, done, total });
        }
        Ok(status)
    }

    /// Whether there is full text, and how far its building is.
    pub(crate) fn full_text(&self) -> Result<FullTextStatus, StoreError> {
        let _turn = self.core.defining.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.bench.full_text()?;
        let (mut done, mut total) = (0_u64, 0_u64);
        if let Kept::Building { base, after } = kept {
            for of in ResourceType::all() {
                let all = self.bench.count(of, i64::MAX)?;
                total = total.saturating_add(all);
                done = done.saturating_add(match of.index().cmp(&base) {
                    Less => all,
                    Equal => self.bench.count(of, after)?,
                    Greater => 0,
                });
            }
        }
        Ok(FullTextStatus { state: kept.state(), done, total })
    }

    /// Lets the work in hand end after its commit.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the reindex ended in a panic");
            }
        }
    }

    fn start(&self, thread: &mut Option<JoinHandle<()>>) -> Result<(), StoreError> {
        // An earlier thread may be about to end; it looks for more work under no lock, so the
        // next one waits for it.
        let earlier = thread.take();
        let (core, bench) = (Arc::clone(&self.core), Arc::clone(&self.bench));
        let is_closing = Arc::clone(&self.is_closing);
        let work = move || {
            if let Some(earlier) = earlier
                && earlier.join().is_err()
            {
                tracing::error!("the reindex ended in a panic");
            }
            work::work(&core, bench.as_ref(), &is_closing);
        };
        let spawned = std::thread::Builder::new().name("fhir-store-reindex".into()).spawn(work);
        *thread = Some(spawned.map_err(|error| StoreError::Open(error.into()))?);
        Ok(())
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        self.close();
    }
}

/// Changes what `parameter` says and puts it in force; nobody is told of the one without the other.
fn redefine(
    core: &Core,
    bench: &dyn Workbench,
    change: impl FnOnce(&dyn Workbench) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let _turn = core.defining.lock().unwrap_or_else(PoisonError::into_inner);
    change(bench)?;
    let rows = bench.parameters()?;
    let full_text = bench.full_text()?.state();
    let _alone = core.writing.write().unwrap_or_else(PoisonError::into_inner);
    let own = |parameter: &&SearchParameter| {
        rows.iter().all(|row| row.definition.is_none() || row.p != parameter.id.0)
    };
    let base: Vec<SearchParameter> =
        core.definitions().registry.all().filter(own).cloned().collect();
    let registry = parameters::with_customs(Registry::new(base), &rows);
    core.define(registry.with_full_text(full_text));
    Ok(())
}

/// The targets of the specification's parameters are narrowed for each type.
fn equals(found: &SearchParameter, custom: &CustomParameter, is_own: bool) -> bool {
    found.url == custom.url
        && found.kind == custom.kind
        && found.expression.as_deref() == Some(custom.expression.as_str())
        && found.components == custom.components
        && (found.targets == custom.targets || !is_own)
}
