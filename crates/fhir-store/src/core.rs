//! What both back ends need beside a connection: parameters, hashes, ids, compression, clock.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fhir_model::date::Zone;
use fhir_model::{Body, Id, Instant, ResourceKey};
use fhir_search::{IndexRows, Indexer, ParameterId, Registry, ValueHasher};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::backend::presence;
use crate::codec::Codec;
use crate::error::StoreError;
use crate::id::{IdCipher, bucket};
use crate::pace::Pace;
use crate::query::statistic::Statistics;
use crate::settings::{Clock, StoreSettings};
use crate::tidings::Tidings;

thread_local! {
    static RANDOM: RefCell<StdRng> = RefCell::new(StdRng::from_os_rng());
}

/// The search parameters of a database and their indexer, as they are between two changes.
#[derive(Debug)]
pub struct Definitions {
    /// The parameters, numbered as in this database.
    pub registry: Registry,
    /// Makes the rows of these parameters; they carry its generation.
    pub indexer: Indexer,
}

impl Definitions {
    /// The first or the next definitions of a database.
    pub(crate) fn new(
        registry: Registry,
        hasher: &ValueHasher,
        settings: &StoreSettings,
        generation: u64,
    ) -> Self {
        let indexer = Indexer::compile(&registry, hasher.clone(), settings.zone.clone())
            .with_base(settings.base.clone())
            .with_text(settings.full_text)
            .with_links(&registry)
            .with_generation(generation);
        Self { registry, indexer }
    }
}

/// What engines share. All but the definitions never changes while the database is open.
pub(crate) struct Core {
    definitions: RwLock<Arc<Definitions>>,
    /// Held for reading by every write transaction, and for writing while definitions change:
    /// no transaction is open that doesn't know a parameter whose rows are being built.
    pub(crate) writing: RwLock<()>,
    /// Held by whoever reads what `parameter` says and puts it in force.
    pub(crate) defining: Mutex<()>,
    pub(crate) settings: StoreSettings,
    pub(crate) hasher: ValueHasher,
    pub(crate) zone: Zone,
    pub(crate) secret: [u8; 32],
    pub(crate) ids: IdCipher,
    pub(crate) codec: Codec,
    pub(crate) clock: Clock,
    pub(crate) statistics: Statistics,
    pub(crate) pace: Pace,
    pub(crate) tidings: Tidings,
}

/// What a database keeps about itself; drawn once, when it is made.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) hash_key: [u8; 16],
    pub(crate) id_key: [u8; 16],
    pub(crate) secret: [u8; 32],
}

/// The zone's name in the table `setting`.
pub(crate) const ZONE: &str = "zone";
/// The name in the table `setting` of whether there is full text.
pub(crate) const FULL_TEXT: &str = "full_text";
/// The identity's name in the table `setting`.
pub(crate) const IDENTITY: &str = "identity";
/// The name of the parameters' digest in the table `setting`.
pub(crate) const PARAMETERS: &str = "parameters";

impl Identity {
    pub(crate) fn draw() -> Self {
        let mut random = StdRng::from_os_rng();
        Self { hash_key: random.random(), id_key: random.random(), secret: random.random() }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.hash_key.as_slice(), &self.id_key, &self.secret].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hash_key, rest) = bytes.split_first_chunk()?;
        let (id_key, rest) = rest.split_first_chunk()?;
        Some(Self { hash_key: *hash_key, id_key: *id_key, secret: rest.try_into().ok()? })
    }
}

impl Core {
    pub(crate) fn new(
        registry: Registry,
        identity: &Identity,
        codec: Codec,
        settings: &StoreSettings,
    ) -> Self {
        let hasher = ValueHasher::new(&identity.hash_key);
        let definitions = Definitions::new(registry, &hasher, settings, 0);
        Self {
            definitions: RwLock::new(Arc::new(definitions)),
            writing: RwLock::new(()),
            defining: Mutex::new(()),
            settings: settings.clone(),
            hasher,
            zone: settings.zone.clone(),
            secret: identity.secret,
            ids: IdCipher::new(identity.id_key),
            codec,
            clock: settings.clock.clone(),
            statistics: Statistics::default(),
            pace: Pace::new(settings.reindex_percent),
            tidings: Tidings::default(),
        }
    }

    pub(crate) fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.definitions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other parameters in force; whoever calls it holds `writing`.
    pub(crate) fn define(&self, registry: Registry) {
        let generation = self.definitions().indexer.generation().saturating_add(1);
        let next = Definitions::new(registry, &self.hasher, &self.settings, generation);
        *self.definitions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Rows that the present indexer has made: these, or others from the body where the
    /// parameters have changed since.
    pub(crate) fn present_rows<'r>(
        &self,
        key: &ResourceKey,
        body: &Body,
        rows: &'r IndexRows,
    ) -> Result<Cow<'r, IndexRows>, StoreError> {
        if rows.generation == self.definitions().indexer.generation() {
            return Ok(Cow::Borrowed(rows));
        }
        self.rows_of(key, body).map(Cow::Owned)
    }

    pub(crate) fn new_id(&self, person: i64) -> Id {
        let random = RANDOM.with_borrow_mut(Rng::random);
        self.ids.encipher(bucket(person), self.now(), random)
    }

    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The columns of `access` that tell for which parameters a resource has a value, and whether
    /// its person is the only subject.
    pub(crate) fn presence(&self, rows: &IndexRows) -> [i64; 2] {
        let [first, second] = presence::bits(&self.definitions().registry, &rows.present);
        let mark = if rows.access.is_sole_subject { presence::SOLE_SUBJECT } else { 0 };
        [first | mark, second]
    }

    /// The index rows of a stored body, computed again.
    pub(crate) fn rows_of(&self, key: &ResourceKey, body: &Body) -> Result<IndexRows, StoreError> {
        Ok(self.definitions().indexer.index(resource_of(key, body)?.view(), key))
    }

    /// The same without words.
    pub(crate) fn rows_without_text(
        &self,
        key: &ResourceKey,
        body: &Body,
    ) -> Result<IndexRows, StoreError> {
        let resource = resource_of(key, body)?;
        Ok(self.definitions().indexer.index_without_text(resource.view(), key))
    }

    /// The rows of a stored body for some parameters, of which `indexer` was made.
    pub(crate) fn rows_of_some(
        &self,
        parameters: &[i32],
        indexer: &Indexer,
        key: &ResourceKey,
        body: &Body,
    ) -> Result<IndexRows, StoreError> {
        let parameters: Vec<ParameterId> = parameters.iter().map(|p| ParameterId(*p)).collect();
        let resource = resource_of(key, body)?;
        Ok(self.definitions().indexer.part(&parameters, indexer, resource.view(), key))
    }
}

fn resource_of(key: &ResourceKey, body: &Body) -> Result<fhir_model::Resource, StoreError> {
    body.to_resource(key)
        .map_err(|_failure| StoreError::Damaged(format!("the body of {key} is not JSON")))
}
