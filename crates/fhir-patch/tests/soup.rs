//! Random patches: whatever they say, the outcome is a resource of the same name or a refusal.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]

use fhir_model::{Limits, Resource};
use fhir_patch::Patch;
use proptest::prelude::*;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"a","active":true,"name":[{"family":"A",
    "given":["B","C"],"_given":[null,{"id":"x"}]},{"family":"D"}],"birthDate":"1990-01-01",
    "_birthDate":{"extension":[{"url":"http://example.org/e","valueDecimal":1.50}]},
    "contact":[{"gender":"male","name":{"text":"n"}}]}"#;

fn pointer() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "name",
        "given",
        "_given",
        "0",
        "1",
        "2",
        "-",
        "family",
        "contact",
        "active",
        "id",
        "birthDate",
        "_birthDate",
        "extension",
        "resourceType",
        "valueDecimal",
        "~01",
        "",
    ]);
    prop::collection::vec(part, 0..5)
        .prop_map(|parts| parts.iter().fold(String::new(), |path, part| format!("{path}/{part}")))
}

fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "null",
        "true",
        "\"x\"",
        "1.50",
        "{}",
        "[]",
        "[null]",
        "{\"family\":\"Z\"}",
        "[\"a\",\"b\"]",
        "{\"extension\":[]}",
    ])
}

fn json_patch() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    let operation = (op, pointer(), pointer(), value()).prop_map(|(op, path, from, value)| {
        format!(r#"{{"op":"{op}","path":"{path}","from":"{from}","value":{value}}}"#)
    });
    prop::collection::vec(operation, 0..6).prop_map(|all| format!("[{}]", all.join(",")))
}

fn fhirpath_patch() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["add", "insert", "delete", "replace", "move"]);
    let path = prop::sample::select(vec![
        "Patient",
        "Patient.name",
        "Patient.name[0]",
        "Patient.name.given",
        "Patient.name[0].given",
        "Patient.name[0].given[1]",
        "Patient.birthDate",
        "Patient.birthDate.extension",
        "Patient.birthDate.extension.value",
        "Patient.contact.name",
        "Patient.active",
        "Patient.id",
        "Patient.contact[0].telecom",
        "Patient.descendants()",
        "Patient.deceased",
        "$this",
        "1",
    ]);
    let value = prop::sample::select(vec![
        r#""valueString":"x""#,
        r#""valueBoolean":true"#,
        r#""valueDate":"2000""#,
        r#""valueHumanName":{"family":"Z"}"#,
        r#""valueDecimal":1.50"#,
        r#""valueId":"b""#,
        r#""part":[{"name":"text","valueString":"t"}]"#,
        r#""_valueString":{"id":"i"}"#,
    ]);
    let name = prop::sample::select(vec![
        "given",
        "family",
        "name",
        "deceased",
        "extension",
        "id",
        "telecom",
        "value",
    ]);
    let operation =
        (kind, path, name, value, 0..3, 0..3).prop_map(|(kind, path, name, value, one, two)| {
            let mut parts = vec![
                format!(r#"{{"name":"type","valueCode":"{kind}"}}"#),
                format!(r#"{{"name":"path","valueString":"{path}"}}"#),
            ];
            if kind == "add" {
                parts.push(format!(r#"{{"name":"name","valueString":"{name}"}}"#));
            }
            if kind == "insert" {
                parts.push(format!(r#"{{"name":"index","valueInteger":{one}}}"#));
            }
            if kind == "move" {
                parts.push(format!(r#"{{"name":"source","valueInteger":{one}}}"#));
                parts.push(format!(r#"{{"name":"destination","valueInteger":{two}}}"#));
            }
            if matches!(kind, "add" | "insert" | "replace") {
                parts.push(format!(r#"{{"name":"value",{value}}}"#));
            }
            format!(r#"{{"name":"operation","part":[{}]}}"#, parts.join(","))
        });
    prop::collection::vec(operation, 1..5).prop_map(|all| {
        format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, all.join(","))
    })
}

/// The outcome keeps type and id and what no patch has touched: the text of the decimal.
fn keeps_its_promises(patch: &Patch) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let before = Resource::from_json(PATIENT.as_bytes().to_vec(), &limits).unwrap();
    match patch.apply(before.view(), &limits) {
        Ok(after) => {
            prop_assert_eq!(after.view().key(), before.view().key());
            let again = Resource::from_json(after.source().as_bytes().to_vec(), &limits);
            prop_assert!(again.is_ok(), "{}", after.source());
            prop_assert!(!after.source().contains("1.5}"), "{}", after.source());
        }
        Err(failure) => {
            let is_told = matches!(failure.status(), 409 | 422);
            prop_assert!(is_told && !failure.issues.is_empty(), "{}", failure);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn json_patches_end_well(text in json_patch()) {
        // Moves into themselves are refused when they are read.
        if let Ok(patch) = Patch::json(text.into_bytes(), &Limits::default()) {
            keeps_its_promises(&patch)?;
        }
    }

    #[test]
    fn fhirpath_patches_end_well(text in fhirpath_patch()) {
        let parameters = Resource::from_json(text.into_bytes(), &Limits::default()).unwrap();
        keeps_its_promises(&Patch::fhirpath(parameters.view()).unwrap())?;
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Patch::json(bytes.clone(), &Limits::default());
        let _ = Patch::merge(bytes, &Limits::default());
    }
}
