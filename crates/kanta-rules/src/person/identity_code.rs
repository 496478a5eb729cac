//! The rule about Finnish personal identity codes (henkilötunnus, personbeteckning).
//!
//! Source: the Finnish base profiles and the Digital and Population Data Services Agency; see
//! [`kanta_identifiers::identity_code`].

use fhir_definitions::ResourceType;
use fhir_interaction::Rule;
use fhir_model::{Issue, IssueType, ResourceView};
use kanta_identifiers::identity_code::{IdentityCode, InvalidIdentityCode, SYSTEM};

use crate::identifier;
use crate::settings::{Series, Settings, Strictness};

/// Every identifier with the system of identity codes holds a well-formed one, wherever it
/// stands: Patient, contained resources, logical references. Where settings say so, it also is of
/// the series of fictitious codes, or is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityCodeRule(pub(crate) Settings);

impl Rule for IdentityCodeRule {
    fn id(&self) -> &'static str {
        "finnish-identity-code"
    }

    fn applies_to(&self, _resource_type: ResourceType) -> bool {
        self.0.identifiers != Strictness::Off || self.0.series != Series::Any
    }

    fn check(&self, view: ResourceView<'_>) -> Vec<Issue> {
        let mut issues = Vec::new();
        identifier::each(view, SYSTEM, &mut |system, value, path| {
            if system != SYSTEM {
                return;
            }
            let issue = match IdentityCode::parse(value) {
                Ok(code) => self.of_series(code.is_fictitious()),
                Err(fault) => self.of_form(fault, value),
            };
            issues.extend(issue.map(|issue| issue.at(path.to_owned()).rule(self.id())));
        });
        issues
    }
}

impl IdentityCodeRule {
    fn of_form(&self, fault: InvalidIdentityCode, value: &str) -> Option<Issue> {
        let is_check = fault == InvalidIdentityCode::Check;
        // A check character that does not fit says nothing about the series: the digits do.
        let is_fictitious = value.as_bytes().get(7) == Some(&b'9');
        if let Some(issue) = self.of_series(is_fictitious).filter(|_| is_check) {
            return Some(issue);
        }
        if self.0.series == Series::Fictitious && !is_check {
            return Some(Issue::error(IssueType::BusinessRule, told(fault)));
        }
        self.0.identifiers.issue(is_check, told(fault))
    }

    fn of_series(&self, is_fictitious: bool) -> Option<Issue> {
        let text = match (self.0.series, is_fictitious) {
            (Series::Any, _) | (Series::Real, false) | (Series::Fictitious, true) => return None,
            (Series::Real, true) => {
                "identity codes with an individual number from 900 to 999 belong to nobody for \
                 good and are not taken here"
            }
            (Series::Fictitious, false) => {
                "only identity codes with an individual number from 900 to 999 are taken here: \
                 this is no place for data of real persons"
            }
        };
        Some(Issue::error(IssueType::BusinessRule, text.to_owned()))
    }
}

fn told(fault: InvalidIdentityCode) -> String {
    format!("this is no Finnish personal identity code: {fault}")
}
