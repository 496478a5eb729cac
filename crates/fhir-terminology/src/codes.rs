//! The codes of an expanded value set.

use std::cmp::Ordering;

/// One code of an expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// URL of the code system; empty where a stored expansion names none.
    pub system: String,
    /// The code, as its code system writes it.
    pub code: String,
    /// The name for people, as the value set or else the code system has it.
    pub display: Option<String>,
    /// Whether the code stands for its group only and is not meant to be used in data.
    pub is_abstract: bool,
    /// Whether the code system has retired it.
    pub is_inactive: bool,
}

/// The codes of a value set: sorted by system and code, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    codes: Vec<Code>,
    partial: Vec<String>,
}

impl Codes {
    /// Sorts the codes; of equal ones the first stays.
    #[must_use]
    pub(crate) fn new(codes: Vec<Code>, mut partial: Vec<String>) -> Self {
        let codes = distinct(codes);
        partial.sort_unstable();
        partial.dedup();
        Self { codes, partial }
    }

    /// The codes, sorted by system and code.
    #[must_use]
    pub fn as_slice(&self) -> &[Code] {
        &self.codes
    }

    /// How many codes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether the value set has no codes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Whether this code of this system is among them, compared as it stands.
    #[must_use]
    pub fn contains(&self, system: &str, code: &str) -> bool {
        self.get(system, code).is_some()
    }

    /// The code of this system, compared as it stands.
    #[must_use]
    pub fn get(&self, system: &str, code: &str) -> Option<&Code> {
        let at = self.codes.binary_search_by(|each| compare(each, system, code)).ok()?;
        self.codes.get(at)
    }

    /// Code systems that went in with a part of their codes (`content` is `fragment` or
    /// `example`): codes that only the whole system has are missing here.
    #[must_use]
    pub fn partial_systems(&self) -> &[String] {
        &self.partial
    }
}

/// Sorted by system and code; of equal ones the first stays.
pub(crate) fn distinct(mut codes: Vec<Code>) -> Vec<Code> {
    codes.sort_by(|one, other| compare(one, &other.system, &other.code));
    codes.dedup_by(|later, first| later.system == first.system && later.code == first.code);
    codes
}

fn compare(each: &Code, system: &str, code: &str) -> Ordering {
    each.system.as_str().cmp(system).then_with(|| each.code.as_str().cmp(code))
}
