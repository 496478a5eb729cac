//! Every rule has a case that passes and one that fails.

use std::collections::BTreeSet;

use fhir_model::{Limits, Resource};

use crate::RULES;

struct Case {
    rule: &'static str,
    resource: &'static str,
    /// Where the rule finds fault; empty: nowhere.
    faults: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        rule: "finnish-identity-code",
        resource: r#"{"resourceType":"Patient","identifier":[
            {"system":"urn:oid:1.2.246.21","value":"010190Y900P"},
            {"system":"urn:oid:1.2.246.22","value":"anything"}]}"#,
        faults: &[],
    },
    Case {
        rule: "finnish-identity-code",
        resource: r#"{"resourceType":"Patient","identifier":[
            {"system":"urn\u003aoid:1.2.246.21","value":"010190-901W"}]}"#,
        faults: &["Patient.identifier[0].value"],
    },
    Case {
        rule: "finnish-identity-code",
        resource: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
            "contained":[{"resourceType":"Patient","id":"p","identifier":[
                {"system":"urn:oid:1.2.246.21","value":"010190-999Y"}]}],
            "subject":{"identifier":{"system":"urn:oid:1.2.246.21","value":"010190Z900R"}}}"#,
        faults: &[
            "Observation.contained[0].identifier[0].value",
            "Observation.subject.identifier.value",
        ],
    },
];

#[test]
fn rules_find_what_their_cases_say() {
    for case in CASES {
        let source = case.resource.as_bytes().to_vec();
        let resource = Resource::from_json(source, &Limits::default()).unwrap();
        let rule = RULES.iter().find(|rule| rule.id() == case.rule).unwrap();
        assert!(rule.applies_to(resource.resource_type()));
        let issues = rule.check(resource.view());
        let found: Vec<_> = issues.iter().filter_map(|issue| issue.expression.clone()).collect();
        assert_eq!(found, case.faults, "{}", case.rule);
        for issue in issues {
            assert!(!issue.diagnostics.contains("010190"), "a value is never repeated");
        }
    }
}

#[test]
fn every_rule_has_a_case_that_passes_and_one_that_fails() {
    let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id()).collect();
    assert_eq!(ids.len(), RULES.len(), "ids are unique");
    for id in ids {
        for passes in [true, false] {
            let has_case =
                CASES.iter().any(|case| case.rule == id && case.faults.is_empty() == passes);
            assert!(has_case, "{id} has no case with passes = {passes}");
        }
    }
}
