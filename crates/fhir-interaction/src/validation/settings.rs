//! What the operator chose about validation.

use std::collections::BTreeMap;
use std::time::Duration;

use fhir_definitions::ResourceType;
use fhir_model::Severity;
use fhir_validation::BestPractice;

/// What a resource is held to before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnWrite {
    /// To nothing beside the checks of the parser.
    Off,
    /// To the base definition of its type.
    #[default]
    Base,
    /// And to the profiles that its `meta.profile` names.
    Declared,
    /// And to the profiles that settings name for its type.
    Required,
}

/// How resources are validated.
#[derive(Clone, Debug)]
pub struct ValidationSettings {
    /// What is written is held to.
    pub on_write: OnWrite,
    /// The same for single types, where it differs.
    pub by_type: BTreeMap<ResourceType, OnWrite>,
    /// The profiles (canonicals) of [`OnWrite::Required`].
    pub profiles: BTreeMap<ResourceType, Vec<String>>,
    /// What becomes of best-practice invariants.
    pub best_practice: BestPractice,
    /// How bad it is that a profile which `meta.profile` names is not here, or cannot be used.
    pub unknown_profiles: Severity,
    /// What one validation may take.
    pub budget: Duration,
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            on_write: OnWrite::default(),
            by_type: BTreeMap::new(),
            profiles: BTreeMap::new(),
            best_practice: BestPractice::default(),
            unknown_profiles: Severity::Warning,
            budget: Duration::from_secs(2),
        }
    }
}

impl ValidationSettings {
    /// What resources of a type are held to on write.
    #[must_use]
    pub fn of(&self, resource_type: ResourceType) -> OnWrite {
        self.by_type.get(&resource_type).copied().unwrap_or(self.on_write)
    }
}
