//! The rule about temporary identifiers of persons whose identity code is not known.
//!
//! Source: the guide of the Finnish base profiles: the system is
//! `urn:oid:1.2.246.10.<business id>.22.<year>` (or below a unit, `….10.<unit>.22.<year>`), and the
//! value has the shape of an identity code with an individual number from 900. That the shape is
//! demanded is our reading, so that other shapes are only remarked.

use fhir_definitions::ResourceType;
use fhir_interaction::Rule;
use fhir_model::{Issue, IssueType, ResourceView};
use kanta_identifiers::identity_code::{IdentityCode, InvalidIdentityCode};
use kanta_identifiers::organization;

use crate::identifier;
use crate::settings::Strictness;

/// Temporary identifiers look like identity codes of the series 900 to 999.
#[derive(Clone, Copy, Debug, Default)]
pub struct TemporaryRule(pub(crate) Strictness);

impl Rule for TemporaryRule {
    fn id(&self) -> &'static str {
        "finnish-temporary-identifier"
    }

    fn applies_to(&self, _resource_type: ResourceType) -> bool {
        self.0 != Strictness::Off
    }

    fn check(&self, view: ResourceView<'_>) -> Vec<Issue> {
        let mut issues = Vec::new();
        identifier::each(view, "1.2.246.10.", &mut |system, value, path| {
            if !is_temporary(system) {
                return;
            }
            let fault = match IdentityCode::parse(value) {
                Ok(code) if code.is_fictitious() => return,
                Ok(_) => "expected an individual number from 900 to 999".to_owned(),
                // The check character is nobody's promise here.
                Err(InvalidIdentityCode::Check) if value.as_bytes().get(7) == Some(&b'9') => return,
                Err(fault) => fault.to_string(),
            };
            let text = format!("temporary identifiers usually look like identity codes: {fault}");
            let issue = Issue::warning(IssueType::BusinessRule, text);
            issues.push(issue.at(path.to_owned()).rule(self.id()));
        });
        issues
    }
}

/// Whether a system is that of an organisation's temporary identifiers.
fn is_temporary(system: &str) -> bool {
    if !organization::is_below_root(system) {
        return false;
    }
    let mut arcs = system.trim_start_matches("urn:oid:").split('.').skip(5);
    match (arcs.next(), arcs.next(), arcs.next()) {
        (Some("22"), Some(_year), None) => true,
        (Some("10"), Some(_unit), Some("22")) => arcs.count() == 1,
        _ => false,
    }
}
