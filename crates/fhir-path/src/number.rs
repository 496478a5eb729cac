//! Arithmetic on decimals: exact for sums, differences and products that fit 38 digits.
//!
//! What does not fit has no result, as the specification wants it for an overflow.

use fhir_model::decimal::Decimal;

/// Digits after the point of a quotient that does not come out even.
const QUOTIENT_DIGITS: i64 = 16;

fn ten_to(exponent: i64) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// Both numbers as whole ones of the same power of ten.
fn aligned(one: &Decimal, other: &Decimal) -> Option<(i128, i128, i64)> {
    let scale = one.scale().min(other.scale());
    let at = |number: &Decimal| {
        let mantissa = number.mantissa()?;
        if mantissa == 0 { Some(0) } else { mantissa.checked_mul(ten_to(number.scale() - scale)?) }
    };
    Some((at(one)?, at(other)?, scale))
}

pub(crate) fn integer(value: i64) -> Decimal {
    Decimal::from_parts(i128::from(value), 0)
}

pub(crate) fn add(one: &Decimal, other: &Decimal) -> Option<Decimal> {
    let (one, other, scale) = aligned(one, other)?;
    Some(Decimal::from_parts(one.checked_add(other)?, scale))
}

pub(crate) fn subtract(one: &Decimal, other: &Decimal) -> Option<Decimal> {
    let (one, other, scale) = aligned(one, other)?;
    Some(Decimal::from_parts(one.checked_sub(other)?, scale))
}

pub(crate) fn multiply(one: &Decimal, other: &Decimal) -> Option<Decimal> {
    let mantissa = one.mantissa()?.checked_mul(other.mantissa()?)?;
    Some(Decimal::from_parts(mantissa, one.scale() + other.scale()))
}

pub(crate) fn negate(value: &Decimal) -> Option<Decimal> {
    Some(Decimal::from_parts(value.mantissa()?.checked_neg()?, value.scale()))
}

/// The quotient, rounded half away from zero where it does not come out even; nothing for a
/// division by zero.
pub(crate) fn divide(one: &Decimal, other: &Decimal) -> Option<Decimal> {
    let divisor = other.mantissa().filter(|divisor| *divisor != 0)?;
    let mut more = (one.scale() - other.scale() + QUOTIENT_DIGITS).max(0);
    let dividend = loop {
        let wider = ten_to(more).and_then(|factor| one.mantissa()?.checked_mul(factor));
        match wider {
            Some(wider) => break wider,
            None => more = more.checked_sub(1).filter(|more| *more >= 0)?,
        }
    };
    let quotient = rounded(dividend, divisor)?;
    Some(shortened(quotient, one.scale() - other.scale() - more))
}

fn rounded(dividend: i128, divisor: i128) -> Option<i128> {
    let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let is_up = rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
    let sign = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    quotient.checked_add(if is_up && rest != 0 { sign } else { 0 })
}

/// Without zeros at the end of the fraction.
fn shortened(mut mantissa: i128, mut scale: i64) -> Decimal {
    while scale < 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale += 1;
    }
    Decimal::from_parts(mantissa, scale)
}

/// The whole number of times that `other` goes into `one`, and what is left.
pub(crate) fn divide_whole(one: &Decimal, other: &Decimal) -> Option<(i64, Decimal)> {
    let (one, other, scale) = aligned(one, other)?;
    let quotient = i64::try_from(one.checked_div(other)?).ok()?;
    Some((quotient, Decimal::from_parts(one.checked_rem(other)?, scale)))
}

/// The number with `places` digits after the point, half away from zero.
pub(crate) fn round(value: &Decimal, places: i64) -> Option<Decimal> {
    let over = -value.scale() - places;
    if over <= 0 {
        return Some(value.clone());
    }
    let Some(divisor) = ten_to(over) else { return Some(Decimal::from_parts(0, -places)) };
    Some(Decimal::from_parts(rounded(value.mantissa()?, divisor)?, -places))
}

/// The whole numbers below and above, the same one twice for a whole number.
pub(crate) fn whole(value: &Decimal) -> Option<(i64, i64)> {
    let mantissa = value.mantissa()?;
    let (below, rest) = if mantissa == 0 {
        (0, 0)
    } else if value.scale() >= 0 {
        (mantissa.checked_mul(ten_to(value.scale())?)?, 0)
    } else {
        match ten_to(-value.scale()) {
            Some(divisor) => (mantissa.div_euclid(divisor), mantissa.rem_euclid(divisor)),
            None if mantissa < 0 => (-1, 1),
            None => (0, 1),
        }
    };
    let below = i64::try_from(below).ok()?;
    Some((below, below.checked_add(i64::from(rest != 0))?))
}

/// Digits after the point, none for whole numbers.
pub(crate) fn places(value: &Decimal) -> i64 {
    (-value.scale()).max(0)
}

/// The nearest double, for functions that have no exact result.
pub(crate) fn to_double(value: &Decimal) -> Option<f64> {
    value.to_string().parse().ok()
}

/// The shortest decimal that reads as this double; nothing for infinities and what is no number.
pub(crate) fn from_double(value: f64) -> Option<Decimal> {
    let text = if value.is_finite() { format!("{value:e}") } else { return None };
    let (mantissa, exponent) = text.split_once('e')?;
    let decimal: Decimal = mantissa.parse().ok()?;
    let exponent: i64 = exponent.parse().ok()?;
    let (mantissa, scale) = (decimal.mantissa()?, decimal.scale() + exponent);
    Some(shortened(mantissa, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn quotients_are_rounded_only_when_they_must() {
        let quotient = |one, other| divide(&decimal(one), &decimal(other)).unwrap().to_string();
        assert_eq!(quotient("1.2", "0.6"), "2");
        assert_eq!(quotient("1", "3"), "0.3333333333333333");
        assert_eq!(quotient("2", "3"), "0.6666666666666667");
        assert_eq!(quotient("-1", "8"), "-0.125");
        assert_eq!(divide(&decimal("1"), &decimal("0.0")), None);
    }

    #[test]
    fn rounding_goes_away_from_zero_at_the_half() {
        let round = |text, places| round(&decimal(text), places).unwrap().to_string();
        assert_eq!(round("3.14159", 3), "3.142");
        assert_eq!(round("1.5", 0), "2");
        assert_eq!(round("-1.5", 0), "-2");
        assert_eq!(round("1.4", 0), "1");
        assert_eq!(round("7", 2), "7");
    }

    #[test]
    fn whole_numbers_on_both_sides() {
        let whole = |text| whole(&decimal(text)).unwrap();
        assert_eq!(whole("-1.1"), (-2, -1));
        assert_eq!(whole("1.1"), (1, 2));
        assert_eq!(whole("3e2"), (300, 300));
        assert_eq!(whole("1e-60"), (0, 1));
    }

    #[test]
    fn doubles_come_back_short() {
        let back = |value: f64| from_double(value).unwrap().to_string();
        assert_eq!(back(0.1), "0.1");
        assert_eq!(back(1e-7), "0.0000001");
        assert_eq!(back(2.0), "2");
        assert!(from_double(f64::INFINITY).is_none());
    }
}
