//! Values that a profile holds elements to: `fixed[x]`, `pattern[x]`, `minValue[x]`, `maxValue[x]`.

use fhir_model::decimal::Decimal;
use fhir_model::json::{self, Limits};
use fhir_model::tape::Tape;
use fhir_model::{Kind, Value};

/// A value of a profile, parsed once.
pub(crate) struct Constant {
    source: Box<str>,
    tape: Tape,
    /// The type after the `[x]`, as in `patternCodeableConcept`.
    pub(crate) type_name: Box<str>,
}

impl Constant {
    /// A copy of a value.
    pub(crate) fn of(value: Value<'_>, type_name: &str) -> Option<Self> {
        let source = std::str::from_utf8(value.raw()).ok()?;
        let tape = json::parse(source, &Limits::NONE).ok()?;
        Some(Self { source: source.into(), tape, type_name: type_name.into() })
    }

    /// The value.
    pub(crate) fn value(&self) -> Value<'_> {
        self.tape.root(&self.source)
    }

    /// Whether a value is exactly this one.
    pub(crate) fn equals(&self, value: Value<'_>) -> bool {
        is_equal(self.value(), value)
    }

    /// Whether all of this is in a value.
    pub(crate) fn is_in(&self, value: Value<'_>) -> bool {
        is_part(self.value(), value)
    }

    /// What it is in words that show codes and shapes of the profile.
    pub(crate) fn shown(&self) -> String {
        const LONGEST: usize = 120;
        let mut shown: String = self.source.chars().take(LONGEST).collect();
        if shown.len() < self.source.len() {
            shown.push('…');
        }
        shown
    }
}

/// Equality of texts, numbers (by value) and literals.
fn is_same(one: Value<'_>, other: Value<'_>) -> bool {
    match (one.kind(), other.kind()) {
        (Kind::String, Kind::String) => one.text() == other.text(),
        (Kind::Number, Kind::Number) => {
            if one.literal() == other.literal() {
                return true;
            }
            let decimal = |value: Value<'_>| value.literal()?.parse::<Decimal>().ok();
            decimal(one).zip(decimal(other)).is_some_and(|(one, other)| one == other)
        }
        (one, other) => one == other,
    }
}

/// Equality in depth: the same members, lists in the same order.
pub(crate) fn is_equal(one: Value<'_>, other: Value<'_>) -> bool {
    match (one.kind(), other.kind()) {
        (Kind::Object, Kind::Object) => {
            one.members().count() == other.members().count()
                && one
                    .members()
                    .all(|(key, value)| other.get(&key).is_some_and(|other| is_equal(value, other)))
        }
        (Kind::Array, Kind::Array) => {
            let (mut one, mut other) = (one.items(), other.items());
            loop {
                match (one.next(), other.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if is_equal(one, other) => {}
                    _ => return false,
                }
            }
        }
        _ => is_same(one, other),
    }
}

/// Whether a pattern's members are in the value: lists are sets, each item of the pattern's must
/// be in one of the value's.
fn is_part(pattern: Value<'_>, value: Value<'_>) -> bool {
    match (pattern.kind(), value.kind()) {
        (Kind::Object, Kind::Object) => pattern
            .members()
            .all(|(key, part)| value.get(&key).is_some_and(|found| is_part(part, found))),
        (Kind::Array, Kind::Array) => {
            pattern.items().all(|part| value.items().any(|found| is_part(part, found)))
        }
        _ => is_same(pattern, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(constant: &str, value: &str) -> (bool, bool) {
        let parse = |text: &str| json::parse(text, &Limits::default()).unwrap();
        let (pattern, tape) = (parse(constant), parse(value));
        let constant = Constant::of(pattern.root(constant), "X").unwrap();
        let value = tape.root(value);
        (constant.equals(value), constant.is_in(value))
    }

    #[test]
    fn values_are_compared_in_depth() {
        for (constant, value, expected) in [
            ("1.0", "1.00", (true, true)),
            ("1", "2", (false, false)),
            ("\"a\"", "\"\\u0061\"", (true, true)),
            ("\"a\"", "\"A\"", (false, false)),
            ("true", "false", (false, false)),
            (r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1,2],"a":1}"#, (true, true)),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, (false, true)),
            (r#"{"a":[{"c":2}]}"#, r#"{"a":[{"c":1},{"c":2,"d":3}]}"#, (false, true)),
            (r#"{"a":[{"c":2},{"c":3}]}"#, r#"{"a":[{"c":2}]}"#, (false, false)),
            ("[1,2]", "[2,1]", (false, true)),
            ("[1]", "[1,1]", (false, true)),
            (r#"{"a":1}"#, "[1]", (false, false)),
        ] {
            assert_eq!(held(constant, value), expected, "{constant} {value}");
        }
    }
}
