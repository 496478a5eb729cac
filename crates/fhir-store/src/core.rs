//! What both back ends need beside a connection: parameters, hashes, ids, compression, clock.

use std::cell::RefCell;

use fhir_model::Id;
use fhir_model::date::Zone;
use fhir_search::{Registry, ValueHasher};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::id::{IdCipher, bucket};
use crate::settings::Clock;

thread_local! {
    static RANDOM: RefCell<StdRng> = RefCell::new(StdRng::from_os_rng());
}

/// The parts of an open database that never change.
pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) indexer: fhir_search::Indexer,
    pub(crate) hasher: ValueHasher,
    pub(crate) zone: Zone,
    pub(crate) secret: [u8; 32],
    pub(crate) ids: IdCipher,
    pub(crate) clock: Clock,
}

impl Core {
    pub(crate) fn new_id(&self, person: i64) -> Id {
        let random = RANDOM.with_borrow_mut(Rng::random);
        self.ids.encipher(bucket(person), (self.clock)(), random)
    }
}
