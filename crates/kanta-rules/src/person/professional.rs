//! The rule about numbers of professionals: Terhikki and SV.
//!
//! Source: the examples of the Finnish base profiles; see [`kanta_identifiers::professional`]. No
//! public source gives the whole rule, so that what is unlike the known numbers is only remarked.

use fhir_definitions::ResourceType;
use fhir_interaction::Rule;
use fhir_model::{Issue, IssueType, ResourceView};
use kanta_identifiers::professional;

use crate::identifier;
use crate::settings::Strictness;

/// Numbers of professionals look like those that are publicly known.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProfessionalNumberRule(pub(crate) Strictness);

impl Rule for ProfessionalNumberRule {
    fn id(&self) -> &'static str {
        "finnish-professional-number"
    }

    fn applies_to(&self, _resource_type: ResourceType) -> bool {
        self.0 != Strictness::Off
    }

    fn check(&self, view: ResourceView<'_>) -> Vec<Issue> {
        let mut issues = Vec::new();
        identifier::each(view, "1.2.246.537.2", &mut |system, value, path| {
            let Err(fault) = professional::check(system, value) else { return };
            let issue = Issue::warning(IssueType::BusinessRule, fault.to_string());
            issues.push(issue.at(path.to_owned()).rule(self.id()));
        });
        issues
    }
}
