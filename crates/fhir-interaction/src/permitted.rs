//! A query as a permit lets it be asked.
//!
//! The predicates of a permit speak of all types and may hold any tree of matches; a query looks
//! at some types, and its chains at others. Each place gets the part of the permit that speaks of
//! its types: a store takes a row of a parameter as proof of the type, so that alternatives about
//! other types would bring what nobody asked for. Chains and `_has` of the client are guarded too,
//! or one could ask for what is hidden through what refers to it.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::{Chain, Has, Match, ParameterId, Predicate, Registry, Scope, SearchQuery};

/// The query that finds of `query` what `permit` shows.
pub(crate) fn permitted<'q>(
    query: &'q SearchQuery,
    permit: &[Predicate],
    registry: &Registry,
) -> Cow<'q, SearchQuery> {
    if permit.is_empty() {
        return Cow::Borrowed(query);
    }
    let guard = Guard { registry, permit, is_unclear: Cell::new(false) };
    let mut guarded = query.clone();
    guarded.predicates = guard.guarded_all(&query.predicates);
    guarded.predicates.extend(guard.of_permit(&query.scope));
    if guard.is_unclear.get() {
        guarded.predicates = vec![never()];
    }
    Cow::Owned(guarded)
}

struct Guard<'a> {
    registry: &'a Registry,
    permit: &'a [Predicate],
    /// The permit says something that cannot be decided: then nothing is shown.
    is_unclear: Cell<bool>,
}

/// What is left of a condition where only some types are looked at.
enum Kept<T> {
    Always,
    Never,
    Some(T),
}

impl Guard<'_> {
    /// The conditions of the permit on resources of these types.
    fn of_permit(&self, scope: &Scope) -> Vec<Predicate> {
        match self.all(self.permit, scope) {
            Kept::Always => Vec::new(),
            Kept::Never => vec![never()],
            Kept::Some(predicates) => predicates,
        }
    }

    fn all(&self, predicates: &[Predicate], scope: &Scope) -> Kept<Vec<Predicate>> {
        let mut kept = Vec::with_capacity(predicates.len());
        for predicate in predicates {
            match self.any(&predicate.any, scope) {
                Kept::Always => {}
                Kept::Never => return Kept::Never,
                Kept::Some(any) => kept.push(Predicate { any }),
            }
        }
        if kept.is_empty() { Kept::Always } else { Kept::Some(kept) }
    }

    fn any(&self, alternatives: &[Match], scope: &Scope) -> Kept<Vec<Match>> {
        let mut kept = Vec::with_capacity(alternatives.len());
        for each in alternatives {
            match self.one(each, scope) {
                Kept::Always => return Kept::Always,
                Kept::Never => {}
                Kept::Some(each) => kept.push(each),
            }
        }
        if kept.is_empty() { Kept::Never } else { Kept::Some(kept) }
    }

    fn one(&self, each: &Match, scope: &Scope) -> Kept<Match> {
        match each {
            Match::Never => Kept::Never,
            Match::Row(row) if self.is_asked(row.parameter(), scope) => Kept::Some(each.clone()),
            Match::Row(_) => Kept::Never,
            Match::Hashes(_) => Kept::Some(each.clone()),
            Match::Present(parameters) => match self.asked(parameters, scope) {
                parameters if parameters.is_empty() => Kept::Never,
                parameters => Kept::Some(Match::Present(parameters)),
            },
            Match::Keys(keys) => {
                let keys: Vec<_> =
                    keys.iter().filter(|key| holds(scope, key.resource_type)).cloned().collect();
                if keys.is_empty() { Kept::Never } else { Kept::Some(Match::Keys(Arc::new(keys))) }
            }
            Match::All(all) => match self.all(all, scope) {
                Kept::Always => Kept::Always,
                Kept::Never => Kept::Never,
                Kept::Some(all) => Kept::Some(Match::All(all)),
            },
            Match::Not(any) => match self.any(any, scope) {
                Kept::Always => Kept::Never,
                Kept::Never => Kept::Always,
                Kept::Some(any) => Kept::Some(Match::Not(any)),
            },
            Match::Chain(chain) => self.chain(chain, scope),
            Match::Has(has) => match self.all(&has.all, &Scope::Type(has.source)) {
                Kept::Never => Kept::Never,
                Kept::Always => Kept::Some(Match::Has(Has { all: Vec::new(), ..has.clone() })),
                Kept::Some(all) => Kept::Some(Match::Has(Has { all, ..has.clone() })),
            },
            Match::Lookup(_) => {
                self.is_unclear.set(true);
                Kept::Never
            }
            Match::Text(_) | Match::Id(_) | Match::LastUpdated(_) => Kept::Some(each.clone()),
        }
    }

    fn chain(&self, chain: &Chain, scope: &Scope) -> Kept<Match> {
        let parameters = self.asked(&chain.parameters, scope);
        if parameters.is_empty() {
            return Kept::Never;
        }
        let target = chain.target;
        match self.all(&chain.all, &Scope::Type(target)) {
            Kept::Never => Kept::Never,
            Kept::Always => Kept::Some(Match::Chain(Chain { parameters, target, all: Vec::new() })),
            Kept::Some(all) => Kept::Some(Match::Chain(Chain { parameters, target, all })),
        }
    }

    fn asked(&self, parameters: &[ParameterId], scope: &Scope) -> Vec<ParameterId> {
        parameters.iter().copied().filter(|p| self.is_asked(*p, scope)).collect()
    }

    fn is_asked(&self, p: ParameterId, scope: &Scope) -> bool {
        match self.registry.by_id(p) {
            Some(parameter) => holds(scope, parameter.base),
            None => {
                self.is_unclear.set(true);
                false
            }
        }
    }

    /// The client's predicates with every chain and `_has` guarded.
    fn guarded_all(&self, predicates: &[Predicate]) -> Vec<Predicate> {
        predicates.iter().map(|each| Predicate { any: self.guarded_any(&each.any) }).collect()
    }

    fn guarded_any(&self, any: &[Match]) -> Vec<Match> {
        any.iter().map(|each| self.guarded(each)).collect()
    }

    fn guarded(&self, each: &Match) -> Match {
        match each {
            Match::All(all) => Match::All(self.guarded_all(all)),
            Match::Not(any) => Match::Not(self.guarded_any(any)),
            Match::Chain(chain) => {
                let mut all = self.guarded_all(&chain.all);
                all.extend(self.of_permit(&Scope::Type(chain.target)));
                Match::Chain(Chain { all, ..chain.clone() })
            }
            Match::Has(has) => {
                let mut all = self.guarded_all(&has.all);
                all.extend(self.of_permit(&Scope::Type(has.source)));
                Match::Has(Has { all, ..has.clone() })
            }
            Match::Present(_)
            | Match::Keys(_)
            | Match::Hashes(_)
            | Match::Text(_)
            | Match::Lookup(_)
            | Match::Id(_)
            | Match::LastUpdated(_)
            | Match::Row(_)
            | Match::Never => each.clone(),
        }
    }
}

fn holds(scope: &Scope, resource_type: ResourceType) -> bool {
    match scope {
        Scope::Type(one) => *one == resource_type,
        Scope::Types(several) => several.contains(&resource_type),
        Scope::All => true,
    }
}

fn never() -> Predicate {
    Predicate { any: vec![Match::Never] }
}

#[cfg(test)]
mod tests {
    use fhir_search::{Lookup, RowMatch};

    use super::*;

    fn registry() -> Registry {
        let mut next = 0;
        Registry::r4(&mut |_, _, _| {
            next += 1;
            ParameterId(next)
        })
    }

    fn tag(registry: &Registry, resource_type: ResourceType) -> Match {
        let p = registry.get(resource_type, "_tag").unwrap().id;
        Match::Row(RowMatch::Token { p, code: 1, sys: None })
    }

    fn of(scope: Scope, permit: &[Predicate], client: Vec<Predicate>) -> Vec<Predicate> {
        let registry = registry();
        let mut query = crate::sight::of_type(ResourceType::PATIENT, client);
        query.scope = scope;
        permitted(&query, permit, &registry).predicates.clone()
    }

    #[test]
    fn each_type_gets_its_part_of_the_permit() {
        let registry = registry();
        let [patient, observation] =
            [ResourceType::PATIENT, ResourceType::OBSERVATION].map(|each| tag(&registry, each));
        let one = |any: Vec<Match>| vec![Predicate { any }];
        let permit = one(vec![patient.clone(), observation.clone()]);
        let found = of(Scope::Type(ResourceType::PATIENT), &permit, Vec::new());
        assert_eq!(found, one(vec![patient.clone()]));
        let found = of(Scope::Type(ResourceType::BASIC), &permit, Vec::new());
        assert_eq!(found, [never()]);
        assert_eq!(of(Scope::All, &permit, Vec::new()), permit);
        // "Not tagged" holds for every type that the tag says nothing of.
        let permit = one(vec![Match::Not(vec![patient.clone()])]);
        assert!(of(Scope::Type(ResourceType::BASIC), &permit, Vec::new()).is_empty());
        let both = vec![Predicate { any: vec![patient] }, Predicate { any: vec![observation] }];
        let permit = one(vec![Match::All(both)]);
        assert_eq!(of(Scope::Type(ResourceType::PATIENT), &permit, Vec::new()), [never()]);
    }

    #[test]
    fn chains_of_the_client_see_no_more() {
        let registry = registry();
        let subject = registry.get(ResourceType::OBSERVATION, "subject").unwrap().id;
        let tagged = Predicate { any: vec![tag(&registry, ResourceType::PATIENT)] };
        let chain = Chain { parameters: vec![subject], target: ResourceType::PATIENT, all: vec![] };
        let client = Predicate { any: vec![Match::Not(vec![Match::Chain(chain.clone())])] };
        let found =
            of(Scope::Type(ResourceType::OBSERVATION), std::slice::from_ref(&tagged), vec![client]);
        let guarded = Match::Chain(Chain { all: vec![tagged], ..chain });
        assert_eq!(found, [Predicate { any: vec![Match::Not(vec![guarded])] }, never()]);
    }

    #[test]
    fn what_cannot_be_decided_shows_nothing() {
        let open = Match::Lookup(Lookup::List("a".parse().unwrap()));
        let permit = vec![Predicate { any: vec![Match::Not(vec![open])] }];
        assert_eq!(of(Scope::All, &permit, Vec::new()), [never()]);
    }
}
