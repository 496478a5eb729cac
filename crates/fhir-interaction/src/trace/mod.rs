//! The trace of accesses: what requests leave there, and how it is read as AuditEvents.

mod catalogue;
mod event;
mod glance;
mod search;

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_access::trace::{Actor, Entry, KnownActor, Part, keys};
use fhir_access::{Interaction, Permit};
use fhir_definitions::ResourceType;
use fhir_model::{Body, ResourceKey};
use fhir_search::{Indexer, PatientName, Patients, ValueHasher};
use fhir_store::{
    Action, Method, Store, StoreError, StoredTrace, StoredVersion, TraceRow, WriteGroup, WriteOp,
};

pub(crate) use catalogue::Catalogue;
pub use search::{read_trace, search_trace};

/// The patients that stored resources are about.
pub(crate) fn patients_of_all(
    indexer: &Indexer,
    found: &[StoredVersion],
) -> Result<Patients, StoreError> {
    let mut all = Patients::new();
    for stored in found {
        let Some(body) = &stored.body else { continue };
        let is_own = stored.key.resource_type == ResourceType::PATIENT;
        if is_own || !glance::adds_nobody(body.as_bytes(), &all) {
            for (name, identifiers) in patients(indexer, &stored.key, body)? {
                all.entry(name).or_default().extend(identifiers);
            }
        }
    }
    Ok(all)
}

/// The patients that a stored resource is about.
fn patients(indexer: &Indexer, key: &ResourceKey, body: &Body) -> Result<Patients, StoreError> {
    if let Some(id) = glance::only_patient(indexer, key.resource_type, body.as_bytes()) {
        return Ok(Patients::from([(PatientName::Resource(id), BTreeSet::new())]));
    }
    let resource = body.to_resource(key);
    let damaged = |_failure| StoreError::Damaged(format!("the body of {key} is not JSON"));
    Ok(indexer.patients(resource.map_err(damaged)?.view(), &key.id))
}

/// A row of the trace.
pub(crate) fn row(hasher: &ValueHasher, actor: &KnownActor, entry: &Entry) -> TraceRow {
    let keys = keys(hasher, &actor.actor, entry);
    TraceRow { actor: Arc::clone(&actor.bytes), body: entry.encode(), keys }
}

/// What a stored row is found by: the keys that it was written with.
#[must_use]
pub fn keys_of(hasher: &ValueHasher, stored: &StoredTrace) -> Vec<i64> {
    let actor = stored.actor.as_deref().map(Actor::decode).unwrap_or_default();
    keys(hasher, &actor, &Entry::decode(&stored.body))
}

/// What a group leaves in the trace: a part for each operation, with the patients of what it
/// writes and of what it replaces.
pub(crate) async fn of_group(
    store: &Store,
    permit: &Permit,
    group: &WriteGroup,
) -> Result<Option<TraceRow>, StoreError> {
    let definitions = store.definitions();
    let mut parts = Vec::with_capacity(group.ops.len());
    let mut replaced = Vec::new();
    for (index, op) in group.ops.iter().enumerate() {
        let mut part = Part::new(Some(interaction(permit, op)), Some(op.key.resource_type));
        part.key = Some(op.key.clone());
        if let Action::Put { body, .. } = &op.action {
            part.touch(patients(&definitions.indexer, &op.key, body)?);
        }
        if !is_new(op) {
            replaced.push((index, op.key.clone()));
        }
        parts.push(part);
    }
    if !replaced.is_empty() {
        let found = store
            .read(move |reader| {
                let mut found = Vec::new();
                for (index, key) in replaced {
                    if let Some(stored) = reader.current(&key)?
                        && let Some(body) = &stored.body
                    {
                        found.push((index, patients(&definitions.indexer, &key, body)?));
                    }
                }
                Ok(found)
            })
            .await?;
        for (index, patients) in found {
            if let Some(part) = parts.get_mut(index) {
                part.touch(patients);
            }
        }
    }
    Ok(permit.trace().entry(parts).map(|(actor, entry)| row(store.hasher(), &actor, &entry)))
}

const fn is_new(op: &WriteOp) -> bool {
    matches!(op.action, Action::Put { method: Method::Post, .. })
}

/// What an operation is as an interaction. A patch is one where the request is one.
fn interaction(permit: &Permit, op: &WriteOp) -> Interaction {
    match &op.action {
        Action::Delete => Interaction::Delete,
        Action::Put { method: Method::Post, .. } => Interaction::Create,
        Action::Put { .. } if permit.interaction() == Interaction::Patch => Interaction::Patch,
        Action::Put { .. } => Interaction::Update,
    }
}
