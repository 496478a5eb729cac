//! Every rule finds what its cases say, and has a case that passes and one that fails.

use std::collections::BTreeMap;

use fhir_model::{Limits, Resource, Severity};
use serde_json::Value as Json;

use crate::{Series, Settings, Strictness, rules};

fn cases() -> Vec<Json> {
    let text = include_str!("../../../conformance/kanta/identifiers.json");
    let file: Json = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn settings(case: &Json) -> Settings {
    let identifiers = match case["strictness"].as_str() {
        None | Some("form") => Strictness::Form,
        Some("off") => Strictness::Off,
        Some("check") => Strictness::Check,
        Some(other) => panic!("unknown strictness {other}"),
    };
    let series = match case["series"].as_str() {
        None | Some("any") => Series::Any,
        Some("real") => Series::Real,
        Some("fictitious") => Series::Fictitious,
        Some(other) => panic!("unknown series {other}"),
    };
    Settings { identifiers, series }
}

/// What the rules say of a case, as the file writes it.
fn found(case: &Json) -> Vec<Json> {
    let source = serde_json::to_vec(&case["resource"]).unwrap();
    let resource = Resource::from_json(source, &Limits::default()).unwrap();
    let mut found = Vec::new();
    for rule in rules(settings(case)) {
        if !rule.applies_to(resource.resource_type()) {
            continue;
        }
        for issue in rule.check(resource.view()) {
            let severity = match issue.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Fatal | Severity::Information => panic!("{issue:?}"),
            };
            for secret in case["secrets"].as_array().into_iter().flatten() {
                let secret = secret.as_str().unwrap();
                assert!(!issue.diagnostics.contains(secret), "{}: a value is shown", case["name"]);
            }
            let at = issue.expression.unwrap();
            found.push(serde_json::json!({ "rule": rule.id(), "severity": severity, "at": at }));
        }
    }
    found
}

#[test]
fn rules_find_what_their_cases_say() {
    for case in cases() {
        let expected = case["faults"].as_array().unwrap().clone();
        assert_eq!(found(&case), expected, "{}", case["name"]);
        assert!(case["source"].is_string(), "{} names its source", case["name"]);
    }
}

#[test]
fn every_rule_has_a_case_that_passes_and_one_that_fails() {
    let mut seen: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    let all = rules(Settings::default());
    for rule in all {
        assert!(seen.insert(rule.id(), (false, false)).is_none(), "ids are unique");
    }
    for case in cases() {
        let about = case["rule"].as_str().unwrap();
        let (passes, fails) = seen.get_mut(about).unwrap_or_else(|| panic!("no rule {about}"));
        let is_refused = |fault: &Json| fault["rule"] == about;
        match case["faults"].as_array().unwrap().iter().any(is_refused) {
            true => *fails = true,
            false => *passes = true,
        }
    }
    for (id, has) in seen {
        assert_eq!(has, (true, true), "{id} has a case that passes and one that fails");
    }
}
