//! Quantities in other units of the same dimension, by UCUM.
//!
//! All reckoning is in decimals of 28 digits, where a unit's factor has its exact value unless the
//! definition itself is a fraction (a degree Fahrenheit is 5/9 K). What comes out is rounded to 20
//! digits, so that a value that is exactly equal in both units stays equal: 98.6 [degF] is 37 Cel.
//! Spec: <https://ucum.org/ucum>, <https://hl7.org/fhir/R4/search.html#quantity>

use octofhir_ucum::{CanonicalUnit, Number, get_canonical_units};

/// The system of UCUM units.
pub(crate) const SYSTEM: &str = "http://unitsofmeasure.org";

/// Digits that are kept of a converted value.
const DIGITS: i32 = 20;

/// Digits that are kept of a sum before it is divided: more, as the division moves its last ones.
const SUM_DIGITS: i32 = 24;

/// A unit that can be converted: one with a linear relation to base units.
#[derive(Debug)]
pub(crate) struct Unit(CanonicalUnit);

impl Unit {
    /// The unit of this code; none where UCUM has none, or it is on a logarithmic scale.
    pub(crate) fn read(code: &str) -> Option<Self> {
        let unit = get_canonical_units(code).ok()?;
        (!unit.factor.is_zero()).then_some(Self(unit))
    }

    /// What `number` of this unit is in `other`, as a decimal's text; none where they measure
    /// different things or the number is beyond reckoning.
    pub(crate) fn convert(&self, number: &str, other: &Self) -> Option<String> {
        if self.0.unit != other.0.unit {
            return None;
        }
        let number = Number::parse(number)?;
        let mut base = number.checked_mul(self.0.factor)?;
        if self.0.offset != other.0.offset {
            let moved = base.checked_add(self.0.offset)?.checked_sub(other.0.offset)?;
            // The sum may be nearly nothing although its parts are not: what is left of them
            // beyond their own digits is noise.
            let last = magnitude(base).max(magnitude(self.0.offset)).max(magnitude(other.0.offset));
            base = rounded(moved, last - SUM_DIGITS);
        }
        let converted = base.checked_div(other.0.factor)?;
        let (digits, exponent) =
            rounded(converted, magnitude(converted) - DIGITS).to_integer_and_exponent();
        Some(format!("{digits}e{exponent}"))
    }
}

/// How many metres a unit of length is.
pub(crate) fn metres(code: &str) -> Option<f64> {
    let unit = get_canonical_units(code).ok()?;
    (unit.unit == "m").then(|| unit.factor.to_f64())
}

/// The power of ten just above the number.
fn magnitude(number: Number) -> i32 {
    let (digits, exponent) = number.to_integer_and_exponent();
    let places = digits.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
    exponent.saturating_add_unsigned(places)
}

/// The number rounded to a power of ten, halves away from zero.
fn rounded(number: Number, last: i32) -> Number {
    let (digits, exponent) = number.to_integer_and_exponent();
    let Some(drop) = last.checked_sub(exponent).and_then(|drop| u32::try_from(drop).ok()) else {
        return number;
    };
    let Some(step) = 10_i128.checked_pow(drop) else { return Number::ZERO };
    let half = if digits < 0 { -(step / 2) } else { step / 2 };
    Number::parse(&format!("{}e{last}", (digits + half) / step)).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use fhir_model::decimal::Decimal;

    use super::*;

    #[track_caller]
    fn assert_converts(number: &str, from: &str, expected: &str, to: &str) {
        let (from, to) = (Unit::read(from).unwrap(), Unit::read(to).unwrap());
        let found: Decimal = from.convert(number, &to).unwrap().parse().unwrap();
        assert_eq!(found, expected.parse::<Decimal>().unwrap());
    }

    #[test]
    fn equal_amounts_stay_equal() {
        assert_converts("1", "g", "1000", "mg");
        assert_converts("5.4", "mg", "0.0054", "g");
        assert_converts("98.6", "[degF]", "37", "Cel");
        assert_converts("37", "Cel", "98.6", "[degF]");
        assert_converts("32", "[degF]", "0", "Cel");
        assert_converts("-40", "Cel", "-40", "[degF]");
        assert_converts("1", "[in_i]", "2.54", "cm");
        assert_converts("1", "mmol/L", "1000", "umol/L");
        assert_converts("5", "%", "0.05", "1");
        assert_converts("120", "mm[Hg]", "12", "cm[Hg]");
        assert_converts("0", "km/h", "0", "m/s");
        assert_converts("36", "km/h", "10", "m/s");
    }

    #[test]
    fn other_dimensions_and_scales_do_not_convert() {
        let unit = |code| Unit::read(code).unwrap();
        assert_eq!(unit("g").convert("1", &unit("m")), None);
        assert_eq!(unit("[iU]/L").convert("1", &unit("g/L")), None);
        assert!(Unit::read("[pH]").is_none() && Unit::read("stone").is_none());
        assert!(Unit::read("").is_none());
    }

    #[test]
    fn lengths_have_metres() {
        assert_eq!(metres("km"), Some(1000.0));
        assert_eq!(metres("[nmi_i]"), Some(1852.0));
        assert_eq!(metres("kg"), None);
    }
}
