//! Conversions between FHIRPath's own types, the clock, and `type()`.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#conversion>

use super::filter::only;
use super::{Call, Evaluator, Outcome, truth};
use crate::error::EvalFault;
use crate::item::Item;
use crate::moment::Moment;
use crate::number;
use crate::quantity::Quantity;

type Conversion = for<'i, 'a> fn(&'i Item<'a>) -> Option<Item<'a>>;

fn convert<'a>(call: &Call<'_, 'a>, conversion: Conversion) -> Outcome<'a> {
    let converted = only(call)?.and_then(|item| conversion(&item.plain()));
    Ok(converted.into_iter().collect())
}

fn converts<'a>(call: &Call<'_, 'a>, conversion: Conversion) -> Outcome<'a> {
    Ok(truth(only(call)?.map(|item| conversion(&item.plain()).is_some())))
}

macro_rules! conversions {
    ($($to:ident, $converts:ident = $conversion:path;)*) => {
        $(
            pub(super) fn $to<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
                convert(&call, $conversion)
            }

            pub(super) fn $converts<'a>(
                _: &Evaluator<'_, 'a>,
                call: Call<'_, 'a>,
            ) -> Outcome<'a> {
                converts(&call, $conversion)
            }
        )*
    };
}

conversions! {
    to_boolean, converts_to_boolean = boolean;
    to_integer, converts_to_integer = integer;
    to_decimal, converts_to_decimal = decimal;
    to_date, converts_to_date = date;
    to_date_time, converts_to_date_time = date_time;
    to_time, converts_to_time = time;
    to_string, converts_to_string = string;
}

fn boolean<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    if let Some(value) = item.boolean() {
        return Some(Item::Boolean(value));
    }
    if let Some(number) = item.decimal() {
        let is = |value| number == number::integer(value);
        return (is(0) || is(1)).then(|| Item::Boolean(is(1)));
    }
    let text = item.text()?.to_ascii_lowercase();
    match text.as_str() {
        "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(Item::Boolean(true)),
        "false" | "f" | "no" | "n" | "0" | "0.0" => Some(Item::Boolean(false)),
        _ => None,
    }
}

fn integer<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    if let Some(value) = item.boolean() {
        return Some(Item::Integer(i64::from(value)));
    }
    let text = item.text();
    item.integer().or_else(|| text?.parse().ok()).map(Item::Integer)
}

fn decimal<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    if let Some(value) = item.boolean() {
        return Some(Item::Decimal(number::integer(i64::from(value))));
    }
    if let Some(value) = item.decimal() {
        return Some(Item::Decimal(value));
    }
    let text = item.text()?;
    let unsigned = text.strip_prefix('+').unwrap_or(&text);
    let is_plain = !unsigned.contains(['e', 'E']);
    if is_plain { unsigned.parse().ok().map(Item::Decimal) } else { None }
}

fn date<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    if let Item::Date(moment) | Item::DateTime(moment) = item {
        return Some(Item::Date(moment.to_date()));
    }
    let text = item.text()?;
    let moment = Moment::date(&text).or_else(|| Moment::date_time(&text))?;
    Some(Item::Date(moment.to_date()))
}

fn date_time<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    if let Item::Date(moment) | Item::DateTime(moment) = item {
        return Some(Item::DateTime(*moment));
    }
    Moment::date_time(&item.text()?).map(Item::DateTime)
}

fn time<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    if let Item::Time(moment) = item {
        return Some(Item::Time(*moment));
    }
    let text = item.text()?;
    Moment::time(text.strip_prefix('T').unwrap_or(&text)).map(Item::Time)
}

fn string<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    item.to_text().map(Item::String)
}

fn quantity<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Option<Quantity>, EvalFault> {
    let Some(item) = only(call)?.map(Item::plain) else { return Ok(None) };
    let number = item.decimal().or_else(|| item.boolean().map(|v| number::integer(i64::from(v))));
    let found = item
        .quantity()
        .or_else(|| number.map(|value| Quantity::new(value, "1")))
        .or_else(|| Quantity::parse(&item.text()?));
    match evaluator.text_argument(call, 0)? {
        Some(unit) => Ok(found.and_then(|found| found.to_unit(&unit))),
        None => Ok(found),
    }
}

pub(super) fn to_quantity<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(quantity(evaluator, &call)?.map(Item::Quantity).into_iter().collect())
}

pub(super) fn converts_to_quantity<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: Call<'_, 'a>,
) -> Outcome<'a> {
    let is_known = !call.input.is_empty();
    let found = quantity(evaluator, &call)?.is_some();
    Ok(truth(is_known.then_some(found)))
}

impl Evaluator<'_, '_> {
    fn moment(&self) -> Result<Moment, EvalFault> {
        let now = self.environment.now.ok_or(EvalFault::NoClock)?;
        Ok(Moment::of_instant(now.0, &self.environment.zone))
    }
}

pub(super) fn now<'a>(evaluator: &Evaluator<'_, 'a>, _: Call<'_, 'a>) -> Outcome<'a> {
    Ok(vec![Item::DateTime(evaluator.moment()?)])
}

pub(super) fn today<'a>(evaluator: &Evaluator<'_, 'a>, _: Call<'_, 'a>) -> Outcome<'a> {
    Ok(vec![Item::Date(evaluator.moment()?.to_date())])
}

pub(super) fn time_of_day<'a>(evaluator: &Evaluator<'_, 'a>, _: Call<'_, 'a>) -> Outcome<'a> {
    Ok(evaluator.moment()?.to_time().map(Item::Time).into_iter().collect())
}

pub(super) fn type_of<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    Ok(call.input.iter().filter_map(Item::type_of).map(Item::Type).collect())
}
