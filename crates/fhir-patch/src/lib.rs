//! Patches: JSON Patch, JSON Merge Patch and FHIRPath Patch, applied to a resource.
//!
//! [`Patch`] is read once from the body of a request or from an entry of a Bundle;
//! [`Patch::apply`] gives the patched resource, checked like any body. Numbers keep their text,
//! members their order. Knows neither storage nor HTTP: versions, conditions and retries are the
//! interaction's.
//!
//! Decisions where the specifications leave room:
//! - Objects and lists that a patch leaves empty go, since FHIR's JSON has neither.
//! - A `test` that fails is a conflict (409); any other operation that cannot be applied, and a
//!   result that is no resource, is unprocessable (422).
//! - FHIRPath `delete` of what is not there changes nothing; all other paths must lead to exactly
//!   one element, `insert` and `move` to exactly one list.
//!
//! Specs: <https://hl7.org/fhir/R4/http.html#patch>, <https://hl7.org/fhir/R4/fhirpatch.html>,
//! RFC 6902 (JSON Patch), RFC 7386 (merge patch), RFC 6901 (pointers).
#![warn(missing_docs)]

pub mod base64;
mod fhirpath;
mod json;
mod merge;
mod pointer;
mod tree;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue, IssueType, Limits, Resource, ResourceView, Value};

use crate::fhirpath::FhirPathPatch;
use crate::json::JsonPatch;
use crate::merge::MergePatch;
use crate::tree::Tree;

/// The most operations of one patch.
const MAX_OPERATIONS: usize = 10_000;

/// A patch document that has been read.
#[derive(Clone, Debug)]
pub struct Patch {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Json(JsonPatch),
    Merge(MergePatch),
    FhirPath(FhirPathPatch),
}

impl Patch {
    /// Reads a JSON Patch (`application/json-patch+json`).
    ///
    /// # Errors
    /// `MalformedBody`, each issue at `patch[index].member`.
    pub fn json(body: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        JsonPatch::parse(body, limits).map(|patch| Self { kind: Kind::Json(patch) })
    }

    /// Reads a JSON Merge Patch (`application/merge-patch+json`).
    ///
    /// # Errors
    /// `MalformedBody` where it is no JSON object.
    pub fn merge(body: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        MergePatch::parse(body, limits).map(|patch| Self { kind: Kind::Merge(patch) })
    }

    /// Reads a FHIRPath Patch: a Parameters resource.
    ///
    /// # Errors
    /// `MalformedBody`, each issue at `Parameters.parameter[index]...`.
    pub fn fhirpath(parameters: ResourceView<'_>) -> Result<Self, Failure> {
        FhirPathPatch::read(parameters).map(|patch| Self { kind: Kind::FhirPath(patch) })
    }

    /// Reads the resource of a PATCH entry of a Bundle: Parameters, or a Binary with a JSON Patch
    /// or merge patch inside.
    ///
    /// # Errors
    /// As the others; `UnsupportedMediaType` for a Binary of another content type.
    pub fn of_entry(resource: ResourceView<'_>, limits: &Limits) -> Result<Self, Failure> {
        if resource.resource_type != ResourceType::BINARY {
            return Self::fhirpath(resource);
        }
        let content_type = resource.value.get("contentType").and_then(Value::text);
        let content_type = content_type.unwrap_or_default();
        let data = resource.value.get("data").and_then(Value::text).unwrap_or_default();
        let Some(body) = base64::decoded(&data) else {
            let text = "expected a patch in base64";
            return Err(Failure::new(FailureKind::MalformedBody, text).at("Binary.data"));
        };
        match content_type.split(';').next().map(str::trim) {
            Some("application/json-patch+json") => Self::json(body, limits),
            Some("application/merge-patch+json") => Self::merge(body, limits),
            _ => {
                let text = "a Binary holds application/json-patch+json or \
                            application/merge-patch+json; a FHIRPath Patch is a Parameters";
                let failure = Failure::new(FailureKind::UnsupportedMediaType, text);
                Err(failure.at("Binary.contentType"))
            }
        }
    }

    /// The patched resource, checked against the element table. `resource` is the current
    /// representation, with `id` and `meta`; neither type nor id can be changed.
    ///
    /// # Errors
    /// `Unprocessable` where an operation cannot be applied, `Conflict` where a `test` fails,
    /// `InvalidResource` where what comes out is no resource of R4, `TooCostly` where it would
    /// take too much work.
    pub fn apply(&self, resource: ResourceView<'_>, limits: &Limits) -> Result<Resource, Failure> {
        let mut tree = Tree::of(resource.value);
        match &self.kind {
            Kind::Json(patch) => patch.apply(&mut tree, limits)?,
            Kind::Merge(patch) => patch.apply(&mut tree),
            Kind::FhirPath(patch) => patch.apply(&mut tree, limits)?,
        }
        tree.prune();
        keeps_its_name(resource, &tree)?;
        Resource::from_json(tree.to_json(), limits).map_err(no_resource)
    }
}

/// Refuses a patch that makes another resource of this one.
fn keeps_its_name(before: ResourceView<'_>, after: &Tree) -> Result<(), Failure> {
    if !matches!(after, Tree::Object(_)) {
        let text = format!("what the patch leaves is {}, not a resource", after.name());
        return Err(Failure::new(FailureKind::Unprocessable, text));
    }
    for name in ["resourceType", "id"] {
        let before_text = before.value.get(name).and_then(Value::text);
        if before_text.as_deref() != after.get(name).and_then(Tree::text) {
            let text = format!("a patch cannot change {name}");
            let place = format!("{}.{name}", before.resource_type);
            return Err(Failure::new(FailureKind::Unprocessable, text).at(place));
        }
    }
    Ok(())
}

/// The faults of a result. Its lines and columns mean nothing to the client.
fn no_resource(mut failure: Failure) -> Failure {
    for issue in &mut failure.issues {
        (issue.line, issue.column) = (None, None);
        issue.diagnostics = format!("after the patch: {}", issue.diagnostics);
    }
    let is_large = failure.kind == FailureKind::TooLarge;
    let kind = if is_large { FailureKind::TooLarge } else { FailureKind::InvalidResource };
    Failure::with_issues(kind, failure.issues)
}

fn text(body: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(body).map_err(|error| {
        let issue = fhir_model::json::utf8(error.as_bytes())
            .err()
            .unwrap_or_else(|| Issue::error(IssueType::Structure, "expected UTF-8"));
        Failure::with_issues(FailureKind::MalformedBody, vec![issue])
    })
}

/// A patch document that is no JSON.
fn unreadable(issues: Vec<Issue>) -> Failure {
    let is_large = issues.iter().any(|issue| issue.code == IssueType::TooLong);
    let kind = if is_large { FailureKind::TooLarge } else { FailureKind::MalformedBody };
    Failure::with_issues(kind, issues)
}

fn too_many() -> Failure {
    let text = format!("a patch has at most {MAX_OPERATIONS} operations");
    Failure::new(FailureKind::TooCostly, text)
}

fn too_costly() -> Failure {
    Failure::new(FailureKind::TooCostly, "the patch takes more work than one request is given")
}
