//! The rule about how organisations are named: business ids, and OIDs below them.
//!
//! Sources: see [`kanta_identifiers::organization`].

use fhir_definitions::ResourceType;
use fhir_interaction::Rule;
use fhir_model::{Issue, ResourceView};
use kanta_identifiers::organization::{
    InvalidOrganization, SYSTEM, check_business_id, check_oid, is_below_root,
};

use crate::identifier;
use crate::settings::Strictness;

/// Identifiers that are business ids, or OIDs of organisations and of what is theirs, have their
/// form and a check digit that fits.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrganizationRule(pub(crate) Strictness);

impl Rule for OrganizationRule {
    fn id(&self) -> &'static str {
        "finnish-organization"
    }

    fn applies_to(&self, _resource_type: ResourceType) -> bool {
        self.0 != Strictness::Off
    }

    fn check(&self, view: ResourceView<'_>) -> Vec<Issue> {
        let mut issues = Vec::new();
        identifier::each(view, "1.2.246.10", &mut |system, value, path| {
            let (name, checked) = if system == SYSTEM {
                ("business id", check_business_id(value))
            } else if is_below_root(value) {
                ("OID of an organisation", check_oid(value))
            } else {
                return;
            };
            let Err(fault) = checked else { return };
            let text = format!("this is no {name}: {fault}");
            let issue = self.0.issue(fault == InvalidOrganization::Check, text);
            issues.extend(issue.map(|issue| issue.at(path.to_owned()).rule(self.id())));
        });
        issues
    }
}
