//! How strictly one validation is meant.

use std::time::Duration;

use fhir_model::date::Zone;
use fhir_model::{Instant, Severity};

/// What becomes of invariants that are marked as best practice.
/// Spec: <https://hl7.org/fhir/R4/extension-elementdefinition-bestpractice.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BestPractice {
    /// They are not looked at.
    #[default]
    Ignore,
    /// A warning each.
    Warning,
    /// An error each.
    Error,
}

/// How one validation is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What becomes of best-practice invariants.
    pub best_practice: BestPractice,
    /// What one validation may take in all; when it is used up, that is a finding of its own.
    pub budget: Duration,
    /// The clock of `now()` and `today()`.
    pub now: Option<Instant>,
    /// The zone of dates and times that name none.
    pub zone: Zone,
    /// Whether the profiles that `meta.profile` names are held to as well.
    pub declared_profiles: bool,
    /// Whether preferred bindings are looked up, which give information at most. Whoever wants
    /// errors and warnings only saves the time.
    pub preferred_bindings: bool,
    /// How bad it is that a profile that `meta.profile` names is not here, or cannot be used.
    pub unknown_profiles: Severity,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            best_practice: BestPractice::Ignore,
            budget: Duration::from_secs(2),
            now: None,
            zone: Zone::utc(),
            declared_profiles: true,
            preferred_bindings: true,
            unknown_profiles: Severity::Warning,
        }
    }
}
