//! Rules of Kanta that no profile can say.
//!
//! Each rule is a value with its source; [`rules`] lists them for what the operator chose, and the
//! server hands the list to `fhir_interaction::App`, which runs it on everything that is written.
//! What a package can say stays in the package.
#![warn(missing_docs)]

pub mod disclosure;
mod identifier;
pub mod organization;
pub mod person;
mod settings;

use fhir_interaction::Rule;
use organization::OrganizationRule;
use person::identity_code::IdentityCodeRule;
use person::professional::ProfessionalNumberRule;
use person::temporary::TemporaryRule;

pub use settings::{Series, Settings, Strictness};

/// All rules. A rule that is not here does not run.
///
/// The list stays for as long as the process: it is made once, when the server starts.
#[must_use]
pub fn rules(settings: Settings) -> &'static [&'static dyn Rule] {
    let Settings { identifiers, series: _ } = settings;
    let all: Vec<&'static dyn Rule> = vec![
        Box::leak(Box::new(IdentityCodeRule(settings))),
        Box::leak(Box::new(TemporaryRule(identifiers))),
        Box::leak(Box::new(ProfessionalNumberRule(identifiers))),
        Box::leak(Box::new(OrganizationRule(identifiers))),
    ];
    all.leak()
}

#[cfg(test)]
mod cases;
