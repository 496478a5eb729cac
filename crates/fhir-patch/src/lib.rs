//! Patches: JSON Patch, JSON Merge Patch and FHIRPath Patch, applied to a resource.
//!
//! [`Patch`] is read once from the body of a request or from an entry of a Bundle;
//! [`Patch::apply`] gives the patched resource, checked like any body. Numbers keep their text.
//! Knows neither storage nor HTTP: versions, conditions and retries are the interaction's.
//!
//! Specs: <https://hl7.org/fhir/R4/http.html#patch>, <https://hl7.org/fhir/R4/fhirpatch.html>,
//! RFC 6902 (JSON Patch), RFC 7386 (merge patch), RFC 6901 (pointers).
#![warn(missing_docs)]

use fhir_model::{Failure, FailureKind, Limits, Resource, ResourceView};

/// A patch document that has been read.
#[derive(Clone, Debug)]
pub struct Patch {
    _kind: (),
}

impl Patch {
    /// Reads a JSON Patch (`application/json-patch+json`).
    ///
    /// # Errors
    /// `MalformedBody`, each issue at `patch[index].member`.
    pub fn json(body: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        let _ = (body, limits);
        Err(soon())
    }

    /// Reads a JSON Merge Patch (`application/merge-patch+json`).
    ///
    /// # Errors
    /// `MalformedBody` where it is no JSON object.
    pub fn merge(body: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        let _ = (body, limits);
        Err(soon())
    }

    /// Reads a FHIRPath Patch: a Parameters resource.
    ///
    /// # Errors
    /// `MalformedBody`, each issue at `Parameters.parameter[index]...`.
    pub fn fhirpath(parameters: ResourceView<'_>) -> Result<Self, Failure> {
        let _ = parameters;
        Err(soon())
    }

    /// Reads the resource of a PATCH entry of a Bundle: Parameters, or a Binary with a JSON Patch
    /// or merge patch inside.
    ///
    /// # Errors
    /// As the others; `UnsupportedMediaType` for a Binary of another content type.
    pub fn of_entry(resource: ResourceView<'_>, limits: &Limits) -> Result<Self, Failure> {
        let _ = limits;
        Self::fhirpath(resource)
    }

    /// The patched resource, checked against the element table. `resource` is the current
    /// representation, with `id` and `meta`; neither type nor id can be changed.
    ///
    /// # Errors
    /// `Unprocessable` where an operation cannot be applied, `Conflict` where a `test` fails,
    /// `InvalidResource` where what comes out is no resource of R4, `TooCostly` where it would
    /// take too much work.
    pub fn apply(&self, resource: ResourceView<'_>, limits: &Limits) -> Result<Resource, Failure> {
        let _ = (resource, limits);
        Err(soon())
    }
}

fn soon() -> Failure {
    Failure::new(FailureKind::NotSupported, "this server has no patch yet")
}
