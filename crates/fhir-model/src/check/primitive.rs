//! The forms of primitive values. Spec: <https://hl7.org/fhir/R4/datatypes.html#primitive>

use std::borrow::Cow;

use fhir_definitions::Primitive;

use super::faults::{self, FORM, JSON_TYPE, RANGE, Rule, TOO_LONG, form, shape};
use super::{narrative, temporal};
use crate::id::Id;
use crate::scan;
use crate::tape::{Kind, Value};

/// Strings have at most so many characters. Spec: <https://hl7.org/fhir/R4/datatypes.html#string>
const MAX_STRING: usize = 1024 * 1024;
/// Numbers longer than this serve no one but attackers.
const MAX_NUMBER: usize = 1024;

/// What is wrong with a value.
pub(crate) struct Wrong {
    pub(crate) rule: Rule,
    pub(crate) expected: Cow<'static, str>,
    pub(crate) found: Cow<'static, str>,
}

/// Checks one value; `None` is well.
pub(crate) fn check(value: Value<'_>, primitive: Primitive) -> Option<Wrong> {
    use Primitive as P;
    match (primitive, value.kind()) {
        (P::Boolean, Kind::True | Kind::False) => None,
        (P::Boolean, _) => Some(json_type("a boolean", value)),
        (P::Integer | P::UnsignedInt | P::PositiveInt | P::Decimal, Kind::Number) => {
            number(value.literal().unwrap_or_default(), primitive)
        }
        (P::Integer | P::UnsignedInt | P::PositiveInt | P::Decimal, _) => {
            Some(json_type("a number", value))
        }
        (P::Xhtml, Kind::String) => narrative::check(&value.text().unwrap_or_default()),
        (_, Kind::String) if !value.node().is_escaped => {
            text_form(value.raw_text(), false, primitive)
        }
        (_, Kind::String) => text_form(&value.text().unwrap_or_default(), true, primitive),
        (_, _) => Some(json_type("a string", value)),
    }
}

fn json_type(expected: &'static str, value: Value<'_>) -> Wrong {
    Wrong { rule: JSON_TYPE, expected: expected.into(), found: shape(value) }
}

fn number(text: &str, primitive: Primitive) -> Option<Wrong> {
    let wrong = |rule: Rule, expected: &'static str| {
        let found = format!("a number of the form {}", form(text)).into();
        Some(Wrong { rule, expected: expected.into(), found })
    };
    if text.len() > MAX_NUMBER {
        return wrong(TOO_LONG, "a number of at most 1024 characters");
    }
    let (least, range) = match primitive {
        Primitive::PositiveInt => (1, "a whole number from 1 to 2147483647"),
        Primitive::UnsignedInt => (0, "a whole number from 0 to 2147483647"),
        Primitive::Integer => {
            (i64::from(i32::MIN), "a whole number from -2147483648 to 2147483647")
        }
        Primitive::Decimal => {
            let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
            let is_huge = exponent.trim_start_matches(['+', '-']).trim_start_matches('0').len() > 4;
            return is_huge.then(|| wrong(RANGE, "an exponent of at most four digits")).flatten();
        }
        Primitive::Boolean
        | Primitive::String
        | Primitive::Markdown
        | Primitive::Code
        | Primitive::Id
        | Primitive::Uri
        | Primitive::Url
        | Primitive::Canonical
        | Primitive::Oid
        | Primitive::Uuid
        | Primitive::Base64Binary
        | Primitive::Date
        | Primitive::DateTime
        | Primitive::Time
        | Primitive::Instant
        | Primitive::Xhtml => return None,
    };
    if text.contains(['.', 'e', 'E']) {
        return wrong(FORM, range);
    }
    match text.parse::<i64>() {
        Ok(number) if (least..=i64::from(i32::MAX)).contains(&number) => None,
        _ => wrong(RANGE, range),
    }
}

fn text_form(text: &str, is_escaped: bool, primitive: Primitive) -> Option<Wrong> {
    use Primitive as P;
    if text.is_empty() {
        let expected = Cow::Borrowed("a string that is not empty");
        return Some(Wrong { rule: faults::EMPTY, expected, found: "an empty string".into() });
    }
    if scan::has_noncharacter(text) {
        let expected = Cow::Borrowed("characters that XML can carry");
        return Some(Wrong { rule: FORM, expected, found: "U+FFFE or U+FFFF".into() });
    }
    let expected = match primitive {
        P::String | P::Markdown => return string(text, is_escaped),
        P::Base64Binary => {
            let wrong = Wrong {
                rule: FORM,
                expected: "base64".into(),
                found: format!("a string of length {}", text.chars().count()).into(),
            };
            return (!is_base64(text)).then_some(wrong);
        }
        P::Code if is_code(text) => return None,
        P::Code => "a code without white space at its ends or twice in a row",
        P::Id if Id::is_valid(text) => return None,
        P::Id => "an id: 1 to 64 characters of A-Z, a-z, 0-9, '-' and '.'",
        P::Uri | P::Url | P::Canonical if has_no_space(text) => return None,
        P::Uri | P::Url | P::Canonical => "a URI without white space",
        P::Oid if is_oid(text) => return None,
        P::Oid => "an OID such as urn:oid:1.2.3",
        P::Uuid if is_uuid(text) => return None,
        P::Uuid => "a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        P::Date if temporal::is_date(text) => return None,
        P::Date => "a date that exists: YYYY, YYYY-MM or YYYY-MM-DD",
        P::DateTime if temporal::is_date_time(text) => return None,
        P::DateTime => {
            "a date that exists: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone"
        }
        P::Time if temporal::is_time(text) => return None,
        P::Time => "a time hh:mm:ss",
        P::Instant if temporal::is_instant(text) => return None,
        P::Instant => "an instant YYYY-MM-DDThh:mm:ss with a zone",
        P::Boolean | P::Integer | P::UnsignedInt | P::PositiveInt | P::Decimal | P::Xhtml => {
            return None;
        }
    };
    let found = format!("a string of the form \"{}\"", form(text)).into();
    Some(Wrong { rule: FORM, expected: expected.into(), found })
}

fn string(text: &str, is_escaped: bool) -> Option<Wrong> {
    if text.len() > MAX_STRING && text.chars().count() > MAX_STRING {
        let found = format!("{} characters", text.chars().count()).into();
        return Some(Wrong {
            rule: TOO_LONG,
            expected: "at most 1048576 characters".into(),
            found,
        });
    }
    // Raw control characters never get past the JSON parser.
    if !is_escaped {
        return None;
    }
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let control = text.bytes().find(is_control)?;
    Some(Wrong {
        rule: FORM,
        expected: "no control characters but tab, line feed and carriage return".into(),
        found: format!("the control character U+{control:04X}").into(),
    })
}

fn is_code(text: &str) -> bool {
    if has_no_space(text) {
        return true;
    }
    let bytes = text.as_bytes();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let is_trimmed = ![bytes.first(), bytes.last()].into_iter().flatten().any(is_space);
    is_trimmed
        && bytes.windows(2).all(|pair| !pair.iter().all(is_space))
        && bytes.iter().all(|byte| *byte >= 0x20 || is_space(byte))
}

/// Neither white space nor control characters.
#[inline]
fn has_no_space(text: &str) -> bool {
    scan::low_end(text.as_bytes()) == text.len()
}

fn is_oid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("urn:oid:") else { return false };
    let mut parts = rest.split('.');
    let is_arc = |part: &str| {
        let is_plain = part == "0" || !part.starts_with('0');
        !part.is_empty() && is_plain && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    matches!(parts.next(), Some("0" | "1" | "2")) && rest.contains('.') && parts.all(is_arc)
}

fn is_uuid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("urn:uuid:") else { return false };
    rest.len() == 36
        && rest.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// Groups of four with white space anywhere, as the specification's pattern has it; padding only
/// at the end.
fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Long data without line ends is the common case: no early end, so that many bytes go at once.
    let padding = bytes.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let data = bytes.get(..bytes.len() - padding).unwrap_or_default();
    let is_plain = data.iter().fold(true, |good, byte| good & is_digit_of_64(*byte));
    if is_plain {
        return !data.is_empty() && bytes.len().is_multiple_of(4);
    }
    let mut count = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'=' if padding < 2 => padding += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ if padding == 0 && is_digit_of_64(byte) => count += 1,
            _ => return false,
        }
    }
    count > 0 && (count + padding).is_multiple_of(4)
}

#[inline]
const fn is_digit_of_64(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
        || byte.wrapping_sub(b'0') < 10
        || byte == b'+'
        || byte == b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert!(is_code("a b") && !is_code(" a") && !is_code("a ") && !is_code("a  b"));
        assert!(is_oid("urn:oid:1.2.840.0") && !is_oid("urn:oid:1") && !is_oid("urn:oid:3.1"));
        assert!(!is_oid("urn:oid:1.02") && !is_oid("1.2.3") && !is_oid("urn:oid:1..2"));
        assert!(is_uuid("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"));
        assert!(!is_uuid("urn:uuid:C757873D-EC9A-4326-A141-556F43239520"));
        assert!(is_base64("QUJD") && is_base64("QUI=") && is_base64("QU\nJ DQQ==\n"));
        assert!(!is_base64("QUJ") && !is_base64("Q===") && !is_base64("QU=J") && !is_base64("  "));
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let is_wrong = |text, kind| number(text, kind).is_some();
        assert!(!is_wrong("2147483647", Primitive::Integer));
        assert!(is_wrong("2147483648", Primitive::Integer));
        assert!(is_wrong("4294967297", Primitive::Integer) && is_wrong("1.0", Primitive::Integer));
        assert!(
            !is_wrong("-2147483648", Primitive::Integer) && is_wrong("1e3", Primitive::Integer)
        );
        assert!(is_wrong("0", Primitive::PositiveInt) && is_wrong("-1", Primitive::UnsignedInt));
        assert!(
            !is_wrong("1.00e+10", Primitive::Decimal) && !is_wrong("1e9999", Primitive::Decimal)
        );
        assert!(is_wrong("1e10000", Primitive::Decimal));
        assert!(is_wrong(&"1".repeat(1025), Primitive::Decimal));
    }
}
