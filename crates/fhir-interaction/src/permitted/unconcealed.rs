//! Conditions of the client on what a label hides: they hold of no resource that bears it, so that
//! nobody can ask for what they may not see.

use fhir_access::{Concealed, Permit};
use fhir_model::{Failure, FailureKind};
use fhir_search::{Has, Match, ParameterId, Predicate, SearchQuery, SortBy};

/// The conditions as they hold of what the caller may see of resources.
pub(super) fn all(predicates: &[Predicate], permit: &Permit) -> Vec<Predicate> {
    if !permit.conceals_some() {
        return predicates.to_vec();
    }
    let mut found = Vec::with_capacity(predicates.len());
    for predicate in predicates {
        let plain = predicate.any.iter().map(|each| inside(each, permit)).collect();
        let mut labels = predicate.any.iter().map(|each| labels_of(each, permit));
        let first = labels.next().unwrap_or_default();
        if labels.all(|other| other == first) {
            // Alternatives that are all about the same stand as they are, so that a store can
            // start from them.
            found.push(Predicate { any: plain });
            found.extend(first.into_iter().map(unlabelled));
            continue;
        }
        let one = |each: &Match| whole(each, permit);
        found.push(Predicate { any: predicate.any.iter().map(one).collect() });
    }
    found
}

/// A condition that holds by itself of what may be seen.
fn whole(each: &Match, permit: &Permit) -> Match {
    let labels = labels_of(each, permit);
    let plain = inside(each, permit);
    if labels.is_empty() {
        return plain;
    }
    let mut all = vec![Predicate { any: vec![plain] }];
    all.extend(labels.into_iter().map(unlabelled));
    Match::All(all)
}

/// A condition whose inner conditions hold of what may be seen.
fn inside(each: &Match, permit: &Permit) -> Match {
    match each {
        Match::All(inner) => Match::All(all(inner, permit)),
        Match::Not(any) => Match::Not(any.iter().map(|each| whole(each, permit)).collect()),
        Match::Chain(chain) => {
            let mut chain = chain.clone();
            chain.all = all(&chain.all, permit);
            Match::Chain(chain)
        }
        Match::Has(has) => {
            let mut inner = all(&has.all, permit);
            // That one refers to the other is told by the one that refers.
            inner.extend(labels_on(&has.parameters, permit).into_iter().map(unlabelled));
            Match::Has(Has { all: inner, ..has.clone() })
        }
        Match::Present(_)
        | Match::Keys(_)
        | Match::Hashes(_)
        | Match::Text(_)
        | Match::Lookup(_)
        | Match::OfType(_)
        | Match::Person(_)
        | Match::Id(_)
        | Match::LastUpdated(_)
        | Match::Row(_)
        | Match::Never => each.clone(),
    }
}

/// The labels that hide what a condition asks about.
fn labels_of<'p>(each: &Match, permit: &'p Permit) -> Vec<&'p Concealed> {
    match each {
        Match::Row(row) => labels_on(&[row.parameter()], permit),
        Match::Present(parameters) => labels_on(parameters, permit),
        Match::Chain(chain) => labels_on(&chain.parameters, permit),
        // Words may stand in any element.
        Match::Text(_) => permit.all_concealed().map(|(_, concealed)| concealed).collect(),
        Match::All(_)
        | Match::Not(_)
        | Match::Has(_)
        | Match::Keys(_)
        | Match::Hashes(_)
        | Match::Lookup(_)
        | Match::OfType(_)
        | Match::Person(_)
        | Match::Id(_)
        | Match::LastUpdated(_)
        | Match::Never => Vec::new(),
    }
}

fn labels_on<'p>(parameters: &[ParameterId], permit: &'p Permit) -> Vec<&'p Concealed> {
    let is_hidden = |concealed: &&Concealed| {
        parameters.iter().any(|parameter| concealed.parameters.contains(parameter))
    };
    permit.all_concealed().map(|(_, concealed)| concealed).filter(is_hidden).collect()
}

/// "The resource doesn't bear the label."
fn unlabelled(concealed: &Concealed) -> Predicate {
    let any = match concealed.labelled.as_slice() {
        [one] => one.any.clone(),
        several => vec![Match::All(several.to_vec())],
    };
    Predicate { any: vec![Match::Not(any)] }
}

/// An order by what a label hides would tell it.
///
/// # Errors
/// `Forbidden`, whether or not there is anything that bears the label.
pub(crate) fn refuse_hidden_order(query: &SearchQuery, permit: &Permit) -> Result<(), Failure> {
    let is_hidden = |by: &SortBy| match by {
        SortBy::Date(parameters)
        | SortBy::String(parameters)
        | SortBy::Number(parameters)
        | SortBy::Uri(parameters)
        | SortBy::Token(parameters)
        | SortBy::Reference(parameters) => !labels_on(parameters, permit).is_empty(),
        SortBy::Id | SortBy::LastUpdated => false,
    };
    if !query.sort.iter().any(|key| is_hidden(&key.by)) {
        return Ok(());
    }
    let text = "the caller may not sort by what security labels hide";
    Err(Failure::new(FailureKind::Forbidden, text).at("http._sort"))
}
