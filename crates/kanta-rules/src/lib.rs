//! Rules of Kanta that no profile can say.
//!
//! Each rule is a value with its source, listed in [`RULES`]; the server hands the list to
//! `fhir_interaction::App`, which runs it on everything that is written. What a package can say
//! stays in the package.
#![warn(missing_docs)]

pub mod person;

use fhir_interaction::Rule;

/// All rules. A rule that is not here does not run.
pub static RULES: &[&dyn Rule] = &[&person::identity_code::IdentityCodeRule];

#[cfg(test)]
mod cases;
