//! Lookups replaced by plain matches, once the answers are there.

use std::sync::Arc;

use fhir_model::decimal::Decimal;

use super::quantity::named;
use super::token::Code;
use super::ucum::{self, Unit};
use super::value::{Bounds, Prefixed};
use super::{
    Answers, Coded, Lookup, Match, NumberRange, Predicate, RowMatch, SearchQuery, UnitMatch,
};
use crate::hash::NONE;
use crate::{ParameterId, Registry, ValueHasher};

impl SearchQuery {
    /// Replaces every [`Match::Lookup`] by plain matches.
    ///
    /// # Errors
    /// What `answers` fails with.
    pub fn resolve<A: Answers>(
        &mut self,
        registry: &Registry,
        hasher: &ValueHasher,
        answers: &mut A,
    ) -> Result<(), A::Error> {
        let mut resolver = Resolver { registry, hasher, answers };
        resolver.all(&mut self.predicates)
    }
}

struct Resolver<'a, A> {
    registry: &'a Registry,
    hasher: &'a ValueHasher,
    answers: &'a mut A,
}

impl<A: Answers> Resolver<'_, A> {
    fn all(&mut self, predicates: &mut [Predicate]) -> Result<(), A::Error> {
        predicates.iter_mut().try_for_each(|predicate| self.any(&mut predicate.any))
    }

    fn any(&mut self, any: &mut Vec<Match>) -> Result<(), A::Error> {
        let mut resolved = Vec::with_capacity(any.len());
        for mut each in std::mem::take(any) {
            match &mut each {
                Match::Lookup(lookup) => {
                    resolved.extend(self.lookup(lookup)?);
                    continue;
                }
                Match::All(all) => self.all(all)?,
                Match::Not(none) => self.any(none)?,
                Match::Chain(chain) => self.all(&mut chain.all)?,
                Match::Has(has) => self.all(&mut has.all)?,
                Match::Present(_)
                | Match::Keys(_)
                | Match::Hashes(_)
                | Match::Text(_)
                | Match::OfType(_)
                | Match::Person(_)
                | Match::Id(_)
                | Match::LastUpdated(_)
                | Match::Row(_)
                | Match::Never => {}
            }
            resolved.push(each);
        }
        *any = resolved;
        Ok(())
    }

    fn lookup(&mut self, lookup: &Lookup) -> Result<Vec<Match>, A::Error> {
        Ok(match lookup {
            Lookup::ValueSet { p, value_set } => {
                let codes = self.answers.codes_in(value_set)?;
                vec![self.token_set(*p, &codes)]
            }
            Lookup::Subsumed { p, system, code, direction } => {
                let codes = self.answers.subsumed(system.as_deref(), code, *direction)?;
                vec![self.token_set(*p, &codes)]
            }
            Lookup::Hierarchy { p, start, parent, direction } => {
                let keys = self.answers.hierarchy(start, *parent, *direction)?;
                let targets = keys.iter().map(|key| self.hasher.reference(key)).collect();
                vec![Match::Row(RowMatch::Reference { p: *p, targets })]
            }
            Lookup::List(id) => vec![Match::Keys(Arc::new(self.answers.listed(id)?))],
            Lookup::Quantity { p, code, comparator, number, unit } => {
                let value = Prefixed { comparator: *comparator, number: number.clone() };
                let units = self.answers.units(*p)?;
                quantities(self.hasher, *p, *code, &value, unit, &units)
            }
        })
    }

    /// The rows of these codes. What an element of type `code` says stands without a system where
    /// no binding implies one.
    fn token_set(&self, p: ParameterId, codes: &[Coded]) -> Match {
        let parameter = self.registry.by_id(p);
        let is_bare =
            parameter.is_none_or(|parameter| self.registry.reads(parameter).has_bare_codes());
        let mut hashed: Vec<Code> = Vec::with_capacity(codes.len());
        for Coded { system, code } in codes {
            let code = self.hasher.code(code);
            let sys = system.as_ref().map_or(NONE, |system| self.hasher.hash(system));
            hashed.push((code, Some(sys)));
            if is_bare {
                hashed.push((code, Some(NONE)));
            }
        }
        hashed.sort_unstable();
        hashed.dedup();
        match hashed.as_slice() {
            [] => Match::Never,
            _ => Match::Row(RowMatch::TokenSet { p, codes: Arc::new(hashed) }),
        }
    }
}

/// A quantity in its own unit and in every stored one that it can be converted to.
fn quantities(
    hasher: &ValueHasher,
    p: ParameterId,
    code: Option<Code>,
    value: &Prefixed,
    unit: &str,
    units: &[(i64, String)],
) -> Vec<Match> {
    // The parser has read both already.
    let Ok(bounds) = value.bounds() else { return vec![Match::Never] };
    let Some(from) = Unit::read(unit) else { return vec![Match::Never] };
    let own = UnitMatch::SystemCode(hasher.hash(ucum::SYSTEM), hasher.hash(unit));
    let exact = |end: &(Decimal, bool)| Some((end.0.to_key(), end.1));
    let as_written = NumberRange {
        min: bounds.min.as_ref().and_then(exact),
        max: bounds.max.as_ref().and_then(exact),
        negated: bounds.negated,
    };
    let mut any = vec![named(p, code, own, as_written)];
    for (stored, ucum) in units.iter().filter(|(_, ucum)| ucum != unit) {
        let range = Unit::read(ucum).and_then(|to| converted(&bounds, &from, &to));
        any.extend(range.map(|range| named(p, code, UnitMatch::Unit(*stored), range)));
    }
    any
}

/// The bounds in another unit, none where that is impossible.
fn converted(bounds: &Bounds, from: &Unit, to: &Unit) -> Option<NumberRange> {
    let end = |end: &Option<(Decimal, bool)>| match end {
        None => Some(None),
        Some((number, inclusive)) => {
            let number: Decimal = from.convert(&number.to_string(), to)?.parse().ok()?;
            Some(Some((number.to_key(), *inclusive)))
        }
    };
    Some(NumberRange { min: end(&bounds.min)?, max: end(&bounds.max)?, negated: bounds.negated })
}
