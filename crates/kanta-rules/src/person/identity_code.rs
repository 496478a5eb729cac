//! The Finnish personal identity code (henkilötunnus, personbeteckning) and the rule about it.
//!
//! The separator is part of the identity: `010190-900P` and `010190Y900P` are two people, so
//! nothing here normalises. Individual numbers 900 to 999 are temporary or fictitious codes and
//! pass like all others.
//! Source: the Finnish base profiles and the Digital and Population Data Services Agency on the
//! reform of identity codes in force from 1 January 2023.

use fhir_definitions::ResourceType;
use fhir_interaction::Rule;
use fhir_model::{Issue, IssueType, Kind, ResourceView, Value};

/// The system of identifiers that hold a personal identity code.
pub const SYSTEM: &str = "urn:oid:1.2.246.21";

/// The check characters by the remainder of the nine digits divided by 31.
const CHECK_CHARACTERS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";

/// What is wrong with a code. The messages never repeat the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentityCode {
    /// Not eleven characters.
    #[error("expected 11 characters, found {0}")]
    Length(usize),
    /// The first six or the three after the separator are not all digits.
    #[error("expected six digits, a separator, three digits and a check character")]
    Form,
    /// The separator is none of the known ones.
    #[error("expected one of + - Y X W V U A B C D E F as the seventh character")]
    Separator,
    /// The day does not exist in that century.
    #[error("the first six digits and the separator name a day that does not exist")]
    Date,
    /// Individual numbers start at 002.
    #[error("expected an individual number from 002 to 999")]
    Number,
    /// The last character doesn't fit the digits.
    #[error("the check character does not fit the digits")]
    Check,
}

/// Checks one code, in the order in which people would look at it.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(code: &str) -> Result<(), InvalidIdentityCode> {
    use InvalidIdentityCode as Invalid;
    let length = code.chars().count();
    let Ok(bytes) = <[u8; 11]>::try_from(code.as_bytes()) else {
        return Err(if length == 11 { Invalid::Form } else { Invalid::Length(length) });
    };
    let [d1, d2, m1, m2, y1, y2, separator, n1, n2, n3, check] = bytes;
    let century = century(separator).ok_or(Invalid::Separator)?;
    let digits = [d1, d2, m1, m2, y1, y2, n1, n2, n3];
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Invalid::Form);
    }
    let number =
        |digits: &[u8]| digits.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let (day, month) = (number(&[d1, d2]), number(&[m1, m2]));
    if !is_day(century + number(&[y1, y2]), month, day) {
        return Err(Invalid::Date);
    }
    if number(&[n1, n2, n3]) < 2 {
        return Err(Invalid::Number);
    }
    let remainder = usize::try_from(number(&digits) % 31).unwrap_or_default();
    if CHECK_CHARACTERS.get(remainder) != Some(&check) {
        return Err(Invalid::Check);
    }
    Ok(())
}

fn century(separator: u8) -> Option<u32> {
    match separator {
        b'+' => Some(1800),
        b'-' | b'U'..=b'Y' => Some(1900),
        b'A'..=b'F' => Some(2000),
        _ => None,
    }
}

fn is_day(year: u32, month: u32, day: u32) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Every identifier with the system of identity codes holds a well-formed one, wherever it
/// stands: Patient, contained resources, logical references.
///
/// A check character that does not fit is a warning: test codes in circulation, those of the
/// Finnish base profiles' own examples among them, carry wrong ones.
#[derive(Clone, Copy, Debug)]
pub struct IdentityCodeRule;

impl Rule for IdentityCodeRule {
    fn id(&self) -> &'static str {
        "finnish-identity-code"
    }

    fn applies_to(&self, _resource_type: ResourceType) -> bool {
        true
    }

    fn check(&self, view: ResourceView<'_>) -> Vec<Issue> {
        if !may_name_a_person(view) {
            return Vec::new();
        }
        let mut issues = Vec::new();
        walk(view.value, view.resource_type.as_str(), &mut |identifier, path| {
            let Some(value) = identifier.get("value") else { return };
            let Err(fault) = check(&value.text().unwrap_or_default()) else { return };
            let text = format!("this is no Finnish personal identity code: {fault}");
            let issue = match fault {
                InvalidIdentityCode::Check => Issue::warning(IssueType::BusinessRule, text),
                InvalidIdentityCode::Length(_)
                | InvalidIdentityCode::Form
                | InvalidIdentityCode::Separator
                | InvalidIdentityCode::Date
                | InvalidIdentityCode::Number => Issue::error(IssueType::BusinessRule, text),
            };
            issues.push(issue.at(format!("{path}.value")).rule(self.id()));
        });
        issues
    }
}

/// Most resources name no person by code: one look at their text spares the walk. A text with
/// escapes may hide the system and is walked.
fn may_name_a_person(view: ResourceView<'_>) -> bool {
    std::str::from_utf8(view.value.raw())
        .is_ok_and(|text| text.contains(SYSTEM) || text.contains("\\u"))
}

/// Calls `found` with each object whose system is that of identity codes.
fn walk(value: Value<'_>, path: &str, found: &mut dyn FnMut(Value<'_>, &str)) {
    if value.kind() != Kind::Object {
        return;
    }
    let system = value.get("system").and_then(Value::text);
    if system.as_deref() == Some(SYSTEM) {
        found(value, path);
    }
    for (key, member) in value.members() {
        match member.kind() {
            Kind::Object => walk(member, &format!("{path}.{key}"), found),
            Kind::Array => {
                for (index, item) in member.items().enumerate() {
                    walk(item, &format!("{path}.{key}[{index}]"), found);
                }
            }
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use fhir_model::{Limits, Resource, Severity};

    use super::*;

    #[test]
    fn codes_of_all_centuries_pass() {
        for code in [
            "010190-900P",
            "010190Y900P",
            "290200A902D",
            "290200B902D",
            "131052-9982",
            "311299+9019",
            "010324F903C",
            "150675U944A",
        ] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
    }

    #[test]
    fn a_wrong_check_character_is_a_warning_and_a_wrong_form_an_error() {
        let source = br#"{"resourceType":"Patient","identifier":[
            {"system":"urn:oid:1.2.246.21","value":"010190-999Y"},
            {"system":"urn:oid:1.2.246.21","value":"010190-99"}]}"#;
        let patient = Resource::from_json(source.to_vec(), &Limits::default()).unwrap();
        let severities: Vec<_> =
            IdentityCodeRule.check(patient.view()).iter().map(|issue| issue.severity).collect();
        assert_eq!(severities, [Severity::Warning, Severity::Error]);
    }

    #[test]
    fn each_fault_is_told_and_the_code_is_not() {
        use InvalidIdentityCode as Invalid;
        for (code, expected) in [
            ("", Invalid::Length(0)),
            ("010190-900", Invalid::Length(10)),
            ("ä10190-900P", Invalid::Form),
            ("O10190-900P", Invalid::Form),
            ("010190-9OOP", Invalid::Form),
            ("010190Z900R", Invalid::Separator),
            ("010190a900P", Invalid::Separator),
            ("290201A902H", Invalid::Date),
            ("311390-900P", Invalid::Date),
            ("000190-900P", Invalid::Date),
            ("010190-001P", Invalid::Number),
            ("010190-999Y", Invalid::Check),
            ("010190-900p", Invalid::Check),
        ] {
            assert_eq!(check(code), Err(expected), "{code}");
            assert!(code.is_empty() || !expected.to_string().contains(code));
        }
    }
}
