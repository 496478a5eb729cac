//! What was found out about persons for a caller, kept for as long as it stands.
//!
//! Most requests of a caller are about few persons, and little of what decisions rest on ever
//! changes: so that is not read for each request. Whether it still stands is known from
//! [`Tidings`], exactly; the decision itself is made anew each time. What one caller has asked for
//! makes nothing faster for another: who else was asked about must not show in how long it takes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use fhir_access::Caller;
use fhir_model::{Instant, Resource, ResourceKey};
use fhir_search::{PatientName, ValueHasher};
use fhir_store::{Action, Tidings, WriteOp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::personal::Person;

/// What decisions want to know depends on the day, with a day to spare: so much older it may be.
const MOST_AGE_US: i64 = 600_000_000;

/// What an entry takes beside its resources, in bytes.
const OVERHEAD: usize = 1_000;
/// What a parsed resource takes for each byte of its text, about.
const PARSED: usize = 3;

/// A person, and what was found of what a decision wants to know; none where that is too much.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) person: Person,
    pub(super) found: Option<Vec<(ResourceKey, Resource)>>,
}

struct Remembered {
    known: Arc<Known>,
    /// Hashes of what was found, and of where something new would be found.
    rests_on: Vec<i64>,
    as_of: u64,
    at: Instant,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<(u64, PatientName), Arc<Remembered>> for Weigh {
    fn weight(&self, _: &(u64, PatientName), remembered: &Arc<Remembered>) -> u64 {
        let Known { person, found } = &*remembered.known;
        let found = found.iter().flatten().map(|(_, resource)| resource);
        let bytes = person.patients.iter().chain(found).map(|each| each.view().value.raw().len());
        let weight = bytes.sum::<usize>().saturating_mul(PARSED).saturating_add(OVERHEAD);
        weight as u64
    }
}

/// What is kept of all callers.
pub(crate) struct Memory {
    kept: Cache<(u64, PatientName), Arc<Remembered>, Weigh>,
    of_caller: RandomState,
}

impl Memory {
    /// One that takes about so many bytes.
    pub(crate) fn of_bytes(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / (4 * OVERHEAD as u64)).unwrap_or(usize::MAX);
        let kept = Cache::with_weighter(entries, bytes, Weigh);
        Self { kept, of_caller: RandomState::new() }
    }

    /// It as a snapshot may use it; the stamp is from before the snapshot was opened.
    pub(crate) const fn recall<'a>(&'a self, tidings: &'a Tidings, as_of: u64) -> Recall<'a> {
        Recall { memory: self, tidings, as_of }
    }

    fn key(&self, caller: &Caller, name: &PatientName) -> (u64, PatientName) {
        let claims = caller.claims();
        let who = (&claims.issuer, &claims.subject, &claims.client, &claims.certificate);
        let acts_for = (caller.kind(), &claims.organisation, &claims.register, &claims.person);
        (self.of_caller.hash_one((who, acts_for)), name.clone())
    }
}

/// The memory as one snapshot may use it.
#[derive(Clone, Copy)]
pub(crate) struct Recall<'a> {
    memory: &'a Memory,
    tidings: &'a Tidings,
    as_of: u64,
}

impl Recall<'_> {
    /// What is known of a person; whoever asks has opened their snapshot. It is exactly what the
    /// snapshot would tell: nothing was written since the older of the two.
    pub(super) fn get(
        &self,
        caller: &Caller,
        name: &PatientName,
        now: Instant,
    ) -> Option<Arc<Known>> {
        let remembered = self.memory.kept.get(&self.memory.key(caller, name))?;
        let age = now.0.saturating_sub(remembered.at.0);
        let stands = (0..MOST_AGE_US).contains(&age)
            && self.tidings.stand(&remembered.rests_on, remembered.as_of.min(self.as_of));
        stands.then(|| Arc::clone(&remembered.known))
    }

    /// Keeps what was read in the snapshot, unless something of it was written meanwhile.
    pub(super) fn keep(
        &self,
        caller: &Caller,
        name: &PatientName,
        (now, hasher): (Instant, &ValueHasher),
        known: &Arc<Known>,
    ) {
        let Known { person, found } = &**known;
        let mut rests_on: Vec<i64> = person.hashes.clone();
        rests_on.extend(person.names.iter().filter_map(|name| match name {
            PatientName::Identity(own) => {
                Some(of_token(hasher.hash(&own.system), hasher.code(&own.value)))
            }
            PatientName::Resource(_) | PatientName::Url(_) => None,
        }));
        rests_on.extend(found.iter().flatten().map(|(key, _)| hasher.reference(key)));
        if !self.tidings.stand(&rests_on, self.as_of) {
            return;
        }
        let remembered =
            Remembered { known: Arc::clone(known), rests_on, as_of: self.as_of, at: now };
        self.memory.kept.insert(self.memory.key(caller, name), Arc::new(remembered));
    }
}

/// Hashes of what a write may change of what is known of persons: the resource itself, and whom
/// it names.
pub(crate) fn stamps<'o>(op: &'o WriteOp, hasher: &ValueHasher) -> impl Iterator<Item = i64> + 'o {
    let rows = match &op.action {
        Action::Put { rows, .. } => Some(rows),
        Action::Delete => None,
    };
    let references = rows.into_iter().flat_map(|rows| &rows.reference).map(|row| row.target);
    let tokens = rows.into_iter().flat_map(|rows| &rows.token);
    std::iter::once(hasher.reference(&op.key))
        .chain(references)
        .chain(tokens.map(|row| of_token(row.sys, row.code)))
}

const fn of_token(sys: i64, code: i64) -> i64 {
    sys.rotate_left(32) ^ code
}
