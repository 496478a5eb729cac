//! What decides: a policy answers a question with a refusal or with predicates.

use fhir_definitions::ResourceType;
use fhir_search::Predicate;

use crate::{Caller, Interaction};

/// A question to the policy: may `caller` do `interaction`?
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What is asked.
    pub interaction: Interaction,
    /// The type that is asked for; none for interactions over all types.
    pub resource_type: Option<ResourceType>,
}

/// The answer of a policy.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Allowed for resources that satisfy all predicates; none means all of them.
    Allow(Vec<Predicate>),
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

/// The policy of a server without access settings: everyone may do everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn decide(&self, _ask: &Ask<'_>) -> Decision {
        Decision::Allow(Vec::new())
    }
}
