//! A query as a permit lets it be asked.
//!
//! A permit says of each type how far the caller reaches. A query looks at some types, and its
//! chains at others: each place gets the conditions of its types, so that nobody can ask for what
//! is hidden through what refers to it.

pub(crate) mod unconcealed;

use std::borrow::Cow;

use fhir_access::{Limit, Permit};
use fhir_definitions::ResourceType;
use fhir_search::{Chain, Has, Match, ParameterId, Predicate, Registry, Scope, SearchQuery};

/// The query that finds of `query` what `permit` shows.
pub(crate) fn permitted<'q>(
    query: &'q SearchQuery,
    permit: &Permit,
    registry: &Registry,
) -> Cow<'q, SearchQuery> {
    if permit.sees_all() && !permit.conceals_some() {
        return Cow::Borrowed(query);
    }
    // What the operator's limits ask for is asked of the whole resource, what the client asks for
    // of what the client may see of it.
    let mut asked = query.clone();
    asked.predicates = unconcealed::all(&query.predicates, permit);
    if permit.sees_all() {
        return Cow::Owned(asked);
    }
    let query = &asked;
    let (scope, conditions) = Guard { permit, only: None }.of_scope(&query.scope);
    let only = match &scope {
        Scope::Types(visible) => Some((visible.as_slice(), registry)),
        Scope::Type(_) | Scope::All => None,
    };
    let mut guarded = query.clone();
    guarded.predicates = Guard { permit, only }.guarded_all(&query.predicates);
    guarded.predicates.extend(conditions);
    guarded.scope = scope;
    Cow::Owned(guarded)
}

/// The query with its chains guarded, for whoever sees to it by other means that only visible
/// resources are given out.
pub(crate) fn guarded_chains(query: &SearchQuery, permit: &Permit) -> SearchQuery {
    let mut guarded = query.clone();
    let asked = unconcealed::all(&query.predicates, permit);
    guarded.predicates = Guard { permit, only: None }.guarded_all(&asked);
    guarded
}

struct Guard<'a> {
    permit: &'a Permit,
    /// Alternatives about other types than these go: a store takes a row of a parameter as proof
    /// of the type, and would bring what nobody may see.
    only: Option<(&'a [ResourceType], &'a Registry)>,
}

impl Guard<'_> {
    /// The types of a scope of which anything may be seen, and the conditions on them.
    fn of_scope(&self, scope: &Scope) -> (Scope, Vec<Predicate>) {
        let types: Vec<ResourceType> = match scope {
            Scope::Type(one) => return (scope.clone(), self.of_type(*one)),
            Scope::Types(several) => several.clone(),
            Scope::All => ResourceType::all().collect(),
        };
        let mut visible = Vec::with_capacity(types.len());
        let mut whole = Vec::new();
        let mut any = Vec::new();
        for of in types {
            match self.permit.sees(of) {
                Limit::Nothing => continue,
                Limit::Everything => whole.push(of),
                Limit::Such(all) => any.extend(of_one(of, decidable(all))),
            }
            visible.push(of);
        }
        let predicates = if any.is_empty() {
            Vec::new()
        } else {
            any.extend((!whole.is_empty()).then_some(Match::OfType(whole)));
            vec![Predicate { any }]
        };
        (Scope::Types(visible), predicates)
    }

    /// The conditions on resources of a type.
    fn of_type(&self, of: ResourceType) -> Vec<Predicate> {
        match self.permit.sees(of) {
            Limit::Nothing => vec![never()],
            Limit::Everything => Vec::new(),
            Limit::Such(all) => decidable(all),
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
        let inner = Guard { permit: self.permit, only: None };
        match each {
            Match::All(all) => Match::All(self.guarded_all(all)),
            Match::Not(any) => Match::Not(self.guarded_any(any)),
            Match::Chain(chain) => {
                let mut all = inner.guarded_all(&chain.all);
                all.extend(self.of_type(chain.target));
                let parameters = self.asked(&chain.parameters);
                if parameters.is_empty() {
                    return Match::Never;
                }
                Match::Chain(Chain { parameters, target: chain.target, all })
            }
            Match::Has(has) => {
                let mut all = inner.guarded_all(&has.all);
                all.extend(self.of_type(has.source));
                Match::Has(Has { all, ..has.clone() })
            }
            Match::Row(row) if self.asked(&[row.parameter()]).is_empty() => Match::Never,
            Match::Present(parameters) => Match::Present(self.asked(parameters)),
            Match::Row(_)
            | Match::Keys(_)
            | Match::Hashes(_)
            | Match::Text(_)
            | Match::Lookup(_)
            | Match::OfType(_)
            | Match::Person(_)
            | Match::Id(_)
            | Match::LastUpdated(_)
            | Match::Never => each.clone(),
        }
    }

    /// Those of the parameters that are about types that are looked at.
    fn asked(&self, parameters: &[ParameterId]) -> Vec<ParameterId> {
        let Some((only, registry)) = self.only else { return parameters.to_vec() };
        let is_asked = |p: &ParameterId| {
            registry.by_id(*p).is_some_and(|parameter| only.contains(&parameter.base))
        };
        parameters.iter().copied().filter(is_asked).collect()
    }
}

/// Conditions that the store can decide; what would have to be looked up first shows nothing.
fn decidable(all: Vec<Predicate>) -> Vec<Predicate> {
    if all.iter().any(Predicate::has_lookups) { vec![never()] } else { all }
}

/// The conditions on a type as alternatives that hold for no other type.
fn of_one(of: ResourceType, mut all: Vec<Predicate>) -> Vec<Match> {
    if let [only] = all.as_slice()
        && only.any.iter().all(is_of_one)
    {
        return only.any.clone();
    }
    if !all.iter().any(|each| each.any.iter().all(is_of_one)) {
        all.push(Predicate { any: vec![Match::OfType(vec![of])] });
    }
    vec![Match::All(all)]
}

/// Whether the store takes it as proof of the type: a parameter belongs to one.
fn is_of_one(each: &Match) -> bool {
    matches!(each, Match::Row(_) | Match::Keys(_) | Match::Never)
}

fn never() -> Predicate {
    Predicate { any: vec![Match::Never] }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use fhir_access::trace::Record;
    use fhir_access::{Ask, Caller, Decision, Interaction, Policy, Reach, Rights, Words, gate};
    use fhir_model::ResourceKey;
    use fhir_search::{Lookup, RowMatch};

    use super::*;

    const PATIENT: ResourceType = ResourceType::PATIENT;
    const OBSERVATION: ResourceType = ResourceType::OBSERVATION;

    struct Fixed(Arc<Reach>);

    impl Policy for Fixed {
        fn decide(&self, _ask: &Ask<'_>) -> Decision {
            Decision::Allow(Arc::clone(&self.0))
        }
    }

    struct NoWords;

    impl Words for NoWords {
        fn generation(&self) -> u64 {
            0
        }

        fn conditions(
            &self,
            _resource_type: ResourceType,
            _pairs: &[(String, String)],
        ) -> Option<Vec<Predicate>> {
            None
        }

        fn readers(
            &self,
            _resource_type: ResourceType,
            _names: &BTreeSet<String>,
        ) -> BTreeSet<ParameterId> {
            BTreeSet::new()
        }

        fn compartment(&self, _key: &ResourceKey, _of: ResourceType) -> Option<Predicate> {
            None
        }
    }

    fn registry() -> Registry {
        let mut next = 0;
        Registry::r4(&mut |_, _, _| {
            next += 1;
            ParameterId(next)
        })
    }

    fn tag(resource_type: ResourceType) -> Match {
        let p = registry().get(resource_type, "_tag").unwrap().id;
        Match::Row(RowMatch::Token { p, code: 1, sys: None })
    }

    fn one(each: Match) -> Predicate {
        Predicate { any: vec![each] }
    }

    fn reach(lines: &[(ResourceType, Limit)]) -> Reach {
        let mut reach = Reach::default();
        for (of, limit) in lines {
            reach.set(*of, Rights::ALL, limit);
        }
        reach
    }

    fn asked(reach: Reach, scope: Scope, client: Vec<Predicate>) -> SearchQuery {
        let caller = Caller::everyone();
        let ask = Ask {
            caller: &caller,
            interaction: Interaction::SearchSystem,
            resource_type: None,
            operation: None,
            words: &NoWords,
            record: &Record::default(),
        };
        let permit = gate(&Fixed(Arc::new(reach)), &ask).unwrap();
        let mut query = crate::sight::of_type(PATIENT, client);
        query.scope = scope;
        permitted(&query, &permit, &registry()).into_owned()
    }

    #[test]
    fn each_type_gets_its_own_conditions() {
        let such = |of| Limit::Such(vec![one(tag(of))]);
        let both = [(PATIENT, such(PATIENT)), (OBSERVATION, such(OBSERVATION))];
        let of = |scope| asked(reach(&both), scope, Vec::new()).predicates;
        assert_eq!(of(Scope::Type(PATIENT)), [one(tag(PATIENT))]);
        assert_eq!(of(Scope::Type(ResourceType::BASIC)), [never()]);
        let found = asked(reach(&both), Scope::All, Vec::new());
        assert_eq!(found.scope, Scope::Types(vec![OBSERVATION, PATIENT]));
        assert_eq!(found.predicates, [Predicate { any: vec![tag(OBSERVATION), tag(PATIENT)] }]);
    }

    #[test]
    fn what_speaks_of_no_type_holds_for_its_own_only() {
        let not = one(Match::Not(vec![tag(PATIENT)]));
        let lines = [(PATIENT, Limit::Such(vec![not.clone()])), (OBSERVATION, Limit::Everything)];
        let found = asked(reach(&lines), Scope::All, Vec::new());
        let of = |of| one(Match::OfType(vec![of]));
        let any = vec![Match::All(vec![not, of(PATIENT)]), Match::OfType(vec![OBSERVATION])];
        assert_eq!(found.predicates, [Predicate { any }]);
        let nothing = asked(Reach::default(), Scope::All, Vec::new());
        assert_eq!(nothing.scope, Scope::Types(Vec::new()));
    }

    #[test]
    fn alternatives_about_hidden_types_go() {
        let lines = [(PATIENT, Limit::Everything)];
        let client = Predicate { any: vec![tag(PATIENT), tag(OBSERVATION)] };
        let found = asked(reach(&lines), Scope::All, vec![client]);
        assert_eq!(found.predicates, [Predicate { any: vec![tag(PATIENT), Match::Never] }]);
    }

    #[test]
    fn chains_of_the_client_see_no_more() {
        let subject = registry().get(OBSERVATION, "subject").unwrap().id;
        let chain = Chain { parameters: vec![subject], target: PATIENT, all: vec![] };
        let client = one(Match::Not(vec![Match::Chain(chain.clone())]));
        let lines =
            [(PATIENT, Limit::Such(vec![one(tag(PATIENT))])), (OBSERVATION, Limit::Everything)];
        let found = asked(reach(&lines), Scope::Type(OBSERVATION), vec![client]).predicates;
        let guarded = Match::Chain(Chain { all: vec![one(tag(PATIENT))], ..chain });
        assert_eq!(found, [one(Match::Not(vec![guarded]))]);
    }

    #[test]
    fn what_cannot_be_decided_shows_nothing() {
        let open = Match::Lookup(Lookup::List("a".parse().unwrap()));
        let limit = Limit::Such(vec![one(Match::Not(vec![open]))]);
        let found = asked(reach(&[(PATIENT, limit)]), Scope::Type(PATIENT), Vec::new());
        assert_eq!(found.predicates, [never()]);
    }
}
