//! What a query leaves open until its snapshot is there, answered from that snapshot.

use fhir_access::Permit;
use fhir_model::{Failure, Id, ResourceKey};
use fhir_search::{Answers, Coded, Direction, ParameterId, SearchQuery};

use crate::app::{App, ReadFailure};
use crate::permitted::permitted;
use crate::request::Request;
use crate::sight::Sight;
use crate::terminology::Codes;
use crate::tree;

/// Replaces the lookups of a query by what they come to in this snapshot, as far as the permit
/// lets one see it.
///
/// # Errors
/// What cannot be looked up (4xx), and the store's failures.
pub(crate) fn resolve(
    app: &App,
    sight: &mut Sight<'_>,
    base: &str,
    query: &mut SearchQuery,
) -> Result<(), ReadFailure> {
    if !query.has_lookups() {
        return Ok(());
    }
    let registry = sight.registry();
    query.resolve(registry, app.hasher(), &mut InSnapshot { app, sight, base })
}

/// [`resolve`] for the condition of a write, in a snapshot of its own: what a value set holds is
/// not decided inside the commit. The query is confined to what the permit shows, so that the
/// commit finds what the snapshot finds.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn resolved(
    app: &App,
    request: &Request,
    permit: &Permit,
    mut query: SearchQuery,
) -> Result<SearchQuery, Failure> {
    if !query.has_lookups() {
        return Ok(permitted(&query, permit, &app.definitions().registry).into_owned());
    }
    let (inside, base) = (app.clone(), request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        resolve(&inside, sight, &base, &mut query)?;
        Ok(query)
    };
    let query = app.read(permit, work).await?;
    Ok(permitted(&query, permit, &app.definitions().registry).into_owned())
}

struct InSnapshot<'s, 'a> {
    app: &'s App,
    sight: &'s mut Sight<'a>,
    base: &'s str,
}

impl<'a> InSnapshot<'_, 'a> {
    fn codes(&mut self) -> Codes<'_, 'a> {
        Codes::new(self.app, self.sight, self.base)
    }
}

impl Answers for InSnapshot<'_, '_> {
    type Error = ReadFailure;

    fn codes_in(&mut self, value_set: &str) -> Result<Vec<Coded>, ReadFailure> {
        self.codes().codes_in(value_set)
    }

    fn subsumed(
        &mut self,
        system: Option<&str>,
        code: &str,
        direction: Direction,
    ) -> Result<Vec<Coded>, ReadFailure> {
        self.codes().subsumed(system, code, direction)
    }

    fn hierarchy(
        &mut self,
        start: &ResourceKey,
        parent: ParameterId,
        direction: Direction,
    ) -> Result<Vec<ResourceKey>, ReadFailure> {
        tree::hierarchy(self.app, self.sight, start, parent, direction)
    }

    fn listed(&mut self, list: &Id) -> Result<Vec<ResourceKey>, ReadFailure> {
        tree::listed(self.sight, self.base, list)
    }

    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, ReadFailure> {
        Ok(self.sight.units(p)?)
    }
}
