//! What options change.
#![cfg(test)]

use std::sync::Arc;

use fhir_model::{Resource, Severity};
use fhir_structure::Structures;
use fhir_validation::{NoWorld, Options, Report, Validator};
use serde_json::{Value, json};

/// No definitions beside R4's own.
struct Nothing;

impl Structures for Nothing {
    fn find(&self, _: &str) -> Option<Arc<Resource>> {
        None
    }

    fn generation(&self) -> u64 {
        0
    }
}

fn held(resource: &Value, options: &Options) -> Report {
    let resource = Resource::trusted(resource.to_string().into_bytes()).unwrap();
    Validator::new(Arc::new(Nothing)).validate(resource.view(), &[], &NoWorld, options)
}

#[test]
fn an_unknown_declared_profile_is_as_bad_as_asked() {
    let patient = json!({ "resourceType": "Patient",
                          "meta": { "profile": ["http://example.org/nowhere"] } });
    for severity in [Severity::Warning, Severity::Error] {
        let options = Options { unknown_profiles: severity, ..Options::default() };
        let report = held(&patient, &options);
        let found: Vec<_> = report.findings.iter().map(|each| each.severity).collect();
        assert_eq!(found, [severity]);
    }
}

#[test]
fn preferred_bindings_are_looked_up_where_that_is_wanted() {
    let observation = json!({ "resourceType": "Observation", "status": "final",
        "code": { "text": "a" },
        "category": [{ "coding": [{ "system": "http://example.org/own", "code": "a" }] }] });
    for is_wanted in [true, false] {
        let options = Options { preferred_bindings: is_wanted, ..Options::default() };
        let report = held(&observation, &options);
        assert_eq!(report.findings.len(), usize::from(is_wanted));
    }
}
