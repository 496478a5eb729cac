//! Values of parameters as they stand in a query: separators, escapes, prefixes, and the forms of
//! dates, numbers, quantities and tokens.
//!
//! An error says what was expected and the shape of what stood there (`99.9a`), never the text:
//! a birth date or an identity code may have come to the wrong parameter.

use fhir_model::date::Zone;
use fhir_model::decimal::Decimal;
use fhir_model::{Instant, date};

use super::{Comparator, DateMatch, NumberRange, UnitMatch};
use crate::hash::NONE;
use crate::rows::{OPEN_END_US, OPEN_START_US};
use crate::{ValueHasher, fold};

/// What was expected of a value.
pub(crate) type Expected = String;

/// The parts of a text between separators that are not escaped; the escapes stay.
/// Spec: <https://hl7.org/fhir/R4/search.html#escaping>
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_escaped = false;
    text.split(|letter: char| {
        let ends = letter == separator && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    })
    .collect()
}

/// The text without its escapes; a backslash before any other letter stands for itself.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped =
            letters.next_if(|next| letter == '\\' && matches!(next, ',' | '|' | '$' | '\\'));
        plain.push(escaped.unwrap_or(letter));
    }
    plain
}

/// What a text looks like without what it says: digits as 9, letters as a.
pub(crate) fn shape(text: &str) -> String {
    let outline = text.chars().take(40).map(|letter| match letter {
        '0'..='9' => '9',
        letter if letter.is_alphabetic() => 'a',
        letter if letter.is_ascii_graphic() => letter,
        _ => ' ',
    });
    let mut outline: String = outline.collect();
    if text.chars().nth(40).is_some() {
        outline.push('…');
    }
    outline
}

fn expected(what: &str, found: &str) -> Expected {
    format!("expected {what}, found a value of the shape \"{}\"", shape(found))
}

/// The prefix and what follows it.
fn prefixed(text: &str) -> Result<(Comparator, &str), Expected> {
    let Some((prefix, rest)) = text.split_at_checked(2) else { return Ok((Comparator::Eq, text)) };
    let comparator = match prefix {
        "eq" => Comparator::Eq,
        "ne" => Comparator::Ne,
        "gt" => Comparator::Gt,
        "lt" => Comparator::Lt,
        "ge" => Comparator::Ge,
        "le" => Comparator::Le,
        "sa" => Comparator::Sa,
        "eb" => Comparator::Eb,
        "ap" => Comparator::Ap,
        other if other.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            return Err(expected("one of the prefixes eq, ne, gt, lt, ge, le, sa, eb, ap", text));
        }
        _ => return Ok((Comparator::Eq, text)),
    };
    Ok((comparator, rest))
}

/// A date with its prefix, `ap` widened by a tenth of its distance from now.
pub(crate) fn date(text: &str, zone: &Zone, now: Instant) -> Result<DateMatch, Expected> {
    let plain = unescape(text);
    let (comparator, value) = prefixed(&plain)?;
    // An offset's plus sign that was not percent-encoded arrives as a space.
    let range = date::instants(&value.replace(' ', "+"), zone)
        .map_err(|error| expected(&format!("a date or dateTime ({})", error.expected()), &plain))?;
    let (mut lo, mut hi) = (range.start, range.end);
    if comparator == Comparator::Ap {
        let gap = lo.saturating_sub(now.0).max(now.0.saturating_sub(hi)).max(0);
        lo = lo.saturating_sub(gap / 10).max(OPEN_START_US);
        hi = hi.saturating_add(gap / 10).min(OPEN_END_US);
    }
    Ok(DateMatch { comparator, lo, hi })
}

/// A number with its prefix as a range.
pub(crate) fn number(text: &str) -> Result<NumberRange, Expected> {
    let plain = unescape(text);
    let (comparator, value) = prefixed(&plain)?;
    let decimal: Decimal =
        value.parse().map_err(|_error| expected("a number such as 5, -0.40 or 1.0e2", &plain))?;
    let exact = |inclusive| Some((decimal.to_key(), inclusive));
    let range = match comparator {
        Comparator::Eq | Comparator::Ne => {
            let (low, high) = decimal.written_range();
            NumberRange {
                min: Some((low.to_key(), true)),
                max: Some((high.to_key(), false)),
                negated: comparator == Comparator::Ne,
            }
        }
        Comparator::Gt | Comparator::Sa => NumberRange { min: exact(false), ..Default::default() },
        Comparator::Lt | Comparator::Eb => NumberRange { max: exact(false), ..Default::default() },
        Comparator::Ge => NumberRange { min: exact(true), ..Default::default() },
        Comparator::Le => NumberRange { max: exact(true), ..Default::default() },
        Comparator::Ap => {
            let (low, high) = decimal.approximate_range();
            NumberRange {
                min: Some((low.to_key(), true)),
                max: Some((high.to_key(), true)),
                negated: false,
            }
        }
    };
    Ok(range)
}

/// `[prefix]number`, `number||code` or `number|system|code`.
/// Spec: <https://hl7.org/fhir/R4/search.html#quantity>
pub(crate) fn quantity(
    text: &str,
    hasher: &ValueHasher,
) -> Result<(UnitMatch, NumberRange), Expected> {
    let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (value, unit) = match parts.as_slice() {
        [value] | [value, "", ""] => (*value, UnitMatch::Any),
        [value, "", code] => (*value, UnitMatch::Code(hasher.hash(code))),
        [value, system, code] if !code.is_empty() => {
            (*value, UnitMatch::SystemCode(hasher.hash(system), hasher.hash(code)))
        }
        _ => {
            return Err(expected("a quantity as number, number||code or number|system|code", text));
        }
    };
    Ok((unit, number(value)?))
}

/// A token: a code with what is said of its system, or a system alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenValue {
    Code { code: i64, sys: Option<i64> },
    System(i64),
}

/// `code`, `system|code`, `|code` or `system|`.
pub(crate) fn token(text: &str, hasher: &ValueHasher) -> Result<TokenValue, Expected> {
    let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [code] if !code.is_empty() => Ok(TokenValue::Code { code: hasher.code(code), sys: None }),
        ["", code] if !code.is_empty() => {
            Ok(TokenValue::Code { code: hasher.code(code), sys: Some(NONE) })
        }
        [system, ""] if !system.is_empty() => Ok(TokenValue::System(hasher.hash(system))),
        [system, code] if !code.is_empty() => {
            Ok(TokenValue::Code { code: hasher.code(code), sys: Some(hasher.hash(system)) })
        }
        _ => Err(expected("a token as code, system|code, |code or system|", text)),
    }
}

/// A string, folded for comparing from the start.
pub(crate) fn string(text: &str) -> Result<String, Expected> {
    let folded = fold::string(&unescape(text));
    if folded.is_empty() { Err(expected("a text", text)) } else { Ok(folded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_may_be_escaped() {
        assert_eq!(split(r"a\,b,c", ','), [r"a\,b", "c"]);
        assert_eq!(split(r"a\\,b", ','), [r"a\\", "b"]);
        assert_eq!(unescape(r"a\,b\|c\$d\\e\f"), r"a,b|c$d\e\f");
    }

    #[test]
    fn shapes_hide_what_is_said() {
        assert_eq!(shape("010190-999X"), "999999-999a");
        assert_eq!(shape(&"x".repeat(50)).chars().count(), 41);
    }

    #[test]
    fn tokens_have_four_forms() {
        let hasher = ValueHasher::new(&[1; 16]);
        let code = hasher.code("c");
        let form = |text: &str| token(text, &hasher);
        assert_eq!(form("C"), Ok(TokenValue::Code { code, sys: None }));
        assert_eq!(form("|c"), Ok(TokenValue::Code { code, sys: Some(0) }));
        let sys = hasher.hash("s");
        assert_eq!(form("s|c"), Ok(TokenValue::Code { code, sys: Some(sys) }));
        assert_eq!(form("s|"), Ok(TokenValue::System(sys)));
        assert!(form("|").is_err() && form("").is_err() && form("a|b|c").is_err());
        let code = hasher.code("a|b");
        assert_eq!(form(r"a\|b"), Ok(TokenValue::Code { code, sys: None }));
    }

    #[test]
    fn numbers_are_ranges_by_their_precision() {
        let key = |text: &str| text.parse::<Decimal>().unwrap().to_key();
        let range = number("5.4").unwrap();
        assert!(range.holds(&key("5.35")) && range.holds(&key("5.4")));
        assert!(!range.holds(&key("5.45")));
        let other = number("ne5.4").unwrap();
        assert!(!other.holds(&key("5.4")) && other.holds(&key("5.45")));
        assert!(!number("gt5.4").unwrap().holds(&key("5.40")));
        assert!(number("le5.4").unwrap().holds(&key("5.40")));
        assert!(number("ap100").unwrap().holds(&key("110")));
        for text in ["", "five", "5,4", "xx5", "gt"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_name_their_unit_in_three_ways() {
        let hasher = ValueHasher::new(&[1; 16]);
        let mg = hasher.hash("mg");
        let unit = |text: &str| quantity(text, &hasher).map(|(unit, _)| unit);
        assert_eq!(unit("5.4"), Ok(UnitMatch::Any));
        assert_eq!(unit("5.4||mg"), Ok(UnitMatch::Code(mg)));
        let sys = hasher.hash("http://u");
        assert_eq!(unit("lt5.4|http://u|mg"), Ok(UnitMatch::SystemCode(sys, mg)));
        assert!(unit("5.4|mg").is_err() && unit("5.4|http://u|").is_err());
    }

    #[test]
    fn about_a_date_widens_with_its_distance() {
        let zone = Zone::utc();
        let day = 86_400_000_000;
        let now = Instant(100 * day);
        let about = date("ap1970-01-11", &zone, now).unwrap();
        assert_eq!((about.lo, about.hi), (10 * day - 89 * day / 10, 11 * day + 89 * day / 10));
        let today = date("ap1970-04-11", &zone, now).unwrap();
        assert_eq!((today.lo, today.hi), (100 * day, 101 * day));
        assert!(date("1970-01-11T10:00:00 02:00", &zone, now).is_ok());
        assert!(date("1970-13", &zone, now).is_err());
    }
}
