//! How stored values are compared: units, ranges of dates, ranges of numbers.

use crate::ParameterId;
use crate::hash::NONE;
use crate::rows::UnitRow;

/// Which units of a parameter a search means; all but `Plain` are found by the rows of `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitMatch {
    /// Numbers, which have no units.
    Plain,
    /// Whatever the unit, and without one.
    Any,
    /// This hash is the code's, in any system, or the text's.
    Code(i64),
    /// The hashes of the system and of the code.
    SystemCode(i64, i64),
    /// This unit, by [`UnitRow::unit`]: what a quantity in another unit was converted to.
    Unit(i64),
}

impl UnitMatch {
    /// Whether a unit that stands in `number` is meant. The store's SQL says the same.
    #[must_use]
    pub fn holds(&self, p: ParameterId, unit: i64, units: &[UnitRow]) -> bool {
        let mut named = units.iter().filter(|row| row.p == p.0 && row.unit == unit);
        match *self {
            Self::Plain => unit == NONE,
            Self::Any => named.next().is_some(),
            Self::Code(code) => named.any(|row| row.code == code || row.text == code),
            Self::SystemCode(sys, code) => named.any(|row| row.sys == sys && row.code == code),
            Self::Unit(own) => own == unit,
        }
    }
}

/// The prefix of a date or number.
/// Spec: <https://hl7.org/fhir/R4/search.html#prefix>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Comparator {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

/// A date to compare stored ranges with; [`DateMatch::holds`] says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateMatch {
    /// How to compare.
    pub comparator: Comparator,
    /// First instant searched, in microseconds; widened already for `ap`.
    pub lo: i64,
    /// First instant after it.
    pub hi: i64,
}

impl DateMatch {
    /// Whether a stored range is found. The store's SQL says the same.
    #[must_use]
    pub const fn holds(&self, lo: i64, hi: i64) -> bool {
        match self.comparator {
            Comparator::Eq => lo >= self.lo && hi <= self.hi,
            Comparator::Ne => lo < self.lo || hi > self.hi,
            Comparator::Gt => hi > self.hi,
            Comparator::Lt => lo < self.lo,
            Comparator::Ge => lo >= self.lo || hi > self.hi,
            Comparator::Le => lo < self.lo || hi <= self.hi,
            Comparator::Sa => lo >= self.hi,
            Comparator::Eb => hi <= self.lo,
            Comparator::Ap => lo < self.hi && hi > self.lo,
        }
    }
}

/// A range of exact decimals in their order-preserving bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberRange {
    /// Lower end and whether it belongs to the range; none: unbounded.
    pub min: Option<(Vec<u8>, bool)>,
    /// Upper end and whether it belongs to the range; none: unbounded.
    pub max: Option<(Vec<u8>, bool)>,
    /// The values outside are wanted (`ne`).
    pub negated: bool,
}

impl NumberRange {
    /// Whether a stored value is found. The store's SQL says the same.
    #[must_use]
    pub fn holds(&self, value: &[u8]) -> bool {
        let above = self.min.as_ref().is_none_or(|(min, inclusive)| {
            value > min.as_slice() || (*inclusive && value == min.as_slice())
        });
        let below = self.max.as_ref().is_none_or(|(max, inclusive)| {
            value < max.as_slice() || (*inclusive && value == max.as_slice())
        });
        (above && below) != self.negated
    }
}
