//! How scopes are read, by the cases of `conformance/security/scopes.json`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

use fhir_access::{Context, Grant, InvalidScope, Scopes};
use serde_json::{Value, json};

fn told(grant: &Grant) -> Value {
    let context = match grant.context {
        Context::Patient => "patient",
        Context::User => "user",
        Context::System => "system",
    };
    let mut told = json!({
        "context": context,
        "type": grant.resource_type.map(|each| each.as_str()),
        "rights": grant.rights.letters(),
    });
    if !grant.restriction.is_empty() {
        told["restriction"] = json!(grant.restriction);
    }
    told
}

fn why(invalid: InvalidScope) -> &'static str {
    match invalid {
        InvalidScope::Context => "context",
        InvalidScope::Type => "type",
        InvalidScope::Rights => "rights",
        InvalidScope::Restriction => "restriction",
    }
}

#[test]
fn scopes_grant_what_the_cases_say() {
    let text = include_str!("../../../conformance/security/scopes.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    for case in &cases {
        let list = |name: &str| case[name].as_array().cloned().unwrap_or_default();
        let found = Scopes::parse(case["scope"].as_str().unwrap());
        let grants: Vec<Value> = found.grants().iter().map(told).collect();
        let invalid: Vec<Value> =
            found.invalid().iter().map(|(text, each)| json!([text, why(*each)])).collect();
        assert_eq!(grants, list("grants"), "grants of {}", case["id"]);
        assert_eq!(json!(found.others()), json!(list("others")), "others of {}", case["id"]);
        assert_eq!(invalid, list("invalid"), "invalid of {}", case["id"]);
    }
}
