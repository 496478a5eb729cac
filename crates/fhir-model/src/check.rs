//! The strict check of a parsed resource against the element table: everything that answers 400.
//!
//! One walk over the tape finds all faults at once: unknown elements, duplicate keys, wrong JSON
//! types, primitive forms and ranges, cardinality, choices, empty things, nulls, contained
//! resources and narrative. Profiles, bindings, invariants and references are left to
//! validation. Nothing is allocated unless there is a fault.

mod allowed;
mod faults;
pub(crate) mod names;
mod narrative;
mod path;
mod primitive;
mod temporal;
mod walk;

use fhir_definitions::ResourceType;

use self::faults::Fault;
use crate::failure::Issue;
use crate::json;
use crate::tape::Value;

pub(crate) use faults::form;

/// At most so many faults are told of one body.
pub const MAX_FAULTS: usize = 100;

/// Checks a document that must be a resource; gives its type.
///
/// # Errors
/// Every fault found, at most [`MAX_FAULTS`], in document order with line and column.
pub fn check(root: Value<'_>) -> Result<ResourceType, Vec<Issue>> {
    let (resource_type, faults) = walk::run(root);
    match resource_type {
        Some(resource_type) if faults.is_empty() => Ok(resource_type),
        _ => Err(located(root.source(), faults)),
    }
}

/// The issues in document order, their offsets turned into lines and columns in one pass.
fn located(source: &str, mut faults: Vec<Fault>) -> Vec<Issue> {
    faults.sort_by_key(|fault| fault.offset);
    let mut start = json::Position::START;
    let at = |fault: Fault| {
        start = start.forward(source, fault.offset);
        fault.issue.position(start.line, start.column)
    };
    faults.into_iter().map(at).collect()
}
