//! The application as one request sees it: what its service asks, and how far its writer reaches.

use std::sync::Arc;

use fhir_access::{Limit, Permit, Rights};
use fhir_model::Instant;
use fhir_search::{Match, Predicate};
use fhir_store::{Action, Method, WriteOp};

use super::App;
use crate::bound::Bound;
use crate::once::Once;

impl App {
    /// The application as a request sees it that comes through a service.
    #[must_use]
    pub fn bound_by(&self, bound: Bound) -> Self {
        Self { inner: Arc::clone(&self.inner), bound: Some(Arc::new(bound)) }
    }

    /// The same for a request whose write is to be done once.
    #[must_use]
    pub fn named(&self, once: Once) -> Self {
        let bound = self.bound.as_deref().cloned().unwrap_or_default();
        let bound = Bound { once: Some(once), ..bound };
        Self { inner: Arc::clone(&self.inner), bound: Some(Arc::new(bound)) }
    }

    /// The name of a request whose write is to be done once.
    #[must_use]
    pub fn name(&self) -> Option<Once> {
        self.bound().and_then(|bound| bound.once.clone())
    }

    /// The present instant, by the clock of the store.
    #[must_use]
    pub fn present(&self) -> Instant {
        self.now()
    }

    /// The same without the name of the request: a batch has several writes, each on its own.
    pub(crate) fn unnamed(&self) -> Self {
        let bound = self.bound.as_deref().map(|bound| Bound { once: None, ..bound.clone() });
        Self { inner: Arc::clone(&self.inner), bound: bound.map(Arc::new) }
    }

    pub(crate) fn bound(&self) -> Option<&Bound> {
        self.bound.as_deref()
    }
}

/// How far a permit reaches with an operation; none where it reaches everything.
///
/// What keeps the id of its client and must be new is a create, whatever the store calls it.
pub(super) fn bounds(
    permit: &Permit,
    op: &WriteOp,
    only_creates: bool,
    others: Vec<Predicate>,
) -> Option<Arc<[Predicate]>> {
    let right = match &op.action {
        Action::Delete => Rights::DELETE,
        Action::Put { method: Method::Post, .. } => Rights::CREATE,
        Action::Put { .. } if only_creates => Rights::CREATE,
        Action::Put { .. } => Rights::UPDATE,
    };
    match permit.reaches(op.key.resource_type, right) {
        Limit::Everything if others.is_empty() => None,
        Limit::Everything => Some(others.into()),
        Limit::Such(all) => Some(all.into_iter().chain(others).collect()),
        Limit::Nothing => Some(vec![Predicate { any: vec![Match::Never] }].into()),
    }
}
