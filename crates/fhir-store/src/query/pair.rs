//! Predicates that have a list together: a code and a date, a code and a number.
//!
//! Such a list holds all that satisfies both, and perhaps more: both are probed on what it gives.
//! So it may be walked in the place of either, which is worth it where each by itself is long.

use fhir_definitions::ResourceType;
use fhir_search::{DateMatch, Indexer, Match, Predicate, RowMatch};

use super::arm::{self, Arm};
use super::plan::Leg;
use super::source::Source;
use crate::sql::Dialect;

/// More lists are not put together.
const MOST: usize = 24;

/// The legs that stand for two of these each.
pub(crate) fn pairs(
    dialect: Dialect,
    indexer: &Indexer,
    of: ResourceType,
    legs: &[Leg],
) -> Vec<Leg> {
    let Some(main_code) = indexer.main_code(of) else { return Vec::new() };
    let is_code = |row: &&RowMatch| row.parameter() == main_code;
    let mut out = Vec::new();
    for (place, leg) in legs.iter().enumerate() {
        let Some(codes) = rows_of(&leg.predicate) else { continue };
        if codes.is_empty() || !codes.iter().all(is_code) {
            continue;
        }
        for (other, second) in legs.iter().enumerate() {
            let arms = match dates(&second.predicate) {
                Some(whens) if second.date.is_some() && second.date == indexer.main_date(of) => {
                    with_dates(&codes, &whens)
                }
                Some(_) => None,
                None => with_numbers(dialect, indexer, of, &codes, &second.predicate),
            };
            if let Some(arms) = arms.filter(|arms| arms.len() <= MOST) {
                let both = vec![leg.predicate.clone(), second.predicate.clone()];
                let source = Source { is_exact: false, ..Source::new(arms) };
                out.push(Leg::pair(
                    Predicate { any: vec![Match::All(both)] },
                    source,
                    [place, other],
                ));
            }
        }
    }
    out
}

/// The alternatives of a predicate, where each is one condition on rows.
fn rows_of(predicate: &Predicate) -> Option<Vec<&RowMatch>> {
    let mut rows = Vec::with_capacity(predicate.any.len());
    for each in &predicate.any {
        let Match::Row(row) = each else { return None };
        rows.push(row);
    }
    Some(rows)
}

/// The conditions on one date that a predicate is.
pub(crate) fn dates(predicate: &Predicate) -> Option<Vec<DateMatch>> {
    let one = |predicate: &Predicate| match predicate.any.as_slice() {
        [Match::Row(RowMatch::Date { when, .. })] => Some(*when),
        _ => None,
    };
    match predicate.any.as_slice() {
        [Match::All(all)] => all.iter().map(one).collect(),
        _ => one(predicate).map(|when| vec![when]),
    }
}

fn with_dates(codes: &[&RowMatch], whens: &[DateMatch]) -> Option<Vec<Arm>> {
    let mut arms = Vec::new();
    for row in codes {
        let RowMatch::Token { p, code, .. } = row else { return None };
        arms.extend(arm::code_dates(*p, *code, whens)?);
    }
    Some(arms)
}

/// The rows of the composite of both, and the resources that have values beside those.
fn with_numbers(
    dialect: Dialect,
    indexer: &Indexer,
    of: ResourceType,
    codes: &[&RowMatch],
    numbers: &Predicate,
) -> Option<Vec<Arm>> {
    let composite = indexer.main_composite(of)?;
    let main = indexer.main_number(of)?;
    let numbers = rows_of(numbers)?;
    let mut arms = Vec::new();
    for number in &numbers {
        let RowMatch::Number { p, unit, range } = number else { return None };
        if *p != main {
            return None;
        }
        for row in codes {
            let RowMatch::Token { code, sys, .. } = row else { return None };
            let (code, sys, range) = (*code, *sys, range.clone());
            let (p, unit) = (composite, *unit);
            let row = RowMatch::CompositeNumber { p, code, sys, unit, range, range2: None };
            arms.extend(arm::arms(dialect, &row));
        }
    }
    if !arms.is_empty() {
        let others = RowMatch::Token { p: composite, code: 0, sys: Some(0) };
        arms.extend(arm::arms(dialect, &others));
    }
    Some(arms).filter(|arms| !arms.is_empty())
}
