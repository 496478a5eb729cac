//! One concept of a code system.

use super::body::{ABSTRACT, INACTIVE, NONE};
use super::{CodeSystem, Use, ValueKind};

/// A concept of a code system; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Concept<'a> {
    pub(super) system: &'a CodeSystem,
    pub(super) at: u32,
}

/// A value of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// Its code.
    pub code: &'a str,
    /// The type of the value.
    pub kind: ValueKind,
    /// The value; of a Coding its code.
    pub value: &'a str,
    /// System and display, where the value is a Coding.
    pub coding: Option<(&'a str, &'a str)>,
}

/// A name in another language or for another use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Designation<'a> {
    /// BCP-47.
    pub language: Option<&'a str>,
    /// What it is for.
    pub usage: Option<&'a Use>,
    /// The name.
    pub value: &'a str,
}

/// Stands between code, system and display where the value of a property is a Coding.
pub(crate) const BETWEEN: char = '\u{1f}';

impl<'a> Concept<'a> {
    /// The code as the system writes it.
    #[must_use]
    pub fn code(self) -> &'a str {
        self.system.body.code(self.at)
    }

    /// Name for people.
    #[must_use]
    pub fn display(self) -> Option<&'a str> {
        let span = self.system.body.displays.get(self.at as usize)?;
        Some(self.system.body.text(*span)).filter(|text| !text.is_empty())
    }

    /// What it means.
    #[must_use]
    pub fn definition(self) -> Option<&'a str> {
        let span = self.system.body.definitions.get(self.at as usize)?;
        Some(self.system.body.text(*span)).filter(|text| !text.is_empty())
    }

    /// Whether it stands for its group only.
    #[must_use]
    pub fn is_abstract(self) -> bool {
        self.flags() & ABSTRACT != 0
    }

    /// Whether it is retired.
    #[must_use]
    pub fn is_inactive(self) -> bool {
        self.flags() & INACTIVE != 0
    }

    fn flags(self) -> u8 {
        self.system.body.flags.get(self.at as usize).copied().unwrap_or(0)
    }

    pub(crate) const fn position(self) -> u32 {
        self.at
    }

    /// The concepts directly above.
    pub fn parents(self) -> impl Iterator<Item = Self> {
        self.system.body.parents.of(self.at).iter().map(move |at| self.system.at(*at))
    }

    /// The concepts directly below.
    pub fn children(self) -> impl Iterator<Item = Self> {
        self.system.body.children.of(self.at).iter().map(move |at| self.system.at(*at))
    }

    /// All property values, those of supplements last.
    pub fn properties(self) -> impl Iterator<Item = Property<'a>> {
        let body = &self.system.body;
        let own = body.values.of(self.at).iter().map(|value| {
            let code = body.names.get(usize::from(value.name)).map_or("", String::as_str);
            property(code, value.kind, body.text(value.text))
        });
        let added = self.system.added.get(&self.at).map(|added| added.properties.as_slice());
        let added = added.unwrap_or_default().iter();
        own.chain(added.map(|(code, kind, value)| property(code, *kind, value)))
    }

    /// The values of one property.
    pub(crate) fn values(self, code: &str) -> impl Iterator<Item = &'a str> {
        self.properties().filter(move |each| each.code == code).map(|each| each.value)
    }

    /// All designations, those of supplements last.
    pub fn designations(self) -> impl Iterator<Item = Designation<'a>> {
        let body = &self.system.body;
        let own = body.designations.of(self.at).iter().map(|named| Designation {
            language: (named.language != NONE)
                .then(|| body.languages.get(usize::from(named.language)).map(String::as_str))
                .flatten(),
            usage: (named.usage != NONE).then(|| body.uses.get(usize::from(named.usage))).flatten(),
            value: body.text(named.text),
        });
        let added = self.system.added.get(&self.at).map(|added| added.designations.as_slice());
        let added = added.unwrap_or_default().iter();
        own.chain(added.map(|(language, usage, value)| Designation {
            language: language.as_deref(),
            usage: usage.as_ref(),
            value,
        }))
    }

    /// The name in the first of these languages that it has one in; the display otherwise.
    #[must_use]
    pub fn display_in(self, languages: &[&str]) -> Option<&'a str> {
        for language in languages {
            if self.system.language.as_deref().is_some_and(|own| is_language(own, language)) {
                return self.display();
            }
            let mut named = self.designations().filter(|each| {
                each.language.is_some_and(|own| is_language(own, language)) && !each.is_definition()
            });
            if let Some(found) = named.next() {
                return Some(found.value);
            }
        }
        self.display()
    }

    /// Whether this is one of its names: case and spaces don't count.
    #[must_use]
    pub fn is_named(self, text: &str) -> bool {
        self.display().is_some_and(|display| same_name(display, text))
            || self.designations().any(|each| same_name(each.value, text))
    }
}

impl Designation<'_> {
    /// Whether it explains instead of naming: SNOMED CT's text definitions.
    fn is_definition(self) -> bool {
        self.usage.is_some_and(|usage| usage.code == "900000000000550004")
    }
}

fn property<'a>(code: &'a str, kind: ValueKind, text: &'a str) -> Property<'a> {
    match text.split_once(BETWEEN) {
        Some((value, rest)) => {
            Property { code, kind, value, coding: rest.split_once(BETWEEN).or(Some((rest, ""))) }
        }
        None => Property { code, kind, value: text, coding: None },
    }
}

/// Whether a text in language `own` serves somebody who asks for `wanted`: `fi-FI` serves `fi`,
/// and `fi` serves `fi-FI`.
pub(crate) fn is_language(own: &str, wanted: &str) -> bool {
    let is_prefix = |short: &str, long: &str| {
        long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
            && matches!(long.as_bytes().get(short.len()), None | Some(b'-'))
    };
    is_prefix(own, wanted) || is_prefix(wanted, own)
}

/// Whether two names are the same but for case and the number of spaces.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_lowercase).collect() };
    words(one) == words(other)
}
