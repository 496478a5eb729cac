//! A fault on its way to becoming an issue: the position is still a byte offset.

use std::borrow::Cow;

use crate::failure::{Issue, IssueType};
use crate::tape::{Kind, Value};

/// A fault at a byte offset of the JSON text.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) issue: Issue,
}

/// What breaks a rule: told to the client as `expected …, found …`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) code: IssueType,
    pub(crate) name: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $code:ident $name:literal;)*) => {
        $(pub(crate) const $constant: Rule = Rule { code: IssueType::$code, name: $name };)*
    };
}

rules! {
    UNKNOWN_ELEMENT = Structure "unknown element";
    DUPLICATE_KEY = Structure "duplicate key";
    JSON_TYPE = Structure "JSON type";
    EMPTY = Structure "nothing is empty";
    NULL = Structure "null only fills arrays of primitives";
    ARRAYS_IN_STEP = Structure "arrays of values and of extensions in step";
    MINIMUM = Required "cardinality";
    CHOICE = Structure "one value of a choice";
    FORM = Value "primitive form";
    RANGE = Value "range of numbers";
    TOO_LONG = TooLong "length";
    RESOURCE_TYPE = Structure "resourceType";
    CONTAINED = Structure "contained resources contain none";
    NARRATIVE = Structure "narrative";
}

/// What a value is, without telling what it holds.
pub(crate) fn shape(value: Value<'_>) -> Cow<'static, str> {
    match value.kind() {
        Kind::String => {
            let length = value.text().map_or(0, |text| text.chars().count());
            Cow::Owned(format!("a string of length {length}"))
        }
        kind @ (Kind::Object
        | Kind::Array
        | Kind::Number
        | Kind::True
        | Kind::False
        | Kind::Null) => Cow::Borrowed(kind.name()),
    }
}

/// The form of a text that must not be shown: digits as 9, letters as a.
pub(crate) fn form(text: &str) -> String {
    const LONGEST: usize = 64;
    let outline = text.chars().take(LONGEST).map(|letter| match letter {
        '0'..='9' => '9',
        letter if letter.is_alphanumeric() => 'a',
        letter if letter.is_ascii_graphic() => letter,
        _ => ' ',
    });
    let mut outline: String = outline.collect();
    if text.chars().nth(LONGEST).is_some() {
        outline.push('…');
    }
    outline
}

/// A name that may be shown, cut to a sensible length and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut out: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_nothing_of_what_the_text_says() {
        assert_eq!(form("2020-02-30"), "9999-99-99");
        assert_eq!(form("010190-999W"), "999999-999a");
        assert_eq!(form("Åse\u{1}  B."), "aaa   a.");
        assert_eq!(form(&"x".repeat(65)), format!("{}…", "a".repeat(64)));
    }
}
