//! A resource that has been parsed and checked, and the view that others work with.

use fhir_definitions::ResourceType;

use crate::check;
use crate::failure::{Failure, FailureKind, Issue, IssueType};
use crate::id::{Id, ResourceKey};
use crate::json::{self, Limits};
use crate::tape::{Tape, Value};

/// An owned resource: its JSON text and the tape over it.
#[derive(Clone, Debug)]
pub struct Resource {
    source: String,
    tape: Tape,
    resource_type: ResourceType,
}

/// A resource inside some document: the outermost one, a contained one or that of a Bundle entry.
#[derive(Clone, Copy, Debug)]
pub struct ResourceView<'a> {
    /// Its type.
    pub resource_type: ResourceType,
    /// The JSON object.
    pub value: Value<'a>,
}

impl Resource {
    /// Parses JSON and checks it against the element table.
    ///
    /// # Errors
    /// `MalformedBody` with all faults that were found, each with its place; `TooLarge` where the
    /// body is over the limit.
    pub fn from_json(source: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        let source = text(source)?;
        let tape = parse(&source, limits)?;
        let resource_type = check::check(tape.root(&source))
            .map_err(|issues| Failure::with_issues(FailureKind::MalformedBody, issues))?;
        Ok(Self { source, tape, resource_type })
    }

    /// Parses JSON that this server wrote itself: no check against the element table, no limits.
    ///
    /// # Errors
    /// `MalformedBody` where it is not JSON or has no known `resourceType`.
    pub fn trusted(source: Vec<u8>) -> Result<Self, Failure> {
        let source = text(source)?;
        let tape = parse(&source, &Limits::NONE)?;
        let view = ResourceView::of(tape.root(&source)).ok_or_else(|| {
            Failure::new(FailureKind::MalformedBody, "expected a resourceType of R4")
        })?;
        let resource_type = view.resource_type;
        Ok(Self { source, tape, resource_type })
    }

    /// The view of the whole resource.
    #[must_use]
    pub fn view(&self) -> ResourceView<'_> {
        ResourceView { resource_type: self.resource_type, value: self.tape.root(&self.source) }
    }

    /// The type.
    #[must_use]
    pub const fn resource_type(&self) -> ResourceType {
        self.resource_type
    }

    /// The logical id, where the resource carries one.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.view().id()
    }

    /// The JSON text as it was given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn parse(source: &str, limits: &Limits) -> Result<Tape, Failure> {
    json::parse(source, limits).map_err(|issues| {
        let is_large = issues.iter().any(|issue| issue.code == IssueType::TooLong);
        let kind = if is_large { FailureKind::TooLarge } else { FailureKind::MalformedBody };
        Failure::with_issues(kind, issues)
    })
}

fn text(source: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(source).map_err(|error| {
        let issue = json::utf8(error.as_bytes())
            .err()
            .unwrap_or_else(|| Issue::error(IssueType::Structure, "expected UTF-8"));
        Failure::with_issues(FailureKind::MalformedBody, vec![issue])
    })
}

impl<'a> ResourceView<'a> {
    /// The view of a JSON object whose `resourceType` names a type of R4.
    #[must_use]
    pub fn of(value: Value<'a>) -> Option<Self> {
        let name = value.get("resourceType")?.text()?;
        Some(Self { resource_type: ResourceType::named(&name)?, value })
    }

    /// The logical id, where the resource carries one.
    #[must_use]
    pub fn id(self) -> Option<Id> {
        self.value.get("id")?.text()?.parse().ok()
    }

    /// Type and id, where the resource carries an id.
    #[must_use]
    pub fn key(self) -> Option<ResourceKey> {
        Some(ResourceKey::new(self.resource_type, self.id()?))
    }

    /// The value at a path of single keys, such as `["meta", "source"]`.
    #[must_use]
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self.value, |value, key| value.get(key))
    }

    /// The contained resources.
    pub fn contained(self) -> impl Iterator<Item = ResourceView<'a>> {
        let list = self.value.get("contained");
        list.into_iter().flat_map(Value::items).filter_map(ResourceView::of)
    }
}
