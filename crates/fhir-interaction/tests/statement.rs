//! The CapabilityStatement claims nothing that does not answer, and leaves nothing out.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::collections::BTreeSet;

use fhir_access::{Interaction, Level};
use fhir_interaction::INTERACTIONS;
use support::{json, on_each_backend};

#[test]
fn every_declared_parameter_answers() {
    on_each_backend(|app| {
        let statement = json(&app.get("metadata").unwrap());
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        let all = fhir_definitions::ResourceType::all().count();
        assert_eq!(resources.len(), all - 1, "all types but Parameters");
        let mut refused = Vec::new();
        let mut asked = 0;
        for resource in resources {
            let type_name = resource["type"].as_str().unwrap();
            let mut names = BTreeSet::new();
            for parameter in resource["searchParam"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                assert!(names.insert(name), "{type_name}.{name} is declared once");
                let value = match parameter["type"].as_str().unwrap() {
                    "date" => "2026-01-01",
                    "number" | "quantity" => "1",
                    "reference" => "Patient/a",
                    // What it takes depends on its components, or it has a syntax of its own.
                    "composite" | "special" => continue,
                    _ => "a",
                };
                asked += 1;
                if let Err(failure) = app.get(&format!("{type_name}?{name}={value}&_count=1")) {
                    refused.push(format!("{type_name}?{name}={value}: {failure}"));
                }
            }
        }
        assert!(asked > 1_500, "{asked}");
        assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
    });
}

#[test]
fn the_interactions_are_those_of_the_list() {
    on_each_backend(|app| {
        let statement = json(&app.get("metadata").unwrap());
        let rest = &statement["rest"][0];
        let codes = |value: &serde_json::Value| -> BTreeSet<String> {
            let listed = value["interaction"].as_array().unwrap();
            listed.iter().map(|each| each["code"].as_str().unwrap().to_owned()).collect()
        };
        let of_level = |level: Level| -> BTreeSet<String> {
            let listed = INTERACTIONS.iter().filter(|each| each.level() == level);
            listed.map(|each: &Interaction| each.code().to_owned()).collect()
        };
        assert_eq!(codes(rest), of_level(Level::System));
        for resource in rest["resource"].as_array().unwrap() {
            assert_eq!(codes(resource), of_level(Level::Type));
        }
    });
}

#[test]
fn what_has_a_syntax_of_its_own_answers_too() {
    on_each_backend(|app| {
        let statement = json(&app.get("metadata").unwrap());
        let rest = &statement["rest"][0];
        assert_eq!(rest["compartment"].as_array().unwrap().len(), 5);
        let list = r#"{"resourceType":"List","id":"l","status":"current","mode":"working"}"#;
        app.call("PUT", "List/l", Some(list)).unwrap();
        for parameter in rest["searchParam"].as_array().unwrap() {
            if parameter["type"] != "special" {
                continue;
            }
            let query = match parameter["name"].as_str().unwrap() {
                "_filter" => "_filter=_id eq a",
                "_has" => "_has:Observation:subject:code=a",
                "_list" => "_list=l",
                "_text" => "_text=word",
                "_content" => "_content=word",
                other => panic!("{other} has no sample here"),
            };
            let answer = app.get(&format!("Patient?{query}"));
            assert!(answer.is_ok(), "Patient?{query}: {}", answer.unwrap_err());
        }
    });
}
