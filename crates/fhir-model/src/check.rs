//! The strict check of a parsed resource against the element table: everything that answers 400.
//!
//! One walk over the tape finds all faults at once: unknown elements, duplicate keys, wrong JSON
//! types, primitive forms and ranges, cardinality, choices, empty things, nulls, contained
//! resources and narrative. Profiles, bindings, invariants and references are left to
//! validation. Nothing is allocated unless there is a fault.

mod allowed;
mod faults;
mod names;
mod narrative;
mod path;
mod primitive;
mod temporal;
mod walk;

use fhir_definitions::ResourceType;

use crate::failure::Issue;
use crate::json;
use crate::tape::Value;

/// At most so many faults are told of one body.
pub const MAX_FAULTS: usize = 100;

/// Checks a document that must be a resource; gives its type.
///
/// # Errors
/// Every fault found, at most [`MAX_FAULTS`], in document order with line and column.
pub fn check(root: Value<'_>) -> Result<ResourceType, Vec<Issue>> {
    check_with(root, |offset| json::position(root.source(), offset))
}

/// [`check`] where positions mean something else than this JSON text (it was made from XML).
///
/// # Errors
/// As [`check`], lines and columns as `position` gives them for byte offsets of the JSON.
pub fn check_with(
    root: Value<'_>,
    position: impl Fn(usize) -> (u32, u32),
) -> Result<ResourceType, Vec<Issue>> {
    let (resource_type, mut faults) = walk::run(root);
    if let (Some(resource_type), true) = (resource_type, faults.is_empty()) {
        return Ok(resource_type);
    }
    faults.sort_by_key(|fault| fault.offset);
    Err(faults
        .into_iter()
        .map(|fault| {
            let (line, column) = position(fault.offset);
            fault.issue.position(line, column)
        })
        .collect())
}
