//! What nobody writes in good faith: validation ends, and says what it can.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use fhir_model::Resource;
use fhir_structure::Structures;
use fhir_validation::{NoWorld, Options, Report, RuleKind, Validator};
use serde_json::{Value, json};

/// One definition under its url.
struct One(Arc<Resource>);

impl Structures for One {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        (canonical == URL).then(|| Arc::clone(&self.0))
    }

    fn generation(&self) -> u64 {
        0
    }
}

const URL: &str = "http://example.org/hostile";

fn held(resource: &Value, snapshot: Value) -> Report {
    let definition = json!({
        "resourceType": "StructureDefinition", "url": URL, "name": "Hostile", "status": "active",
        "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "snapshot": { "element": snapshot }
    });
    let parse = |value: &Value| Resource::trusted(value.to_string().into_bytes()).unwrap();
    let validator = Validator::new(Arc::new(One(Arc::new(parse(&definition)))));
    let options = Options { budget: Duration::from_millis(200), ..Options::default() };
    validator.validate(parse(resource).view(), &[URL], &NoWorld, &options)
}

fn root() -> Value {
    json!({ "id": "Patient", "path": "Patient" })
}

#[test]
fn deep_resources_fit_on_the_stack() {
    let mut extension = json!({ "url": "a", "valueString": "x" });
    for _ in 0..60 {
        extension = json!({ "url": "a", "extension": [extension] });
    }
    let extension = json!({ "url": "http://example.org/a", "extension": [extension] });
    let patient = json!({ "resourceType": "Patient", "extension": [extension] });
    assert!(held(&patient, json!([root()])).is_valid());
}

#[test]
fn snapshots_without_sense_are_faults_or_nothing() {
    let patient = json!({ "resourceType": "Patient", "name": [{ "text": "A" }], "active": true });
    for elements in [
        json!([]),
        json!([{}]),
        json!([1, "a", null]),
        json!([{ "path": "Patient.name" }]),
        json!([root(), { "path": "Patient.name.given.extension.value" }]),
        json!([root(), { "path": "Patient..", "min": -1, "max": "many" }]),
        json!([root(), { "path": "Patient.name", "sliceName": "a", "min": 4_000_000_000_u64 }]),
        json!([root(), { "path": "Patient.name", "contentReference": "#Patient.name", "id": "Patient.name" }]),
        json!([root(), { "path": "Patient.nothing", "min": 1 }]),
        json!([root(), { "path": "Patient.active", "fixedBoolean": [true], "patternX": {} }]),
        json!([root(), { "path": "Patient.name", "type": [{ "code": "HumanName", "profile": [URL] }] }]),
        json!([root(), { "path": "Patient.name", "slicing": { "discriminator": [
            { "type": "odd", "path": "(((" }, { "type": "value", "path": "a.b.c.resolve().d" }
        ], "rules": "closed" } }, { "path": "Patient.name", "sliceName": "x/y/z", "min": 1 }]),
        json!([root(), { "path": "Patient.active", "binding": { "strength": "required" } }]),
    ] {
        // The verdict is of no interest: it must come.
        let report = held(&patient, elements);
        let is_late = |kind| kind == RuleKind::Budget;
        assert!(!report.findings.iter().any(|finding| is_late(finding.kind)));
    }
}

#[test]
fn many_slices_of_many_items_end_with_the_budget() {
    let mut elements = vec![
        root(),
        json!({ "path": "Patient.name", "slicing": {
            "discriminator": [{ "type": "value", "path": "family" }], "rules": "closed" } }),
    ];
    for number in 0..3000 {
        elements.push(json!({ "path": "Patient.name", "sliceName": format!("s{number}") }));
        elements.push(json!({ "path": "Patient.name.family",
                              "fixedString": format!("name {number}") }));
    }
    let names: Vec<Value> = (0..3000).map(|_| json!({ "family": "other" })).collect();
    let patient = json!({ "resourceType": "Patient", "name": names });
    let report = held(&patient, Value::Array(elements));
    assert!(report.findings.iter().any(|finding| finding.kind == RuleKind::Budget));
    assert!(!report.is_valid());
}

#[test]
fn costly_expressions_end_with_the_budget() {
    let constraint = json!([{ "key": "x-1", "severity": "error", "human": "long",
        "expression": "(1 | 2 | 3 | 4).repeat($this + 1 | $this * 2).exists()" }]);
    let names: Vec<Value> = (0..2000).map(|_| json!({ "family": "other" })).collect();
    let patient = json!({ "resourceType": "Patient", "name": names });
    let elements = json!([root(), { "path": "Patient.name", "constraint": constraint }]);
    let report = held(&patient, elements);
    assert!(report.findings.iter().any(|finding| finding.kind == RuleKind::Budget));
}

#[test]
fn a_profile_that_asks_itself_ends() {
    let constraint = json!([
        { "key": "x-1", "severity": "error", "human": "itself",
          "expression": format!("conformsTo('{URL}')") },
        { "key": "x-2", "severity": "error", "human": "the opposite of itself",
          "expression": format!("conformsTo('{URL}').not()") }
    ]);
    let patient = json!({ "resourceType": "Patient", "active": true });
    let report = held(&patient, json!([{ "path": "Patient", "constraint": constraint }]));
    assert!(report.findings.iter().all(|finding| finding.kind == RuleKind::Invariant));
}
