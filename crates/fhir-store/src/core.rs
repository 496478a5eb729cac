//! What both back ends need beside a connection: parameters, hashes, ids, compression, clock.

use std::cell::RefCell;

use fhir_model::date::Zone;
use fhir_model::{Body, Id, Instant, ResourceKey};
use fhir_search::{IndexRows, Indexer, Registry, ValueHasher};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::codec::Codec;
use crate::error::StoreError;
use crate::id::{IdCipher, bucket};
use crate::settings::{Clock, StoreSettings};

thread_local! {
    static RANDOM: RefCell<StdRng> = RefCell::new(StdRng::from_os_rng());
}

/// The parts of an open database that never change.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) indexer: Indexer,
    pub(crate) hasher: ValueHasher,
    pub(crate) zone: Zone,
    pub(crate) secret: [u8; 32],
    pub(crate) ids: IdCipher,
    pub(crate) codec: Codec,
    pub(crate) clock: Clock,
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
        let indexer = Indexer::compile(&registry, hasher.clone(), settings.zone.clone())
            .with_base(settings.base.clone());
        Self {
            registry,
            indexer,
            hasher,
            zone: settings.zone.clone(),
            secret: identity.secret,
            ids: IdCipher::new(identity.id_key),
            codec,
            clock: settings.clock.clone(),
        }
    }

    pub(crate) fn new_id(&self, person: i64) -> Id {
        let random = RANDOM.with_borrow_mut(Rng::random);
        self.ids.encipher(bucket(person), self.now(), random)
    }

    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The index rows of a stored body, computed again.
    pub(crate) fn rows_of(&self, key: &ResourceKey, body: &Body) -> Result<IndexRows, StoreError> {
        let resource = body
            .to_resource(key)
            .map_err(|_failure| StoreError::Damaged(format!("the body of {key} is not JSON")))?;
        Ok(self.indexer.index(resource.view(), key))
    }
}
