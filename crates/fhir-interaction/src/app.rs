//! The application: store, settings, policy and rules, shared by all requests.
//!
//! The store is private to this module, and each way to it takes a [`Permit`], which only
//! [`App::gate`] gets for a request. That is how "nothing reads or writes without passing the
//! gate" is kept by the compiler.

mod bound;
mod commit;
mod failure;
mod parse;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use fhir_access::trace::Record;
use fhir_access::{AllowAll, Ask, Holding, Interaction, Operation, Permit, Policy, Refusal, Words};
use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Failure, FailureKind, Id, Instant, ResourceKey, ResourceView};
use fhir_search::{CustomParameter, IndexRows, ValueHasher};
use fhir_store::{
    Activation, Definitions, FullTextStatus, KeptKind, KeptName, NewKept, ParameterStatus, Purge,
    PurgeReport, Reader, Store, StoreError,
};

use crate::bound::Bound;
use crate::capabilities::Statement;
use crate::package::Shelf;
use crate::request::Request;
use crate::rule::Rule;
use crate::sight::{Memory, Sight};
use crate::terminology::Knowledge;
use crate::trace::{self, Catalogue};
use crate::validation::Validation;

pub(crate) use failure::{ReadFailure, WriteFailure, store_failure};
pub use settings::{Authorization, ConditionalDelete, InteractionSettings, PostOnly};

/// Lines are shared by resources whose hashes fall together.
const LINES: usize = 64;

/// Everything that interactions need; cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
    /// What the service asks through which the request came.
    bound: Option<Arc<Bound>>,
}

struct Inner {
    store: Store,
    settings: InteractionSettings,
    policy: Box<dyn Policy>,
    rules: &'static [&'static dyn Rule],
    /// With the generation of the search parameters that it names.
    statement: Mutex<(u64, Arc<Statement>)>,
    /// Lines for those who write to one resource and have lost a race.
    lines: [tokio::sync::Mutex<()>; LINES],
    /// The installed packages.
    shelf: Shelf,
    /// A key that no resource has, to tell what belongs to nobody.
    nobody: ResourceKey,
    /// What validations share.
    validation: Validation,
    /// Value sets and code systems made ready.
    knowledge: Knowledge,
    /// What the trace is searched with, for a generation of the search parameters.
    catalogue: Mutex<Option<(u64, Arc<Catalogue>)>>,
    /// What is remembered of persons about whom was decided.
    memory: Option<Memory>,
}

impl App {
    /// An application in which everyone may do everything.
    #[must_use]
    pub fn new(
        store: Store,
        settings: InteractionSettings,
        rules: &'static [&'static dyn Rule],
    ) -> Self {
        Self::with_policy(store, settings, rules, Box::new(AllowAll::default()))
    }

    /// An application with a policy of its own.
    #[must_use]
    pub fn with_policy(
        store: Store,
        settings: InteractionSettings,
        rules: &'static [&'static dyn Rule],
        policy: Box<dyn Policy>,
    ) -> Self {
        let definitions = store.definitions();
        let statement = Statement::new(&definitions.registry, store.now(), &settings);
        let statement = Mutex::new((definitions.indexer.generation(), Arc::new(statement)));
        let nobody = ResourceKey::new(ResourceType::BASIC, store.new_id(fhir_search::hash::NONE));
        let lines = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        let shelf = Shelf::open(&store);
        let knowledge = Knowledge::new(settings.max_codes, shelf.registry());
        let validation = Validation::new(shelf.registry(), settings.max_codes);
        let remembers = settings.disclosure.is_some() && settings.disclosure_memory > 0;
        let memory = remembers.then(|| Memory::of_bytes(settings.disclosure_memory));
        let inner = Inner {
            store,
            settings,
            policy,
            rules,
            statement,
            lines,
            shelf,
            nobody,
            knowledge,
            validation,
            catalogue: Mutex::new(None),
            memory,
        };
        Self { inner: Arc::new(inner), bound: None }
    }

    /// What the operator chose.
    #[must_use]
    pub fn settings(&self) -> &InteractionSettings {
        &self.inner.settings
    }

    pub(crate) fn validation(&self) -> &Validation {
        &self.inner.validation
    }

    /// The gate: the only way to the permit without which nothing is read or written.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden`, as the policy says.
    pub(crate) fn gate(
        &self,
        request: &Request,
        interaction: Interaction,
        resource_type: Option<ResourceType>,
    ) -> Result<Permit, Failure> {
        self.ask(request, interaction, resource_type, None)
    }

    /// The gate for an operation.
    ///
    /// # Errors
    /// As [`Self::gate`].
    pub(crate) fn gate_operation(
        &self,
        request: &Request,
        operation: Operation<'_>,
        resource_type: Option<ResourceType>,
    ) -> Result<Permit, Failure> {
        self.ask(request, Interaction::Operation, resource_type, Some(operation))
    }

    fn ask(
        &self,
        request: &Request,
        interaction: Interaction,
        resource_type: Option<ResourceType>,
        operation: Option<Operation<'_>>,
    ) -> Result<Permit, Failure> {
        let caller = &request.caller;
        let (words, record) = (self, &request.record);
        let ask = Ask { caller, interaction, resource_type, operation, words, record };
        let inside = || Arc::new(self.clone()) as Arc<dyn Words + Send + Sync>;
        let disclosure = self.inner.settings.disclosure.as_ref();
        let holding =
            disclosure.map(|disclosure| Holding { disclosure, words: &inside, now: self.now() });
        fhir_access::gate_held(self.inner.policy.as_ref(), &ask, holding.as_ref()).map_err(
            |refusal| {
                let kind = match refusal {
                    Refusal::Unauthenticated => FailureKind::Unauthenticated,
                    Refusal::Forbidden => FailureKind::Forbidden,
                };
                Failure::new(kind, refusal.to_string())
            },
        )
    }

    /// Runs `work` in one snapshot of the database, seeing only what the permit allows.
    ///
    /// # Errors
    /// What `work` fails with, or the store's own failure.
    pub(crate) async fn read<T, F>(&self, permit: &Permit, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Sight<'_>) -> Result<T, ReadFailure> + Send + 'static,
    {
        let permit = permit.clone();
        let definitions = self.definitions();
        let as_of = self.knowledge().generation();
        let inner = Arc::clone(&self.inner);
        let told_as_of = self.inner.store.tidings().now();
        let work = move |reader: &mut dyn Reader| {
            let recall = inner.memory.as_ref().filter(|_| permit.personal().is_some());
            let recall = recall.map(|memory| memory.recall(inner.store.tidings(), told_as_of));
            if permit.personal().is_some() {
                // What is decided and what is shown are of one snapshot.
                reader.steady()?;
            }
            match work(&mut Sight::new(reader, &permit, &definitions, as_of, recall)) {
                Ok(value) => Ok(Ok(value)),
                Err(ReadFailure::Client(failure)) => Ok(Err(failure)),
                Err(ReadFailure::Store(error)) => Err(error),
            }
        };
        let outcome = self.inner.store.read(work).await;
        outcome.map_err(|error| store_failure(&error))?
    }

    /// Runs `work` in one snapshot with nothing hidden: what is decided of writes, and is never
    /// shown.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn look<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.store.read(work).await.map_err(|error| store_failure(&error))
    }

    /// Writes what a request leaves in the trace and is not there yet. Only then may its answer
    /// leave: an access that cannot be traced has not happened.
    ///
    /// # Errors
    /// `Unavailable` where the store does not take it.
    pub async fn close(&self, record: &Record, status: u16) -> Result<(), Failure> {
        let Some((actor, entry)) = record.rest(status) else { return Ok(()) };
        let row = trace::row(self.hasher(), &actor, &entry);
        self.inner.store.trace(row).await.map_err(|error| store_failure(&error))
    }

    /// Has every access that was answered stand where the trace is read.
    ///
    /// # Errors
    /// `Unavailable` where the store is too busy.
    pub(crate) async fn settle_trace(&self) -> Result<(), Failure> {
        self.inner.store.settle_trace().await.map_err(|error| store_failure(&error))
    }

    /// The line in which those wait who write to this resource and have lost a race; other
    /// resources may share it.
    #[expect(clippy::indexing_slicing, reason = "a remainder is below the divisor")]
    pub(crate) fn line(&self, key: &ResourceKey) -> &tokio::sync::Mutex<()> {
        let hash = self.hasher().reference(key).unsigned_abs();
        let lines = &self.inner.lines;
        &lines[usize::try_from(hash % LINES as u64).unwrap_or(0)]
    }

    pub(crate) fn rules(&self) -> &'static [&'static dyn Rule] {
        self.inner.rules
    }

    /// Store and registry of the packages; whoever changes them has passed the gate, or is the
    /// operator.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.inner.shelf
    }

    /// The search parameters and their indexer, as they are now.
    pub(crate) fn definitions(&self) -> Arc<Definitions> {
        self.inner.store.definitions()
    }

    /// The generation of what was made ready of value sets, where it may be used without the
    /// store: nothing is hidden from the caller, and nobody needs to look for other servers'
    /// writes.
    pub(crate) fn known_codes(&self, permit: &Permit) -> Option<u64> {
        permit.sees_all().then(|| self.knowledge().fresh(self.now())).flatten()
    }

    /// Bytes that are kept by name, with their revision; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn kept(
        &self,
        kind: KeptKind,
        name: &str,
    ) -> Result<Option<(i64, Vec<u8>)>, Failure> {
        self.inner.store.kept(kind, name).map_err(|error| store_failure(&error))
    }

    /// What is kept of a kind, by name; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn kept_names(&self, kind: KeptKind) -> Result<Vec<KeptName>, Failure> {
        self.inner.store.kept_names(kind).map_err(|error| store_failure(&error))
    }

    /// Removes what is kept by a name; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn drop_kept(&self, kind: KeptKind, name: &str) -> Result<bool, Failure> {
        self.inner.store.drop_kept(kind, name).map_err(|error| store_failure(&error))
    }

    /// Keeps bytes by name; false where others have written since. Whoever asks has passed the
    /// gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn keep(&self, new: NewKept) -> Result<bool, Failure> {
        self.inner.store.keep(new).map_err(|error| store_failure(&error))
    }

    /// What requests share of value sets and code systems.
    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.inner.knowledge
    }

    pub(crate) fn hasher(&self) -> &ValueHasher {
        self.inner.store.hasher()
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        self.inner.store.secret()
    }

    /// Puts a search parameter in force; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn activate(
        &self,
        parameter: &CustomParameter,
        definition: &[u8],
    ) -> Result<Activation, Failure> {
        self.inner.store.activate(parameter, definition).map_err(|error| store_failure(&error))
    }

    /// Takes a search parameter out of use; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn retire(&self, url: &str) -> Result<bool, Failure> {
        self.inner.store.retire(url).map_err(|error| store_failure(&error))
    }

    /// Builds rows once more; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn rebuild(&self, url: Option<&str>) -> Result<bool, Failure> {
        self.inner.store.rebuild(url).map_err(|error| store_failure(&error))
    }

    /// Removes resources for good; whoever asks has passed the gate. What a permit hides is
    /// removed too: whoever calls this has made sure that the caller may.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn purge(
        &self,
        permit: &Permit,
        purge: Purge,
    ) -> Result<PurgeReport, Failure> {
        debug_assert!(permit.interaction().writes(), "a permit to read is no permit to purge");
        let purged = self.inner.store.purge(purge).await;
        self.knowledge().forget();
        purged.map_err(|error| store_failure(&error))
    }

    /// How far search parameters and words are; whoever asks has passed the gate.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn parameter_status(&self) -> Result<Vec<ParameterStatus>, Failure> {
        self.inner.store.parameter_status().map_err(|error| store_failure(&error))
    }

    pub(crate) fn full_text_status(&self) -> Result<FullTextStatus, Failure> {
        self.inner.store.full_text_status().map_err(|error| store_failure(&error))
    }

    /// What the server says about itself, with the search parameters of now.
    pub(crate) fn statement(&self) -> Arc<Statement> {
        let definitions = self.definitions();
        let generation = definitions.indexer.generation();
        let mut kept = self.inner.statement.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != generation {
            let settings = &self.inner.settings;
            let statement = Statement::new(&definitions.registry, self.now(), settings);
            *kept = (generation, Arc::new(statement));
        }
        Arc::clone(&kept.1)
    }

    /// The index rows of a resource. Without a key the person of what belongs to nobody is
    /// [`fhir_search::hash::NONE`].
    pub(crate) fn index(&self, view: ResourceView<'_>, key: Option<&ResourceKey>) -> IndexRows {
        let definitions = self.definitions();
        let indexer = &definitions.indexer;
        match key {
            Some(key) => indexer.index(view, key),
            None => {
                let nobody = &self.inner.nobody;
                let mut rows = indexer.index(view, nobody);
                if rows.access.person == self.hasher().reference(nobody) {
                    rows.access.person = fhir_search::hash::NONE;
                }
                rows
            }
        }
    }

    /// A new id in the bucket of a person.
    pub(crate) fn new_id(&self, person: i64) -> Id {
        self.inner.store.new_id(person)
    }

    pub(crate) fn zone(&self) -> &Zone {
        self.inner.store.zone()
    }

    /// The present instant, from the store's clock.
    pub(crate) fn now(&self) -> Instant {
        self.inner.store.now()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
