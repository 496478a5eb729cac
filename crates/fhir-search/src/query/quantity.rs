//! Quantities: a number with or without a unit.
//! Spec: <https://hl7.org/fhir/R4/search.html#quantity>

use super::parse::Context;
use super::token::Code;
use super::value::{self, Expected, Prefixed};
use super::{Lookup, Match, NumberRange, RowMatch, UnitMatch, ucum};
use crate::ParameterId;

/// A quantity as a search says it.
pub(crate) enum QuantityValue {
    /// Of units as they are named.
    Named(UnitMatch, NumberRange),
    /// Of a UCUM unit, to be found in every unit of the same dimension.
    Ucum(Prefixed, String),
}

impl QuantityValue {
    /// The match under a quantity parameter, or under a composite one beside a code.
    pub(crate) fn matches(&self, p: ParameterId, code: Option<Code>) -> Match {
        match self {
            Self::Named(unit, range) => named(p, code, *unit, range.clone()),
            Self::Ucum(Prefixed { comparator, number }, unit) => Match::Lookup(Lookup::Quantity {
                p,
                code,
                comparator: *comparator,
                number: number.clone(),
                unit: unit.clone(),
            }),
        }
    }
}

/// The rows of a quantity in these units.
pub(crate) fn named(
    p: ParameterId,
    code: Option<Code>,
    unit: UnitMatch,
    range: NumberRange,
) -> Match {
    Match::Row(match code {
        None => RowMatch::Number { p, unit, range },
        Some((code, sys)) => RowMatch::CompositeNumber { p, code, sys, unit, range, range2: None },
    })
}

impl Context<'_> {
    /// `[prefix]number`, `number||code` or `number|system|code`.
    pub(crate) fn quantity_value(&self, text: &str) -> Result<QuantityValue, Expected> {
        let first = value::split(text, '|').first().copied().unwrap_or_default();
        let prefixed = value::prefixed_number(first)?;
        self.quantity_with(text, prefixed)
    }

    /// The units of a quantity's text beside a number that has been read from it.
    pub(crate) fn quantity_with(
        &self,
        text: &str,
        prefixed: Prefixed,
    ) -> Result<QuantityValue, Expected> {
        let parts: Vec<String> = value::split(text, '|').into_iter().map(value::unescape).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let hash = |text: &str| self.hasher.hash(text);
        let unit = match parts.as_slice() {
            [_] | [_, "", ""] => UnitMatch::Any,
            [_, "", code] => UnitMatch::Code(hash(code)),
            [_, ucum::SYSTEM, code] if ucum::Unit::read(code).is_some() => {
                return Ok(QuantityValue::Ucum(prefixed, (*code).to_owned()));
            }
            [_, system, code] if !code.is_empty() => {
                UnitMatch::SystemCode(hash(system), hash(code))
            }
            _ => {
                let what = "a quantity as number, number||code or number|system|code";
                return Err(value::expected(what, text));
            }
        };
        Ok(QuantityValue::Named(unit, prefixed.range()?))
    }
}
