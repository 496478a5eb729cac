//! Answers compared with each other.

use std::borrow::Cow;
use std::cmp::Ordering;

use fhir_model::Value;
use fhir_model::date::{self, Zone};
use fhir_model::decimal::Decimal;

use super::form::text;

/// Type and value of an answer, as the choice `value[x]` has them.
pub(super) type Typed<'v> = (String, Value<'v>);

/// Whether two answers are the same.
pub(super) fn is_equal(one: &Typed<'_>, two: &Typed<'_>, zone: &Zone) -> bool {
    match (one.0.as_str(), two.0.as_str()) {
        ("Coding", "Coding") => same_coding(one.1, two.1),
        ("Reference", "Reference") => same_texts(one.1, two.1, "reference"),
        ("Boolean", "Boolean") => one.1.literal() == two.1.literal(),
        _ => order(one, two, zone) == Some(Ordering::Equal),
    }
}

/// Whether two Codings are the same code of the same system.
pub(super) fn same_coding(one: Value<'_>, two: Value<'_>) -> bool {
    same_texts(one, two, "code")
        && text(one, "system") == text(two, "system")
        && (text(one, "code").is_some() || text(one, "display") == text(two, "display"))
}

fn same_texts(one: Value<'_>, two: Value<'_>, key: &str) -> bool {
    text(one, key) == text(two, key)
}

/// The order of two answers; none where they have none: other types, other units, dates that
/// overlap without being the same.
pub(super) fn order(one: &Typed<'_>, two: &Typed<'_>, zone: &Zone) -> Option<Ordering> {
    match (one.0.as_str(), two.0.as_str()) {
        ("Decimal" | "Integer", "Decimal" | "Integer") => numbers(one.1, two.1),
        ("Date" | "DateTime" | "Instant", "Date" | "DateTime" | "Instant") => {
            let (one, two) = (one.1.text()?, two.1.text()?);
            let one = date::instants(&one, zone).ok()?;
            let two = date::instants(&two, zone).ok()?;
            if one == two {
                return Some(Ordering::Equal);
            }
            if one.end <= two.start {
                return Some(Ordering::Less);
            }
            (two.end <= one.start).then_some(Ordering::Greater)
        }
        ("Time", "Time") => {
            let (one, two) = (one.1.text()?, two.1.text()?);
            let plain = |text: &str| match text.split_once('.') {
                None => text.to_owned(),
                Some((whole, fraction)) => format!("{whole}.{}", fraction.trim_end_matches('0'))
                    .trim_end_matches('.')
                    .to_owned(),
            };
            Some(plain(&one).cmp(&plain(&two)))
        }
        ("String" | "Uri", "String" | "Uri") => Some(one.1.text()?.cmp(&two.1.text()?)),
        ("Quantity", "Quantity") => {
            let unit = |value: Value<'_>| {
                let code = text(value, "code").zip(text(value, "system"));
                let code = code.map(|(code, system)| format!("{system}|{code}"));
                code.or_else(|| text(value, "unit").map(Cow::into_owned))
            };
            if unit(one.1) != unit(two.1) {
                return None;
            }
            numbers(one.1.get("value")?, two.1.get("value")?)
        }
        _ => None,
    }
}

fn numbers(one: Value<'_>, two: Value<'_>) -> Option<Ordering> {
    let number = |value: Value<'_>| value.literal()?.parse::<Decimal>().ok();
    Some(number(one)?.cmp(&number(two)?))
}
