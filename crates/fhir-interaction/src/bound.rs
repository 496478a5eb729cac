//! What a service asks of the requests that come through it, beside what the server asks of all.
//!
//! A server may offer interfaces with rules of their own. What such an interface is, lies outside
//! of here; what has to be decided with a write, or inside its commit, comes here as a [`Bound`]:
//! [`App::bound_by`] gives the application as that one request sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fhir_access::trace::Record;
use fhir_access::{Caller, Interaction, Permit, Words};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, Id, Resource, ResourceKey, ResourceView, VersionId, rewrite};
use fhir_search::{Match, Predicate, Scope, SearchQuery};
use fhir_store::{Action, Expectation, PastMark, Purge, WriteGroup};

use crate::app::{App, WriteFailure};
use crate::once::Once;
use crate::request::{Preferences, Request};

/// What a service asks of one request.
#[derive(Clone, Default)]
pub struct Bound {
    /// The name of the service: it may write what is reserved for it.
    pub service: String,
    /// Types whose resources are held to the profiles that they name, whatever settings say.
    pub validated: BTreeSet<ResourceType>,
    /// Types whose new resources keep the ids that their clients gave.
    pub given_ids: BTreeSet<ResourceType>,
    /// Types of which an update creates none.
    pub no_update_creates: BTreeSet<ResourceType>,
    /// Whether references to this server point at what is there, also where settings do not ask it.
    pub holds_references: bool,
    /// Elements whose references an update is not held to.
    pub unheld_on_update: BTreeMap<ResourceType, Vec<String>>,
    /// The versions that changes were judged against: another one by then is a mismatch.
    pub expected: BTreeMap<ResourceKey, VersionId>,
    /// What there may be one of.
    pub claims: Vec<Claim>,
    /// By what all versions of a resource are to be found.
    pub terms: Option<Arc<dyn Terms>>,
    /// The name of the request, where it is to be done once.
    pub once: Option<Once>,
}

/// Names the values by which all versions of a resource are to be found.
pub trait Terms: Send + Sync {
    /// Pairs of parameter and value.
    fn of(&self, view: ResourceView<'_>) -> Vec<(String, String)>;
}

/// That nothing but its owner matches a search, decided inside the commit.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is searched.
    pub resource_type: ResourceType,
    /// The search; parameters without a lookup.
    pub pairs: Vec<(String, String)>,
    /// Who may match; none for what is new.
    pub owner: Option<ResourceKey>,
    /// What is told where somebody else does.
    pub refusal: Failure,
}

/// A profile whose resources only one service writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The service.
    pub service: String,
    /// The canonical in `meta.profile`.
    pub profile: String,
    /// The types that the service has with it: others are none of its business.
    pub types: Vec<ResourceType>,
    /// Whether the service itself only ever adds: then nobody takes away either.
    pub is_append_only: bool,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("service", &self.service).finish_non_exhaustive()
    }
}

impl App {
    /// The id that a new resource keeps, where a service lets its clients give it.
    pub(crate) fn given_id(&self, view: ResourceView<'_>) -> Option<Id> {
        let bound = self.bound()?;
        bound.given_ids.contains(&view.resource_type).then(|| view.id()).flatten()
    }

    /// Whether new resources of this type keep the ids of their clients.
    pub(crate) fn keeps_ids(&self, resource_type: ResourceType) -> bool {
        self.bound().is_some_and(|bound| bound.given_ids.contains(&resource_type))
    }

    /// Whether an update of this type must find something.
    pub(crate) fn updates_only(&self, resource_type: ResourceType) -> bool {
        self.bound().is_some_and(|bound| bound.no_update_creates.contains(&resource_type))
    }

    /// Whether an update is held to the reference at a place, such as `CarePlan.subject`.
    pub(crate) fn is_held_to(&self, of: ResourceType, place: &str) -> bool {
        let unheld = self.bound().and_then(|bound| bound.unheld_on_update.get(&of));
        let inside = place.strip_prefix(of.as_str()).and_then(|rest| rest.strip_prefix('.'));
        !unheld.into_iter().flatten().any(|element| {
            let rest = inside.and_then(|inside| inside.strip_prefix(element.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        })
    }

    /// Says in a group what the service asks of it.
    ///
    /// # Errors
    /// Where somebody else has what there may be one of.
    pub(crate) async fn bind(&self, group: &mut WriteGroup) -> Result<(), WriteFailure> {
        let Some(bound) = self.bound() else { return Ok(()) };
        for op in &mut group.ops {
            if let Some(version) = bound.expected.get(&op.key) {
                match &mut op.preconditions.if_match {
                    Some(named) => named.retain(|each| each == version),
                    unnamed => *unnamed = Some(vec![*version]),
                }
            }
            let (Some(terms), Action::Put { body, .. }) = (&bound.terms, &op.action) else {
                continue;
            };
            let Ok(resource) = body.to_resource(&op.key) else { continue };
            for (name, value) in terms.of(resource.view()) {
                let hash = self.past_hash(op.key.resource_type, &name, &value);
                group.past.push(PastMark { hash, key: op.key.clone() });
            }
        }
        for claim in &bound.claims {
            let found = self.claimed(claim).await?;
            group.expect.push(found);
        }
        Ok(())
    }

    /// The hash under which a value of all versions is found.
    pub(crate) fn past_hash(&self, resource_type: ResourceType, name: &str, value: &str) -> i64 {
        self.hasher().hash(&format!("{resource_type}?{name}={value}"))
    }

    /// Looks whether a claim is free; gives what must still be so in the commit.
    async fn claimed(&self, claim: &Claim) -> Result<Expectation, WriteFailure> {
        let query = self.claim_query(claim).map_err(WriteFailure::Store)?;
        let asked = query.clone();
        let work = move |reader: &mut dyn fhir_store::Reader| {
            let hits = reader.search(&asked, None, 2)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            Ok(reader.load(&rows)?.into_iter().map(|stored| stored.key).collect::<Vec<_>>())
        };
        let found = self.look(work).await.map_err(WriteFailure::Store)?;
        match found.as_slice() {
            [] => Ok(Expectation { query, found: None }),
            [one] if claim.owner.as_ref() == Some(one) => {
                Ok(Expectation { query, found: Some(one.clone()) })
            }
            _ => Err(WriteFailure::Store(claim.refusal.clone())),
        }
    }

    fn claim_query(&self, claim: &Claim) -> Result<SearchQuery, Failure> {
        let (prefer, record) = (Preferences::default(), Record::default());
        let request = Request { caller: Caller::everyone(), base: String::new(), prefer, record };
        self.parse_strictly(&request, Scope::Type(claim.resource_type), &claim.pairs)
    }

    /// What a write must not touch because another service keeps it: nothing that stands or comes
    /// there may have one of these profiles.
    pub(crate) fn keep_off(&self, resource_type: ResourceType) -> Vec<Predicate> {
        let own = self.bound().map(|bound| bound.service.as_str());
        let foreign = self
            .settings()
            .reserved
            .iter()
            .filter(|it| Some(it.service.as_str()) != own && it.types.contains(&resource_type));
        let profiles = foreign.filter_map(|reserved| {
            let pairs = [("_profile".to_owned(), reserved.profile.clone())];
            let all = self.conditions(resource_type, &pairs)?;
            let any = all.into_iter().flat_map(|predicate| predicate.any).collect();
            Some(Predicate { any: vec![Match::Not(any)] })
        });
        profiles.collect()
    }

    /// Whether a resource is one of those that nobody takes away.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn is_append_only(&self, key: &ResourceKey) -> Result<bool, Failure> {
        let kept = self.settings().reserved.iter().filter(|reserved| reserved.is_append_only);
        let profiles: Vec<String> = kept.map(|reserved| reserved.profile.clone()).collect();
        if profiles.is_empty() {
            return Ok(false);
        }
        let key = key.clone();
        self.look(move |reader| {
            let body = reader.current(&key)?.and_then(|stored| stored.body);
            let resource = body.and_then(|body| body.to_resource(&key).ok());
            Ok(resource.is_some_and(|resource| names_one(resource.view(), &profiles)))
        })
        .await
    }

    /// Which operations of a group are about resources that another service keeps.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn kept_by_others(&self, group: &WriteGroup) -> Result<Vec<usize>, Failure> {
        let own = self.bound().map(|bound| bound.service.clone());
        let reserved = self.settings().reserved.iter();
        let foreign: Vec<&Reserved> =
            reserved.filter(|it| Some(&it.service) != own.as_ref()).collect();
        let is_theirs = |of: ResourceType| foreign.iter().any(|it| it.types.contains(&of));
        let all = group.ops.iter().map(|op| op.key.clone()).enumerate();
        let keys: Vec<(usize, ResourceKey)> =
            all.filter(|(_, key)| is_theirs(key.resource_type)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let profiles: Vec<String> = foreign.iter().map(|it| it.profile.clone()).collect();
        let work = move |reader: &mut dyn fhir_store::Reader| {
            let mut kept = Vec::new();
            for (index, key) in &keys {
                let Some(body) = reader.current(key)?.and_then(|stored| stored.body) else {
                    continue;
                };
                let Ok(resource) = body.to_resource(key) else { continue };
                if names_one(resource.view(), &profiles) {
                    kept.push(*index);
                }
            }
            Ok(kept)
        };
        self.look(work).await
    }
}

/// Takes away all versions of a resource that was deleted through a service which keeps none.
///
/// # Errors
/// What the gate says to a delete, and the store's failures.
pub async fn forget(app: &App, request: &Request, key: &ResourceKey) -> Result<(), Failure> {
    let permit = app.gate(request, Interaction::Delete, Some(key.resource_type))?;
    let doomed = Purge { keys: vec![key.clone()], matching: Vec::new() };
    let report = app.purge(&permit, doomed).await?;
    if !report.is_clean() {
        tracing::error!(left = ?report.left, "a purge has left something behind");
    }
    Ok(())
}

fn names_one(view: ResourceView<'_>, profiles: &[String]) -> bool {
    let named = view.value.get("meta").and_then(|meta| meta.get("profile"));
    named.into_iter().flat_map(fhir_model::Value::items).any(|profile| {
        profile.text().is_some_and(|text| {
            let bare = text.split('|').next().unwrap_or_default();
            profiles.iter().any(|each| each == bare)
        })
    })
}

/// The current version of a resource that somebody wants to change or delete, as far as they may
/// see it.
///
/// # Errors
/// What the gate says to the interaction, and the store's failures.
pub async fn replaced(
    app: &App,
    request: &Request,
    interaction: Interaction,
    key: &ResourceKey,
) -> Result<Option<(VersionId, Resource)>, Failure> {
    let permit: Permit = app.gate(request, interaction, Some(key.resource_type))?;
    let wanted = key.clone();
    app.read(&permit, move |sight| {
        let Some(stored) = sight.current(&wanted)? else { return Ok(None) };
        let Some(body) = &stored.body else { return Ok(None) };
        let resource = body.to_resource(&wanted)?;
        let mut json = Vec::new();
        rewrite::minified(resource.view().value, &mut json);
        Ok(Some((stored.version, Resource::trusted(json)?)))
    })
    .await
}
