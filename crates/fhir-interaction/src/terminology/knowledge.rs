//! What all requests know of codes, and how old that is.
//!
//! Value sets are made ready once and shared. A write of this server to a resource that they are
//! made of ends that at once; what other servers write to the same database is looked for every
//! second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fhir_definitions::ResourceType;
use fhir_model::Instant;
use fhir_package::Registry;
use fhir_store::{HistoryScope, HistoryWindow, KeptKind, KeptName};
use fhir_terminology::{Limits, Terminology};

use super::elsewhere::External;
use super::imported::Imported;
use crate::app::{App, ReadFailure};
use crate::sight::Sight;

/// The types that answers are made of.
const TYPES: [ResourceType; 3] =
    [ResourceType::CODE_SYSTEM, ResourceType::CONCEPT_MAP, ResourceType::VALUE_SET];

/// A generation is that of the packages, and in its lower bits the number of writes.
const OWN_BITS: u32 = 40;

/// How long what was seen of other servers' writes is good for.
const LOOK_EVERY_US: i64 = 1_000_000;

/// The newest versions of the types and the imported code systems, as they were when last looked at.
type Newest = ([Option<(Instant, String)>; TYPES.len()], Vec<KeptName>);

/// Shared by all requests.
#[derive(Debug)]
pub(crate) struct Knowledge {
    terminology: Terminology,
    packages: Arc<Registry>,
    /// Counts the writes that concern it, below [`OWN_BITS`] bits.
    own: AtomicU64,
    /// When other servers' writes are to be looked for again, in microseconds since 1970.
    look_at_us: std::sync::atomic::AtomicI64,
    newest: Mutex<Option<Newest>>,
    imported: Imported,
    external: OnceLock<Arc<External>>,
}

impl Knowledge {
    pub(crate) fn new(max_codes: usize, packages: Arc<Registry>) -> Self {
        let limits = Limits { max_codes, ..Limits::default() };
        Self {
            terminology: Terminology::embedded().with_limits(limits),
            packages,
            own: AtomicU64::new(1),
            look_at_us: std::sync::atomic::AtomicI64::new(i64::MIN),
            newest: Mutex::new(None),
            imported: Imported::default(),
            external: OnceLock::new(),
        }
    }

    pub(super) fn set_external(&self, external: Arc<External>) {
        if self.external.set(external).is_err() {
            tracing::error!("an external terminology server was named twice; the first one stays");
        }
    }

    pub(super) fn external(&self) -> Option<&Arc<External>> {
        self.external.get()
    }

    pub(super) const fn imported(&self) -> &Imported {
        &self.imported
    }

    pub(crate) const fn terminology(&self) -> &Terminology {
        &self.terminology
    }

    /// Grows whenever answers may have become others.
    pub(crate) fn generation(&self) -> u64 {
        (self.packages.generation() << OWN_BITS) | self.own.load(Ordering::Acquire)
    }

    /// Everything is made anew.
    pub(crate) fn forget(&self) {
        self.own.fetch_add(1, Ordering::AcqRel);
    }

    /// Resources of these types were written, or may have been.
    pub(crate) fn written(&self, mut types: impl Iterator<Item = ResourceType>) {
        if types.any(|each| TYPES.contains(&each)) {
            self.forget();
        }
    }

    /// The generation, where nobody needs to look first.
    pub(crate) fn fresh(&self, now: Instant) -> Option<u64> {
        let is_fresh = now.0 < self.look_at_us.load(Ordering::Acquire);
        is_fresh.then(|| self.generation())
    }

    /// The generation that a snapshot belongs to, after a look where one is due. It is the one
    /// from before the snapshot was opened, so that nothing older than a write is ever taken for
    /// what was read after it.
    pub(crate) fn looked(&self, app: &App, sight: &mut Sight<'_>) -> Result<u64, ReadFailure> {
        let now = app.now();
        let as_of = sight.codes_as_of();
        if self.fresh(now).is_some() {
            return Ok(as_of);
        }
        let mut newest: Newest = Default::default();
        newest.1 = app.kept_names(KeptKind::CodeSystem)?;
        for (each, newest) in TYPES.into_iter().zip(&mut newest.0) {
            let scope = HistoryScope::Type(each);
            let found = sight.history(&scope, HistoryWindow::default(), None, 1)?;
            *newest = found.first().map(|it| (it.updated, it.key.id.as_str().to_owned()));
        }
        let mut kept = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut generation = as_of;
        if kept.as_ref().is_some_and(|kept| *kept != newest) {
            let own = as_of & ((1 << OWN_BITS) - 1);
            let next = own.saturating_add(1);
            let moved = self.own.compare_exchange(own, next, Ordering::AcqRel, Ordering::Acquire);
            generation = if moved.is_ok() { self.generation() } else { as_of };
        }
        *kept = Some(newest);
        self.look_at_us.store(now.0.saturating_add(LOOK_EVERY_US), Ordering::Release);
        Ok(generation)
    }
}
