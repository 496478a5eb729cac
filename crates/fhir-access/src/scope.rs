//! SMART scopes, version 2 and version 1.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use fhir_definitions::ResourceType;

/// Whose data a scope speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// Data in the compartment of the patient in the launch context.
    Patient,
    /// Whatever the user may see; policies say what that is.
    User,
    /// Whatever the client system may see; policies say what that is.
    System,
}

/// What may be done: a set of the five letters of a version 2 scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rights(u8);

impl Rights {
    /// `c`: type-level create.
    pub const CREATE: Self = Self(1);
    /// `r`: read, vread and the history of one resource.
    pub const READ: Self = Self(2);
    /// `u`: update and patch.
    pub const UPDATE: Self = Self(4);
    /// `d`: delete.
    pub const DELETE: Self = Self(8);
    /// `s`: search, and the history of a type or of the system.
    pub const SEARCH: Self = Self(16);
    /// All five.
    pub const ALL: Self = Self(31);

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in it.
    #[must_use]
    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The letters, in the order that the specification asks for.
    #[must_use]
    pub fn letters(self) -> String {
        LETTERS.iter().filter(|(_, right)| self.has(*right)).map(|(letter, _)| letter).collect()
    }

    /// The letters of a version 2 scope: at least one, in the order `cruds`, none twice.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut known = LETTERS.iter();
        let mut rights = Self::default();
        for letter in text.chars() {
            let (_, right) = known.find(|(each, _)| *each == letter)?;
            rights = rights.and(*right);
        }
        (rights != Self::default()).then_some(rights)
    }
}

const LETTERS: [(char, Rights); 5] = [
    ('c', Rights::CREATE),
    ('r', Rights::READ),
    ('u', Rights::UPDATE),
    ('d', Rights::DELETE),
    ('s', Rights::SEARCH),
];

/// One scope that speaks of resources, such as `patient/Observation.rs?category=laboratory`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    /// Whose data.
    pub context: Context,
    /// The type; none is `*`, all types.
    pub resource_type: Option<ResourceType>,
    /// What may be done.
    pub rights: Rights,
    /// Search parameters, decoded, all of which a resource must satisfy; empty for all resources.
    pub restriction: Vec<(String, String)>,
}

/// Why a scope that looks like one of resources gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum InvalidScope {
    /// The part before the slash.
    #[error("the context must be patient, user or system")]
    Context,
    /// The part between slash and dot.
    #[error("the type must be a resource type of R4 or *")]
    Type,
    /// The part after the dot.
    #[error("the rights must be letters of cruds in that order, or read, write or * of version 1")]
    Rights,
    /// The part after the question mark.
    #[error("the restriction must be search parameters, name=value joined by &, percent-encoded")]
    Restriction,
}

impl std::str::FromStr for Grant {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let (context, rest) = text.split_once('/').ok_or(InvalidScope::Context)?;
        let context = match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            "system" => Context::System,
            _ => return Err(InvalidScope::Context),
        };
        let (rest, restriction) = match rest.split_once('?') {
            Some((rest, restriction)) => (rest, Some(restriction)),
            None => (rest, None),
        };
        let (resource_type, rights) = rest.split_once('.').ok_or(InvalidScope::Rights)?;
        let resource_type = match resource_type {
            "*" => None,
            name => Some(name.parse().map_err(|_unknown| InvalidScope::Type)?),
        };
        let is_v2 = Rights::parse(rights);
        let rights = match (rights, is_v2) {
            (_, Some(rights)) => rights,
            // Version 1, as the specification maps it to version 2.
            ("read", None) => Rights::READ.and(Rights::SEARCH),
            ("write", None) => Rights::CREATE.and(Rights::UPDATE).and(Rights::DELETE),
            ("*", None) => Rights::ALL,
            (_, None) => return Err(InvalidScope::Rights),
        };
        let restriction = match (restriction, is_v2) {
            (None, _) => Vec::new(),
            (Some(_), None) => return Err(InvalidScope::Restriction),
            (Some(text), Some(_)) => pairs(text).ok_or(InvalidScope::Restriction)?,
        };
        Ok(Self { context, resource_type, rights, restriction })
    }
}

/// `a=b&c=d`, decoded; none where there is nothing or something is malformed.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        (!name.is_empty() && !value.is_empty()).then_some((name, value))
    };
    text.split('&').map(pair).collect()
}

/// Percent-decoded UTF-8; `+` stands for itself, as scopes are no forms.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}

/// What a token was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    grants: Vec<Grant>,
    others: Vec<String>,
    invalid: Vec<(String, InvalidScope)>,
}

impl Scopes {
    /// Reads the text of a `scope` claim, scopes separated by spaces.
    ///
    /// Nothing fails: a scope that cannot be read gives nothing, and is told by
    /// [`Self::invalid`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut scopes = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            // `launch/patient` asks for a context and grants nothing.
            // A URL is somebody's own scope.
            let before = word.split('?').next().unwrap_or(word);
            if !before.contains('/') || before.starts_with("launch/") || before.contains("://") {
                scopes.others.push(word.to_owned());
                continue;
            }
            match word.parse() {
                Ok(grant) => scopes.grants.push(grant),
                Err(why) => scopes.invalid.push((word.to_owned(), why)),
            }
        }
        scopes.grants.sort_unstable();
        scopes.grants.dedup();
        scopes
    }

    /// Those that speak of resources.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Those that speak of something else: `openid`, `launch/patient`, a service's own.
    #[must_use]
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// Those that look as if they spoke of resources, and cannot be read.
    #[must_use]
    pub fn invalid(&self) -> &[(String, InvalidScope)] {
        &self.invalid
    }
}
