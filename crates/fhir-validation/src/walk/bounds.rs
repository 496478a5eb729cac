//! `minValue[x]`, `maxValue[x]`, `maxLength` and regular expressions.

use std::cmp::Ordering;

use fhir_model::date::{Range, Zone, instants};
use fhir_model::decimal::Decimal;
use fhir_model::{Instant, Severity, Value};
use fhir_path::Type;

use super::check::shape;
use super::{Active, Walk};
use crate::at::At;
use crate::constant::Constant;
use crate::inquiry::Scope;
use crate::path::Path;
use crate::program::Bounds;
use crate::report::RuleKind;

const SECOND_US: i64 = 1_000_000;

impl<'a> Walk<'a> {
    pub(super) fn bounds(
        &mut self,
        active: Active<'a>,
        bounds: &Bounds,
        at: &At<'a>,
        path: &Path<'_>,
        _scope: &Scope<'_, 'a>,
    ) {
        let Some(value) = at.value else { return };
        let what = (Severity::Error, RuleKind::Bounds);
        let options = self.inquiry.options;
        for (bound, wrong, word) in [
            (&bounds.least, Ordering::Less, "least"),
            (&bounds.greatest, Ordering::Greater, "most"),
        ] {
            let Some(bound) = bound else { continue };
            if compare(value, bound, wrong, &options.zone, options.now) == Some(wrong) {
                let found = shape(at.value);
                let text = format!("expected at {word} {}, found {found}", bound.shown());
                self.find(what, at.offset(), path, active.name(), text);
            }
        }
        let Some(text) = value.text() else { return };
        if let Some(longest) = bounds.max_length {
            let length = text.chars().count();
            if u32::try_from(length).is_ok_and(|length| length > longest) {
                let text = format!("expected at most {longest} characters, found {length}");
                self.find(what, at.offset(), path, active.name(), text);
            }
        }
        if let Some(regex) = &bounds.regex
            && matches!(at.kind, Type::Primitive(_))
            && !regex.is_match(&text)
        {
            let found = shape(at.value);
            let text = format!("expected the form {}, found {found}", regex.as_str());
            let what = (Severity::Error, RuleKind::Primitive);
            self.find(what, at.offset(), path, active.name(), text);
        }
    }
}

/// How a value stands to a bound; nothing where the two cannot be compared. Of dates the side
/// that `wrong` asks for counts: a month may begin before the least day of it.
fn compare(
    value: Value<'_>,
    bound: &Constant,
    wrong: Ordering,
    zone: &Zone,
    now: Option<Instant>,
) -> Option<Ordering> {
    let limit = bound.value();
    match &*bound.type_name {
        "Quantity" if value.text().is_some() => {
            let span = Range { start: relative(limit, now?)?, end: relative(limit, now?)? };
            Some(beyond(instants(&value.text()?, zone).ok()?, span, wrong))
        }
        "Quantity" => (unit(value) == unit(limit))
            .then(|| Some(decimal(value.get("value")?)?.cmp(&decimal(limit.get("value")?)?)))?,
        "Date" | "DateTime" | "Instant" => {
            let range = |value: Value<'_>| instants(&value.text()?, zone).ok();
            Some(beyond(range(value)?, range(limit)?, wrong))
        }
        "Time" => Some(value.text()?.cmp(&limit.text()?)),
        _ => Some(decimal(value)?.cmp(&decimal(limit)?)),
    }
}

/// Whether a stretch of time lies outside of another one on a side.
fn beyond(value: Range, limit: Range, wrong: Ordering) -> Ordering {
    match wrong {
        // All of it is before the bound begins, or after it ends.
        Ordering::Less if value.end <= limit.start => Ordering::Less,
        Ordering::Greater if value.start >= limit.end => Ordering::Greater,
        Ordering::Less | Ordering::Equal | Ordering::Greater => Ordering::Equal,
    }
}

/// The instant that a quantity of time before or after now is.
fn relative(quantity: Value<'_>, now: Instant) -> Option<i64> {
    let number: i64 = quantity.get("value")?.literal()?.parse().ok()?;
    let unit = quantity.get("code").or_else(|| quantity.get("unit"))?.text()?;
    let seconds = match &*unit {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "wk" => 604_800,
        "mo" => 2_629_800,
        "a" => 31_557_600,
        _ => return None,
    };
    now.0.checked_add(number.checked_mul(seconds)?.checked_mul(SECOND_US)?)
}

fn unit(value: Value<'_>) -> Option<std::borrow::Cow<'_, str>> {
    value.get("code").or_else(|| value.get("unit"))?.text()
}

fn decimal(value: Value<'_>) -> Option<Decimal> {
    value.literal()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir_model::json::{self, Limits};

    fn is_beyond(value: &str, bound: &str, kind: &str, wrong: Ordering) -> bool {
        let parse = |text: &str| json::parse(text, &Limits::default()).unwrap();
        let (tape, limit) = (parse(value), parse(bound));
        let bound = Constant::of(limit.root(bound), kind).unwrap();
        let now = Some(Instant(1_600_000_000 * SECOND_US));
        compare(tape.root(value), &bound, wrong, &Zone::utc(), now) == Some(wrong)
    }

    #[test]
    fn values_are_held_to_bounds() {
        use Ordering::{Greater, Less};
        for (value, bound, kind, wrong, expected) in [
            ("1.0", "1", "Decimal", Less, false),
            ("0.99999999999999999999", "1", "Decimal", Less, true),
            ("2", "1", "Integer", Greater, true),
            ("\"2010\"", "\"2010-06-01\"", "Date", Less, false),
            ("\"2010-05-31\"", "\"2010-06-01\"", "Date", Less, true),
            ("\"2010-06-02\"", "\"2010-06-01\"", "Date", Greater, true),
            ("\"2010-06-01\"", "\"2010-06\"", "Date", Greater, false),
            ("\"12:00:00\"", "\"13:00:00\"", "Time", Less, true),
            (r#"{"value":5,"code":"mg"}"#, r#"{"value":6,"code":"mg"}"#, "Quantity", Less, true),
            (r#"{"value":5,"code":"g"}"#, r#"{"value":6,"code":"mg"}"#, "Quantity", Less, false),
            ("\"2010-06-02\"", r#"{"value":-1,"code":"a"}"#, "Quantity", Less, true),
            ("\"2020-06-02\"", r#"{"value":-1,"code":"a"}"#, "Quantity", Less, false),
        ] {
            assert_eq!(is_beyond(value, bound, kind, wrong), expected, "{value} {bound}");
        }
    }
}
