//! Functions of numbers. What has no exact result is calculated with doubles.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#math>

use fhir_model::decimal::Decimal;

use super::filter::only;
use super::{Call, Evaluator, Outcome};
use crate::error::EvalFault;
use crate::item::Item;
use crate::number;

/// The input as a number; an element without a value gives nothing.
fn input(call: &Call<'_, '_>) -> Result<Option<Decimal>, EvalFault> {
    let Some(item) = only(call)? else { return Ok(None) };
    let wrong = EvalFault::WrongType { operation: call.name, expected: "a number" };
    let plain = item.plain();
    if plain.node().is_some() { Ok(None) } else { plain.decimal().map(Some).ok_or(wrong) }
}

fn result<'a>(item: Option<Item<'a>>) -> Outcome<'a> {
    Ok(item.into_iter().collect())
}

pub(super) fn abs<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(item) = only(&call)?.map(Item::plain) else { return Ok(Vec::new()) };
    let positive = |value: &Decimal| {
        if value.is_negative() { number::negate(value) } else { Some(value.clone()) }
    };
    if let Some(value) = item.integer() {
        return result(value.checked_abs().map(Item::Integer));
    }
    if let Some(quantity) = item.quantity() {
        let value = positive(quantity.value());
        return result(value.map(|value| Item::Quantity(quantity.with_value(value))));
    }
    result(input(&call)?.and_then(|value| positive(&value)).map(Item::Decimal))
}

pub(super) fn ceiling<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let whole = input(&call)?.and_then(|value| number::whole(&value));
    result(whole.map(|(_, above)| Item::Integer(above)))
}

pub(super) fn floor<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let whole = input(&call)?.and_then(|value| number::whole(&value));
    result(whole.map(|(below, _)| Item::Integer(below)))
}

pub(super) fn truncate<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let whole = input(&call)?.and_then(|value| {
        let (below, above) = number::whole(&value)?;
        Some(if value.is_negative() { above } else { below })
    });
    result(whole.map(Item::Integer))
}

pub(super) fn round<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let places = evaluator.integer_argument(&call, 0)?.unwrap_or(0);
    if places < 0 {
        let expected = "a precision of zero or more digits";
        return Err(EvalFault::WrongType { operation: call.name, expected });
    }
    let rounded = input(&call)?.and_then(|value| number::round(&value, places));
    result(rounded.map(Item::Decimal))
}

fn double<'a>(call: &Call<'_, 'a>, change: impl Fn(f64) -> f64) -> Outcome<'a> {
    let value = input(call)?.and_then(|value| number::to_double(&value));
    result(value.and_then(|value| number::from_double(change(value))).map(Item::Decimal))
}

pub(super) fn exp<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    double(&call, f64::exp)
}

pub(super) fn ln<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    double(&call, f64::ln)
}

pub(super) fn sqrt<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    double(&call, f64::sqrt)
}

/// The argument as a number.
fn argument<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Option<Decimal>, EvalFault> {
    let items = evaluator.argument(call, 0)?;
    let Some(item) = super::single(&items, call.name)? else { return Ok(None) };
    let wrong = EvalFault::WrongType { operation: call.name, expected: "a number" };
    item.decimal().map(Some).ok_or(wrong)
}

pub(super) fn log<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let base = argument(evaluator, &call)?.and_then(|base| number::to_double(&base));
    match base {
        // The quotient of two logarithms is exact more often than one of any base.
        Some(base) => double(&call, |value| {
            let quotient = value.ln() / base.ln();
            let nearest = quotient.round();
            if (base.powf(nearest) - value).abs() < f64::EPSILON { nearest } else { quotient }
        }),
        None => Ok(Vec::new()),
    }
}

/// The most multiplications for an exact power.
const MAX_EXACT_POWER: i64 = 128;

pub(super) fn power<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let (Some(base), Some(exponent)) = (input(&call)?, argument(evaluator, &call)?) else {
        return Ok(Vec::new());
    };
    let whole = number::whole(&exponent).filter(|(below, above)| below == above);
    if let Some((exponent @ 0..=MAX_EXACT_POWER, _)) = whole {
        let mut exact = Some(number::integer(1));
        for _ in 0..exponent {
            exact = exact.and_then(|value| number::multiply(&value, &base));
        }
        let is_integer = only(&call)?.is_some_and(|item| item.integer().is_some());
        return result(exact.and_then(|value| {
            if !is_integer {
                return Some(Item::Decimal(value));
            }
            number::whole(&value).map(|(value, _)| Item::Integer(value))
        }));
    }
    let exponent = number::to_double(&exponent);
    match exponent {
        Some(exponent) => double(&call, |value| value.powf(exponent)),
        None => Ok(Vec::new()),
    }
}
