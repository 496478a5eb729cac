//! What each entry of a transaction comes to, once its conditions are answered.

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue, Resource, ResourceKey, VersionId};
use fhir_store::{Preconditions, StoredVersion};

use crate::bundle::Running;
use crate::bundle::entry::{Action, Entry, Who, at_entry};
use crate::bundle::question::Found;
use crate::conditional::{self, met};
use crate::patch;
use crate::request::Conditions;
use crate::write;

/// What an entry comes to.
pub(crate) enum Fate {
    /// It reads, after the commit.
    Read,
    /// A new resource under an id that the server gives.
    Create(Preconditions),
    /// The resource of the entry, under this key.
    Put {
        key: ResourceKey,
        preconditions: Preconditions,
        /// Nothing matched the condition: the key is the client's own, and must be free.
        is_claim: bool,
    },
    /// What a patch made of the current version.
    Patched { key: ResourceKey, version: VersionId, resource: Resource, warnings: Vec<Issue> },
    /// These go.
    Delete(Vec<(ResourceKey, Preconditions)>),
    /// The condition of a delete finds nothing.
    NothingToDelete(ResourceType),
    /// The condition of a create finds this, and nothing is written.
    Existing(StoredVersion),
}

impl Fate {
    /// The resources that it is about, as far as they are known before ids are given.
    pub(crate) fn keys(&self) -> Vec<&ResourceKey> {
        match self {
            Self::Read | Self::Create(_) | Self::NothingToDelete(_) => Vec::new(),
            Self::Put { key, .. } | Self::Patched { key, .. } => vec![key],
            Self::Delete(all) => all.iter().map(|(key, _)| key).collect(),
            Self::Existing(stored) => vec![&stored.key],
        }
    }

    /// Whether it makes a resource that a condition found not to be there.
    pub(crate) fn creates(&self) -> bool {
        match self {
            Self::Create(_) => true,
            Self::Put { is_claim, .. } => *is_claim,
            Self::Read
            | Self::Patched { .. }
            | Self::Delete(_)
            | Self::NothingToDelete(_)
            | Self::Existing(_) => false,
        }
    }
}

/// The fate of every entry.
///
/// # Errors
/// What stands against it already, naming the entry.
pub(crate) async fn decide(
    running: Running<'_>,
    entries: &[Entry<'_>],
    found: &Found,
) -> Result<Vec<Fate>, Failure> {
    let mut fates = Vec::with_capacity(entries.len());
    for entry in entries {
        let fate = one(running, &entry.action, found.of(entry.index)).await;
        fates.push(fate.map_err(|failure| at_entry(failure, entry.index))?);
    }
    Ok(fates)
}

async fn one(
    running: Running<'_>,
    action: &Action<'_>,
    found: &[StoredVersion],
) -> Result<Fate, Failure> {
    Ok(match action {
        Action::Get(_) | Action::Operate(_) => Fate::Read,
        Action::Create { view, .. } => match (found, running.app.given_id(*view)) {
            ([stored, ..], _) => Fate::Existing(stored.clone()),
            ([], None) => Fate::Create(Preconditions::default()),
            ([], Some(given)) => {
                let key = ResourceKey::new(view.resource_type, given);
                let preconditions = Preconditions { if_absent: true, ..Preconditions::default() };
                Fate::Put { key, preconditions, is_claim: true }
            }
        },
        Action::Update { who: Who::Known(key), conditions, .. } => {
            let mut preconditions = write::preconditions(conditions.clone());
            preconditions.if_exists |= running.app.updates_only(key.resource_type);
            Fate::Put { key: key.clone(), preconditions, is_claim: false }
        }
        Action::Update { who: Who::Like(criteria), view, conditions } => {
            let preconditions = write::preconditions(conditions.clone());
            match (found, view.id()) {
                ([stored, ..], Some(given)) if stored.key.id != given => {
                    let place = format!("{}.id", criteria.resource_type);
                    return Err(conditional::other_id(&given, &stored.key.id).at(place));
                }
                ([stored, ..], _) => {
                    Fate::Put { key: stored.key.clone(), preconditions, is_claim: false }
                }
                ([], None) => Fate::Create(preconditions),
                ([], Some(given)) => {
                    let key = ResourceKey::new(criteria.resource_type, given);
                    let preconditions = Preconditions { if_absent: true, ..preconditions };
                    Fate::Put { key, preconditions, is_claim: true }
                }
            }
        }
        Action::Patch { who, patch, conditions } => {
            let Some(stored) = found.first() else {
                let text = format!("no {} matches the criteria", who.resource_type());
                return Err(Failure::new(FailureKind::NotFound, text).at("request.url"));
            };
            if let Some(fault) = met(conditions, stored.version).filter(|_| stored.body.is_some()) {
                return Err(write::write_fault(&stored.key, &fault));
            }
            let Running { app, request, permit, .. } = running;
            let (resource, warnings) = patch::patched(app, request, permit, patch, stored).await?;
            let (key, version) = (stored.key.clone(), stored.version);
            Fate::Patched { key, version, resource, warnings }
        }
        Action::Delete { who: Who::Known(key), conditions } => {
            Fate::Delete(vec![(key.clone(), write::preconditions(conditions.clone()))])
        }
        Action::Delete { who: Who::Like(criteria), conditions } => {
            deleted(criteria.resource_type, conditions, found)?
        }
    })
}

fn deleted(
    resource_type: ResourceType,
    conditions: &Conditions,
    found: &[StoredVersion],
) -> Result<Fate, Failure> {
    if found.is_empty() {
        if conditions.if_match.is_some() || conditions.if_exists {
            let text = "If-Match asks for a current version, and nothing matches the criteria";
            return Err(Failure::new(FailureKind::VersionMismatch, text).at("http.If-Match"));
        }
        return Ok(Fate::NothingToDelete(resource_type));
    }
    let mut all = Vec::with_capacity(found.len());
    for stored in found {
        if let Some(fault) = met(conditions, stored.version) {
            return Err(write::write_fault(&stored.key, &fault));
        }
        let if_match = Some(vec![stored.version]);
        all.push((stored.key.clone(), Preconditions { if_match, ..Preconditions::default() }));
    }
    Ok(Fate::Delete(all))
}
