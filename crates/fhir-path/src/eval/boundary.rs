//! How exactly a value is written, and the least and the greatest value that it may stand for:
//! `precision`, `lowBoundary` and `highBoundary`.
//!
//! Precisions of dates and times are counted in digits: 4 for a year, 17 down to the millisecond;
//! 9 for a time of day. A time without a zone may be in any.
//!
//! Spec: <http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time>

use std::cmp::Ordering;

use fhir_model::decimal::Decimal;

use super::filter::only;
use super::{Call, Evaluator, Outcome};
use crate::error::EvalFault;
use crate::item::Item;
use crate::moment::{Moment, Precision};
use crate::number;

/// Digits after the point that a boundary has where nobody says how many.
const PLACES: i64 = 8;
const MOST_PLACES: i64 = 28;

pub(super) fn precision<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(item) = only(&call)?.map(Item::plain) else { return Ok(Vec::new()) };
    let digits = match &item {
        Item::Integer(_) => 0,
        Item::Decimal(value) => number::places(value),
        Item::Date(moment) => digits(moment),
        Item::DateTime(moment) => digits(moment),
        Item::Time(moment) => digits(moment) - 8,
        Item::Node(_) | Item::Boolean(_) | Item::String(_) | Item::Quantity(_) | Item::Type(_) => {
            return Err(wrong(&call));
        }
    };
    Ok(vec![Item::Integer(digits)])
}

pub(super) fn low<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    boundary(evaluator, &call, false)
}

pub(super) fn high<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    boundary(evaluator, &call, true)
}

fn wrong(call: &Call<'_, '_>) -> EvalFault {
    EvalFault::WrongType { operation: call.name, expected: "a number, a date or a time" }
}

fn boundary<'a>(evaluator: &Evaluator<'_, 'a>, call: &Call<'_, 'a>, is_high: bool) -> Outcome<'a> {
    let wanted = evaluator.integer_argument(call, 0)?;
    let Some(item) = only(call)?.map(Item::plain) else { return Ok(Vec::new()) };
    let number = |value: &Decimal| decimal(value, wanted.unwrap_or(PLACES), is_high);
    let found = match &item {
        Item::Integer(value) => number(&number::integer(*value)).map(Item::Decimal),
        Item::Decimal(value) => number(value).map(Item::Decimal),
        Item::Date(moment) => moment_of(moment, wanted.unwrap_or(8), is_high)
            .filter(|found| found.precision <= Precision::Day)
            .map(Item::Date),
        Item::DateTime(moment) => {
            moment_of(moment, wanted.unwrap_or(17), is_high).map(Item::DateTime)
        }
        Item::Time(moment) => moment_of(moment, wanted.unwrap_or(9) + 8, is_high)
            .map(|found| Item::Time(Moment { offset_minutes: None, ..found })),
        Item::Quantity(_) | Item::Node(_) => match item.quantity() {
            Some(quantity) => {
                number(quantity.value()).map(|value| Item::Quantity(quantity.with_value(value)))
            }
            None => return Err(wrong(call)),
        },
        Item::Boolean(_) | Item::String(_) | Item::Type(_) => return Err(wrong(call)),
    };
    Ok(found.into_iter().collect())
}

/// Half a unit of the last digit down or up, to so many places, away from the value.
fn decimal(value: &Decimal, places: i64, is_high: bool) -> Option<Decimal> {
    if !(0..=MOST_PLACES).contains(&places) {
        return None;
    }
    let (low, high) = value.written_range();
    let exact = if is_high { high } else { low };
    let rounded = number::round(&exact, places)?;
    let unit: Decimal = format!("1e-{places}").parse().ok()?;
    let order = number::subtract(&rounded, &exact)?;
    match (is_high, sign(&order)) {
        (true, Ordering::Less) => number::add(&rounded, &unit),
        (false, Ordering::Greater) => number::subtract(&rounded, &unit),
        (true | false, _) => Some(rounded),
    }
}

fn sign(value: &Decimal) -> Ordering {
    if value.is_zero() {
        Ordering::Equal
    } else if value.is_negative() {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

/// Digits that a moment is written with, from the year on.
fn digits(moment: &Moment) -> i64 {
    match moment.precision {
        Precision::Year => 4,
        Precision::Month => 6,
        Precision::Day => 8,
        Precision::Hour => 10,
        Precision::Minute => 12,
        Precision::Second if moment.fraction_digits == 0 => 14,
        Precision::Second => 17,
    }
}

/// The first or last moment that this one may stand for, written with so many digits.
fn moment_of(moment: &Moment, digits: i64, is_high: bool) -> Option<Moment> {
    let (precision, fraction_digits) = match digits {
        4 => (Precision::Year, 0),
        6 => (Precision::Month, 0),
        8 => (Precision::Day, 0),
        10 => (Precision::Hour, 0),
        12 => (Precision::Minute, 0),
        14 => (Precision::Second, 0),
        17 => (Precision::Second, 3),
        _ => return None,
    };
    let [year, month, day, hour, minute, us] = moment.parts;
    let is_written = |part: Precision| moment.precision >= part;
    let part = |is_written: bool, own: i64, least: i64, most: i64| match (is_written, is_high) {
        (true, _) => own,
        (false, false) => least,
        (false, true) => most,
    };
    let month = part(is_written(Precision::Month), month, 1, 12);
    let last_day = crate::moment::month_length(year, month);
    let second = 1_000_000;
    let us = if is_written(Precision::Second) && moment.fraction_digits == 0 && is_high {
        us / second * second + 999_000
    } else {
        part(is_written(Precision::Second), us, 0, 59 * second + 999_000)
    };
    let parts = [
        year,
        month,
        part(is_written(Precision::Day), day, 1, last_day),
        part(is_written(Precision::Hour), hour, 0, 23),
        part(is_written(Precision::Minute), minute, 0, 59),
        us,
    ];
    // The day begins first where clocks are 14 hours ahead and ends last 12 hours behind.
    let zone = if is_high { -12 * 60 } else { 14 * 60 };
    let offset_minutes =
        moment.offset_minutes.or(Some(zone)).filter(|_| precision >= Precision::Hour);
    Some(Moment { parts, precision, fraction_digits, offset_minutes })
}
