//! Numbers with a unit: conversion between units of one dimension, and arithmetic.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#quantity>

mod unit;

use std::cmp::Ordering;
use std::fmt;

use fhir_model::decimal::Decimal;

use crate::moment::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, Span};
use crate::number;

/// A number with a unit: a UCUM code, or one of the words for time such as `year`.
#[derive(Clone, Debug)]
pub struct Quantity {
    value: Decimal,
    unit: String,
}

/// The words for time; each may have an `s`. Not the same as UCUM's units above the second.
const WORDS: [&str; 8] =
    ["year", "month", "week", "day", "hour", "minute", "second", "millisecond"];

/// The word for time that `text` is, in the singular.
pub(crate) fn calendar_word(text: &str) -> Option<&'static str> {
    let singular = text.strip_suffix('s').unwrap_or(text);
    WORDS.into_iter().find(|word| *word == singular)
}

impl Quantity {
    /// A number with its unit; `1` is no unit.
    #[must_use]
    pub fn new(value: Decimal, unit: &str) -> Self {
        let unit = calendar_word(unit).unwrap_or(unit);
        Self { value, unit: unit.to_owned() }
    }

    /// `4.5 'mg'`, `4 days` or a number alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text
            .find(|letter: char| !(letter.is_ascii_digit() || "+-.".contains(letter)))
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let value = number.strip_prefix('+').unwrap_or(number).parse().ok()?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Self::new(value, "1"));
        }
        let quoted = unit.strip_prefix('\'').and_then(|unit| unit.strip_suffix('\''));
        quoted.or_else(|| calendar_word(unit)).map(|unit| Self::new(value, unit))
    }

    /// The number.
    #[must_use]
    pub const fn value(&self) -> &Decimal {
        &self.value
    }

    /// The unit: a UCUM code or a word such as `year`.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Whether the unit is a word such as `year`, not a UCUM code.
    #[must_use]
    pub fn is_calendar(&self) -> bool {
        calendar_word(&self.unit).is_some()
    }

    /// The numbers of both in the finer of the two units, with that unit; nothing where the units
    /// measure different things. With `lenient` a calendar's year counts like UCUM's.
    fn alike(&self, other: &Self, lenient: bool) -> Option<(Decimal, Decimal, String)> {
        if self.unit == other.unit {
            return Some((self.value.clone(), other.value.clone(), self.unit.clone()));
        }
        let (one, two) = (unit::read(&self.unit, lenient)?, unit::read(&other.unit, lenient)?);
        if one.dimension != two.dimension {
            return None;
        }
        let is_finer = one.factor <= two.factor;
        let (fine, coarse) = if is_finer { (&one, &two) } else { (&two, &one) };
        let ratio = number::divide(&coarse.factor, &fine.factor)?;
        let (left, right, unit) = if is_finer {
            (self.value.clone(), number::multiply(&other.value, &ratio)?, &self.unit)
        } else {
            (number::multiply(&self.value, &ratio)?, other.value.clone(), &other.unit)
        };
        Some((left, right, unit.clone()))
    }

    /// The order, nothing where the units cannot be compared.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        let (one, two, _) = self.alike(other, false)?;
        Some(one.cmp(&two))
    }

    /// Whether both are the same to the digits of the less precise one, as it is written: 4 g is
    /// equivalent to 4040 mg.
    pub(crate) fn is_equivalent(&self, other: &Self) -> bool {
        self.rounds_to_same(other).unwrap_or(false)
    }

    fn rounds_to_same(&self, other: &Self) -> Option<bool> {
        if self.unit == other.unit {
            let places = number::places(&self.value).min(number::places(&other.value));
            let rounded = |own: &Self| number::round(&own.value, places);
            return Some(rounded(self) == rounded(other));
        }
        let (one, two) = (unit::read(&self.unit, true)?, unit::read(&other.unit, true)?);
        if one.dimension != two.dimension {
            return None;
        }
        let last_digit = |own: &Self, factor: &Decimal| {
            number::multiply(factor, &Decimal::from_parts(1, -number::places(&own.value)))
        };
        let is_coarser = last_digit(self, &one.factor)? >= last_digit(other, &two.factor)?;
        let (coarse, fine) = if is_coarser { (self, other) } else { (other, self) };
        let ratio = match is_coarser {
            true => number::divide(&two.factor, &one.factor)?,
            false => number::divide(&one.factor, &two.factor)?,
        };
        let places = number::places(&coarse.value);
        let converted = number::multiply(&fine.value, &ratio)?;
        Some(number::round(&converted, places)? == number::round(&coarse.value, places)?)
    }

    /// This quantity in another unit of the same dimension.
    pub(crate) fn to_unit(&self, wanted: &str) -> Option<Self> {
        let wanted = calendar_word(wanted).unwrap_or(wanted);
        if self.unit == wanted {
            return Some(self.clone());
        }
        let (from, to) = (unit::read(&self.unit, true)?, unit::read(wanted, true)?);
        let ratio = number::divide(&from.factor, &to.factor)?;
        let value = number::multiply(&self.value, &ratio)?;
        (from.dimension == to.dimension).then(|| Self::new(value, wanted))
    }

    /// The sum or, with `is_minus`, the difference.
    pub(crate) fn plus(&self, other: &Self, is_minus: bool) -> Option<Self> {
        let (one, two, unit) = self.alike(other, false)?;
        let value = if is_minus { number::subtract(&one, &two)? } else { number::add(&one, &two)? };
        Some(Self { value, unit })
    }

    pub(crate) fn times(&self, other: &Self) -> Option<Self> {
        let value = number::multiply(&self.value, &other.value)?;
        Some(Self { value, unit: unit::product(&self.unit, &other.unit) })
    }

    pub(crate) fn divided_by(&self, other: &Self) -> Option<Self> {
        if let Some((one, two, _)) = self.alike(other, false) {
            return Some(Self::new(number::divide(&one, &two)?, "1"));
        }
        let value = number::divide(&self.value, &other.value)?;
        Some(Self { value, unit: unit::quotient(&self.unit, &other.unit) })
    }

    pub(crate) fn with_value(&self, value: Decimal) -> Self {
        Self { value, unit: self.unit.clone() }
    }

    /// What is added to a date: whole months or microseconds. UCUM's year and month are averages
    /// and cannot be.
    pub(crate) fn span(&self) -> Option<Span> {
        let toward_zero = |value: &Decimal| {
            let (below, above) = number::whole(value)?;
            Some(if value.is_negative() { above } else { below })
        };
        let months = |each: i64| Some(Span::Months(toward_zero(&self.value)?.checked_mul(each)?));
        let whole = |us: i64| Some(Span::Time(toward_zero(&self.value)?.checked_mul(us)?));
        let exact = |us: i64| {
            let us = number::multiply(&self.value, &number::integer(us))?;
            Some(Span::Time(toward_zero(&us)?))
        };
        match self.unit.as_str() {
            "year" => months(12),
            "month" => months(1),
            "week" | "wk" => whole(7 * DAY_US),
            "day" | "d" => whole(DAY_US),
            "hour" | "h" => whole(HOUR_US),
            "minute" | "min" => whole(MINUTE_US),
            "second" | "s" => exact(SECOND_US),
            "millisecond" | "ms" => exact(1_000),
            _ => None,
        }
    }
}

/// `4.5 'mg'` or `4 day`, which is how the text is read again.
impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if calendar_word(&self.unit).is_some() {
            write!(out, "{} {}", self.value, self.unit)
        } else {
            write!(out, "{} '{}'", self.value, self.unit)
        }
    }
}
