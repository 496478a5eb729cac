//! A code system: its concepts, their hierarchy, names and properties.

mod blob;
mod body;
mod builder;
mod concept;
mod resource;

use std::collections::HashMap;
use std::sync::Arc;

use crate::fault::Fault;
pub(crate) use body::{Body, Marks, number};
pub use body::{Use, ValueKind};
pub(crate) use builder::Builder;
pub use concept::{Concept, Designation, Property};
pub(crate) use concept::{is_language, same_name};
pub(crate) use resource::{designation, is_supplement, items, text};

/// How much of a code system its resource holds: `CodeSystem.content`.
/// Spec: <https://hl7.org/fhir/R4/valueset-codesystem-content-mode.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All codes.
    Complete,
    /// A part of them that is of use by itself.
    Fragment,
    /// A few of them, as examples.
    Example,
    /// None of them.
    Absent,
    /// Names and properties for the codes of another system.
    Supplement,
}

impl Content {
    pub(crate) fn named(text: &str) -> Self {
        match text {
            "complete" => Self::Complete,
            "fragment" => Self::Fragment,
            "example" => Self::Example,
            "supplement" => Self::Supplement,
            _ => Self::Absent,
        }
    }

    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Fragment => "fragment",
            Self::Example => "example",
            Self::Absent => "not-present",
            Self::Supplement => "supplement",
        }
    }

    /// Whether some codes are here, and others may be missing.
    #[must_use]
    pub const fn is_part(self) -> bool {
        matches!(self, Self::Fragment | Self::Example)
    }

    /// Whether no codes are here.
    #[must_use]
    pub const fn is_absent(self) -> bool {
        matches!(self, Self::Absent | Self::Supplement)
    }
}

/// A property that a system declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredProperty {
    /// Its code.
    pub code: String,
    /// What it means, as a URI.
    pub uri: Option<String>,
    /// What it is, in words.
    pub description: Option<String>,
    /// The type of its values.
    pub kind: Option<ValueKind>,
}

/// A code system, from a resource, from an import or from the embedded definitions.
#[derive(Clone, Debug)]
pub struct CodeSystem {
    /// Canonical URL.
    pub url: String,
    /// Version, where it has one.
    pub version: Option<String>,
    /// Name for computers.
    pub name: Option<String>,
    /// Name for people.
    pub title: Option<String>,
    /// Language of its displays.
    pub language: Option<String>,
    /// The value set of all its codes.
    pub value_set: Option<String>,
    /// Whether codes that differ in case are different; `None` where it doesn't say.
    pub is_case_sensitive: Option<bool>,
    /// How much of it is here.
    pub content: Content,
    /// `hierarchyMeaning`.
    pub hierarchy: Option<String>,
    /// Declared properties.
    pub properties: Vec<DeclaredProperty>,
    /// URLs of the supplements that went in.
    pub supplements: Vec<String>,
    pub(crate) body: Arc<Body>,
    /// What supplements add, by the concept's position.
    pub(crate) added: HashMap<u32, Added>,
}

/// What supplements say of one concept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Added {
    pub(crate) properties: Vec<(String, ValueKind, String)>,
    pub(crate) designations: Vec<(Option<String>, Option<Use>, String)>,
}

impl CodeSystem {
    /// All concepts, in the order of the resource: parents before their nested children.
    pub fn concepts(&self) -> impl Iterator<Item = Concept<'_>> {
        (0..self.body.len()).map(|at| self.at(at))
    }

    /// How many concepts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.codes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.codes.is_empty()
    }

    /// The concept of this code; in any case where the system does not insist on case.
    #[must_use]
    pub fn concept(&self, code: &str) -> Option<Concept<'_>> {
        self.position(code).map(|at| self.at(at))
    }

    /// The concept of this code in another case, in a system that insists on case.
    #[must_use]
    pub fn in_other_case(&self, code: &str) -> Option<Concept<'_>> {
        self.body.any_case(code).map(|at| self.at(at))
    }

    pub(crate) const fn at(&self, at: u32) -> Concept<'_> {
        Concept { system: self, at }
    }

    pub(crate) fn position(&self, code: &str) -> Option<u32> {
        let exact = self.body.exact(code);
        if exact.is_some() || self.is_case_sensitive == Some(true) {
            return exact;
        }
        self.body.any_case(code)
    }

    /// `url|version`.
    #[must_use]
    pub fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }

    /// Whether the system declares a property or a concept has it.
    pub(crate) fn has_property(&self, property: &str) -> bool {
        let in_body = || {
            let name = self.body.names.iter().position(|name| name == property);
            name.is_some_and(|name| {
                self.body.values.items.iter().any(|value| usize::from(value.name) == name)
            })
        };
        let is_added = || {
            let mut added = self.added.values().flat_map(|added| &added.properties);
            added.any(|(name, _, _)| name == property)
        };
        self.properties.iter().any(|declared| declared.code == property) || in_body() || is_added()
    }

    /// Marks on the concept and on all that it subsumes.
    pub(crate) fn below(&self, at: u32) -> Result<Marks, Fault> {
        self.walk(at, |at| self.body.children.of(at))
    }

    /// Marks on the concept and on all that subsume it.
    pub(crate) fn above(&self, at: u32) -> Result<Marks, Fault> {
        self.walk(at, |at| self.body.parents.of(at))
    }

    /// Positions that a walk reaches; a hierarchy with circles ends as well.
    fn walk<'a>(&self, at: u32, next: impl Fn(u32) -> &'a [u32]) -> Result<Marks, Fault> {
        let mut found = Marks::none(self.body.len());
        found.set(at);
        let mut open = vec![at];
        let mut is_alone = true;
        while let Some(at) = open.pop() {
            for other in next(at) {
                if found.set(*other) {
                    is_alone = false;
                    open.push(*other);
                }
            }
        }
        if is_alone { Ok(found) } else { self.says_subsumption().map(|()| found) }
    }

    /// Whether the concept at `above` subsumes the one at `below`, or is it. Walks up: ancestors
    /// are few where descendants are many.
    pub(crate) fn subsumes(&self, above: u32, below: u32) -> Result<bool, Fault> {
        let mut seen = vec![below];
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            if at == above {
                return if next == 0 { Ok(true) } else { self.says_subsumption().map(|()| true) };
            }
            for parent in self.body.parents.of(at) {
                if !seen.contains(parent) {
                    seen.push(*parent);
                }
            }
            next += 1;
        }
        Ok(false)
    }

    fn says_subsumption(&self) -> Result<(), Fault> {
        match self.hierarchy.as_deref() {
            Some(meaning @ ("part-of" | "grouped-by")) => {
                let (system, meaning) = (self.url.clone(), meaning.to_owned());
                Err(Fault::NoSubsumption { system, meaning })
            }
            _ => Ok(()),
        }
    }
}
