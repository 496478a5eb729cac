//! Rules of access that are resources: what is refused (`conformance/security/stored-rules.json`),
//! who may write them, and that they hold as soon as the policy is given them.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::sync::Arc;

use fhir_access::{
    AccessPolicy, AccessSettings, Caller, CallerKind, Claims, LaunchContext, Rule, Scopes,
};
use fhir_interaction::InteractionSettings;
use serde_json::{Value, json};
use support::{TestApp, on_each_backend_with, wait};

fn on_each(test: impl Fn(&TestApp)) {
    let settings = InteractionSettings { stored_rules: true, ..InteractionSettings::default() };
    on_each_backend_with(&settings, test);
}

fn carrier(id: &str, rule: &Value) -> Value {
    let part = |pair: &Value| json!({"url": pair[0], "valueString": pair[1]});
    let mut resource = json!({"resourceType": "Basic", "id": id,
        "code": {"coding": [{"system": "urn:kantele:CodeSystem:carrier", "code": "access-rule"}]}});
    let parts: Vec<Value> = rule.as_array().unwrap().iter().map(part).collect();
    if !parts.is_empty() {
        let url = "urn:kantele:StructureDefinition:access-rule";
        resource["extension"] = json!([{"url": url, "extension": parts}]);
    }
    resource
}

fn put(app: &TestApp, id: &str, rule: &Value) -> Result<u16, fhir_model::Failure> {
    let answer = app.call("PUT", &format!("Basic/{id}"), Some(&carrier(id, rule).to_string()));
    answer.map(|answer| answer.status)
}

fn caller(kind: CallerKind, role: &str) -> Caller {
    let claims = Claims { role: Some(role.to_owned()), ..Claims::default() };
    Caller::new(kind, claims, Scopes::parse("system/*.cruds"), LaunchContext::default())
}

/// The policy of a server with these rules.
fn policy(rules: Vec<Rule>) -> Arc<AccessPolicy> {
    let settings = AccessSettings { rules, has_stored_rules: true, ..AccessSettings::default() };
    Arc::new(AccessPolicy::new(settings))
}

#[test]
fn a_rule_that_cannot_be_is_refused_where_its_fault_is() {
    let cases = include_str!("../../../conformance/security/stored-rules.json");
    let cases: Value = serde_json::from_str(cases).unwrap();
    on_each(|app| {
        for case in cases["right"].as_array().unwrap() {
            put(app, "r", &case["rule"]).unwrap_or_else(|fault| panic!("{}: {fault}", case["id"]));
        }
        for case in cases["faults"].as_array().unwrap() {
            let fault = put(app, "r", &case["rule"]).unwrap_err();
            assert_eq!(fault.status(), 422, "{}", case["id"]);
            let place = fault.issues[0].expression.as_deref();
            assert_eq!(place, case["at"].as_str(), "{}: {fault}", case["id"]);
        }
        assert_eq!(wait(app.app.stored_rules()).unwrap().len(), 1);
    });
}

#[test]
fn only_administrators_and_whom_a_rule_names_write_rules() {
    on_each(|app| {
        let officer = json!([["name", "officers"], ["role", "officer"], ["writes_rules", "true"]]);
        put(app, "officers", &officer).unwrap();
        let rules = wait(app.app.stored_rules()).unwrap();
        let policy = policy(rules);
        let guarded = app.guarded(|_| Box::new(policy));
        let rule = json!([["name", "mine"], ["types", "Patient"]]);
        let by = |kind, role| guarded.asked_by(caller(kind, role));
        for (kind, role) in [(CallerKind::System, ""), (CallerKind::Professional, "doctor")] {
            let own = by(kind, role);
            let status = put(&own, "mine", &rule).unwrap_err().status();
            assert_eq!(status, 403, "{kind:?}");
            assert_eq!(put(&own, "officers", &rule).unwrap_err().status(), 403);
            let patch = Some(r#"[{"op":"remove","path":"/extension"}]"#);
            let patched = own.call("PATCH", "Basic/officers", patch).unwrap_err().status();
            assert!([403, 404, 409].contains(&patched), "{patched}");
            let _gone = own.call("DELETE", "Basic/officers", None);
            assert_eq!(app.get("Basic/officers").unwrap().version.unwrap().0, 1);
        }
        put(&by(CallerKind::Administrator, ""), "mine", &rule).unwrap();
        put(&by(CallerKind::Professional, "officer"), "mine", &rule).unwrap();
    });
}

#[test]
fn rules_hold_as_soon_as_they_are_replaced_and_those_that_no_longer_compile_deny() {
    on_each(|app| {
        for of in ["Patient", "Organization"] {
            let mut body = json!({"resourceType": of, "id": "a", "active": true});
            if of == "Organization" {
                body["name"] = "a".into();
            }
            let body = body.to_string();
            app.call("PUT", &format!("{of}/a"), Some(&body)).unwrap();
        }
        let policy = policy(Vec::new());
        let own = Arc::clone(&policy);
        let guarded = app.guarded(|_| Box::new(own)).asked_by(caller(CallerKind::System, ""));
        let status = |path: &str| {
            guarded.get(path).map_or_else(|failure| failure.status(), |answer| answer.status)
        };
        let look = || {
            let rules = wait(app.app.stored_rules()).unwrap();
            let settings =
                AccessSettings { has_stored_rules: true, rules, ..AccessSettings::default() };
            policy.replace(settings);
        };
        assert_eq!((status("Patient/a"), status("Organization/a")), (200, 200));
        put(app, "one", &json!([["name", "a"], ["types", "Patient"], ["where", "active=true"]]))
            .unwrap();
        assert_eq!(status("Organization/a"), 200, "nobody has looked yet");
        look();
        assert_eq!((status("Patient/a"), status("Organization/a")), (200, 403));
        let deny = json!([
            ["name", "b"],
            ["effect", "deny"],
            ["types", "Patient"],
            ["where", "active=true"]
        ]);
        put(app, "two", &deny).unwrap();
        look();
        assert_eq!(status("Patient/a"), 404, "a denial beats the allowance");
        app.call("DELETE", "Basic/two", None).unwrap();
        look();
        assert_eq!(status("Patient/a"), 200);
        // As if its search parameter had gone since it was written.
        let gone = |effect| {
            serde_json::from_value(json!({"name": "c", "effect": effect, "types": ["Patient"],
                "where": "gone=1"}))
            .map(|text: fhir_access::RuleText| Rule::try_from(text).unwrap())
            .unwrap()
        };
        let all = wait(app.app.stored_rules()).unwrap();
        for (rules, expected) in [
            ([all.clone(), vec![gone("deny")]].concat(), 403),
            (vec![gone("allow")], 403),
            ([all.clone(), vec![gone("allow")]].concat(), 200),
        ] {
            policy.replace(AccessSettings { rules, ..AccessSettings::default() });
            assert_eq!(status("Patient/a"), expected);
        }
    });
}

#[test]
fn a_rule_that_came_unchecked_is_not_passed_over() {
    let settings = InteractionSettings::default();
    on_each_backend_with(&settings, |app| {
        put(app, "bad", &json!([["name", "a"], ["kind", "doctor"]])).unwrap();
        let fault = wait(app.app.stored_rules()).unwrap_err();
        assert!(fault.to_string().contains("Basic/bad"), "{fault}");
    });
}
