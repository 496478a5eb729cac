//! What decides: a policy answers a question with a refusal or with how far the caller reaches.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use fhir_search::{ParameterId, Predicate};

use crate::trace::Record;
use crate::{Caller, Interaction, Reach};

/// What an operation may touch: what a caller must be allowed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touches {
    /// Nothing that is stored: what it was given, or definitions that everybody may know.
    Nothing,
    /// Resources, which it reads: as far as the caller may.
    Resources,
    /// Resources, which it changes: as far as the caller may update.
    Changes,
    /// The service itself: for administrators.
    Service,
}

/// An operation that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// Its name with the `$`.
    pub name: &'a str,
    /// What it may touch.
    pub touches: Touches,
}

/// A question to the policy: may `caller` do `interaction`?
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What is asked.
    pub interaction: Interaction,
    /// The type that is asked for; none for interactions over all types.
    pub resource_type: Option<ResourceType>,
    /// The operation, where the interaction is one.
    pub operation: Option<Operation<'a>>,
    /// What conditions are made of.
    pub words: &'a dyn Words,
    /// Where the question is noted, whatever the answer.
    pub record: &'a Record,
}

/// The search parameters of a store, for policies that speak in FHIR searches.
pub trait Words {
    /// Changes whenever the same text may mean something else.
    fn generation(&self) -> u64;

    /// The conditions of a search on one type, all of which must hold; none where it cannot be
    /// understood, or says what cannot be decided from the resource and what it refers to.
    fn conditions(
        &self,
        resource_type: ResourceType,
        pairs: &[(String, String)],
    ) -> Option<Vec<Predicate>>;

    /// The search parameters of a type that read an element, extension or anything else with one of
    /// these names; too many rather than too few.
    fn readers(
        &self,
        resource_type: ResourceType,
        names: &BTreeSet<String>,
    ) -> BTreeSet<ParameterId>;

    /// "The resource is in the compartment of `key`"; none where the type is in no such
    /// compartment. Spec: <https://hl7.org/fhir/R4/compartmentdefinition.html>
    fn compartment(&self, key: &ResourceKey, resource_type: ResourceType) -> Option<Predicate>;
}

/// The answer of a policy.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Allowed, as far as the caller reaches.
    Allow(Arc<Reach>),
    /// Not allowed at all, decided before any data is read.
    Refuse(Refusal),
}

/// Why nothing may be done at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It isn't known who asks.
    #[error("the request names no caller")]
    Unauthenticated,
    /// It is known who asks, and they have no right to it.
    #[error("the caller has no right to this interaction")]
    Forbidden,
}

/// Decides what callers may do. Called once a request, before anything is read.
pub trait Policy: Send + Sync {
    /// Answers one question.
    fn decide(&self, ask: &Ask<'_>) -> Decision;
}

impl<P: Policy + ?Sized> Policy for Arc<P> {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        (**self).decide(ask)
    }
}

/// The policy of a server without access settings: everyone may do everything.
#[derive(Clone, Debug)]
pub struct AllowAll(Arc<Reach>);

impl Default for AllowAll {
    fn default() -> Self {
        Self(Arc::new(Reach::everything()))
    }
}

impl Policy for AllowAll {
    fn decide(&self, _ask: &Ask<'_>) -> Decision {
        Decision::Allow(Arc::clone(&self.0))
    }
}
