//! Snapshots out of differentials.
//!
//! A definition becomes a tree, what its differential says another one, and the second is laid over
//! the first: [`merge`] for one element, [`group`] for an element with its slices, [`choice`] for
//! `value[x]`, [`walk`] for what the base does not unfold, [`special`] for new types.
//! Spec: <https://hl7.org/fhir/R4/profiling.html#snapshot>

mod choice;
mod element;
mod extensions;
mod group;
mod json;
mod links;
mod make;
mod merge;
mod slicing;
mod special;
mod tree;
mod walk;

use std::sync::Arc;

use fhir_model::{Issue, Resource, Severity};

use crate::Structures;

/// What became of a differential.
#[derive(Clone, Debug)]
pub struct Made {
    /// The definition with its snapshot; `None` where none could be made at all.
    pub definition: Option<Arc<Resource>>,
    /// The faults, each with its place in the differential. Where there is a snapshot all the same,
    /// what they are about is in it as the differential says.
    pub faults: Vec<Issue>,
}

/// Makes the snapshot of a definition anew from its differential and its base, whether it has one
/// or not. Bases and types are asked of `structures`, then of R4's own.
#[must_use]
pub fn make_snapshot(definition: &Resource, structures: &dyn Structures) -> Made {
    let mut maker = make::Maker::new(structures);
    let definition = maker.make(definition).map(Arc::new);
    Made { definition, faults: maker.faults }
}

/// The definition with its snapshot: as it is where it has one, else with one made from its
/// differential and its base.
///
/// # Errors
/// The faults, each with its place in the differential: a base that is missing or that stands on
/// the definition itself, elements that the base does not have, numbers that it does not allow.
pub fn with_snapshot(
    definition: &Arc<Resource>,
    structures: &dyn Structures,
) -> Result<Arc<Resource>, Vec<Issue>> {
    if definition.view().at(&["snapshot"]).is_some() {
        return Ok(Arc::clone(definition));
    }
    let made = make_snapshot(definition, structures);
    let is_error = |fault: &Issue| matches!(fault.severity, Severity::Error | Severity::Fatal);
    match made.definition {
        Some(definition) if !made.faults.iter().any(is_error) => Ok(definition),
        Some(_) | None => Err(made.faults),
    }
}
