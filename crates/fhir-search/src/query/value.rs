//! Values of parameters as they stand in a query: separators, escapes, prefixes, and the forms of
//! dates, numbers, quantities and tokens.
//!
//! An error says what was expected and the shape of what stood there (`99.9a`), never the text:
//! a birth date or an identity code may have come to the wrong parameter.

use fhir_model::date::Zone;
use fhir_model::decimal::Decimal;
use fhir_model::{Instant, date};

use super::{Comparator, DateMatch, NumberRange};
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

/// Refuses a backslash before a letter that needs none: what was meant can only be guessed.
/// Spec: <https://hl7.org/fhir/R4/search.html#escaping>
pub(crate) fn check_escapes(text: &str) -> Result<(), Expected> {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && !matches!(letters.next(), Some(',' | '|' | '$' | '\\')) {
            return Err(expected("\\\\, \\|, \\$ or \\, wherever a backslash stands", text));
        }
    }
    Ok(())
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

pub(crate) fn expected(what: &str, found: &str) -> Expected {
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
    compared_date(comparator, value, zone, now)
}

/// A date without a prefix.
pub(crate) fn compared_date(
    comparator: Comparator,
    text: &str,
    zone: &Zone,
    now: Instant,
) -> Result<DateMatch, Expected> {
    // An offset's plus sign that was not percent-encoded arrives as a space.
    let range = date::instants(&text.replace(' ', "+"), zone)
        .map_err(|error| expected(&format!("a date or dateTime ({})", error.expected()), text))?;
    let (mut lo, mut hi) = (range.start, range.end);
    if comparator == Comparator::Ap {
        let gap = lo.saturating_sub(now.0).max(now.0.saturating_sub(hi)).max(0);
        lo = lo.saturating_sub(gap / 10).max(OPEN_START_US);
        hi = hi.saturating_add(gap / 10).min(OPEN_END_US);
    }
    Ok(DateMatch { comparator, lo, hi })
}

/// A number as it was written, and how to compare with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefixed {
    pub(crate) comparator: Comparator,
    /// A decimal.
    pub(crate) number: String,
}

/// A number with its prefix.
pub(crate) fn prefixed_number(text: &str) -> Result<Prefixed, Expected> {
    let plain = unescape(text);
    let (comparator, value) = prefixed(&plain)?;
    compared_number(comparator, value)
}

/// A number without a prefix.
pub(crate) fn compared_number(comparator: Comparator, text: &str) -> Result<Prefixed, Expected> {
    decimal(text).map(|_| Prefixed { comparator, number: text.to_owned() })
}

fn decimal(text: &str) -> Result<Decimal, Expected> {
    text.parse().map_err(|_error| expected("a number such as 5, -0.40 or 1.0e2", text))
}

/// A number with its prefix as a range.
pub(crate) fn number(text: &str) -> Result<NumberRange, Expected> {
    prefixed_number(text)?.range()
}

/// The bounds of a comparison: each with whether it belongs to the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: Option<(Decimal, bool)>,
    pub(crate) max: Option<(Decimal, bool)>,
    pub(crate) negated: bool,
}

impl Prefixed {
    /// What the comparison means.
    pub(crate) fn bounds(&self) -> Result<Bounds, Expected> {
        let number = decimal(&self.number)?;
        let (min, max) = match self.comparator {
            Comparator::Eq | Comparator::Ne => {
                let (low, high) = number.written_range();
                (Some((low, true)), Some((high, false)))
            }
            Comparator::Gt | Comparator::Sa => (Some((number, false)), None),
            Comparator::Lt | Comparator::Eb => (None, Some((number, false))),
            Comparator::Ge => (Some((number, true)), None),
            Comparator::Le => (None, Some((number, true))),
            Comparator::Ap => {
                let (low, high) = number.approximate_range();
                (Some((low, true)), Some((high, true)))
            }
        };
        Ok(Bounds { min, max, negated: self.comparator == Comparator::Ne })
    }

    /// The same as keys.
    pub(crate) fn range(&self) -> Result<NumberRange, Expected> {
        let Bounds { min, max, negated } = self.bounds()?;
        let key = |(end, inclusive): (Decimal, bool)| (end.to_key(), inclusive);
        Ok(NumberRange { min: min.map(key), max: max.map(key), negated })
    }
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
