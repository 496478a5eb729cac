//! Runs the cases of conformance/patch. All failures come in one report.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

use std::path::Path;

use fhir_model::{Failure, Limits, Resource, Value, json, xml};
use fhir_patch::Patch;

#[test]
fn fhirpath_patches_do_as_written() {
    let in_json = |text: &str| {
        let parameters = Resource::from_json(text.as_bytes().to_vec(), &Limits::default())?;
        Patch::fhirpath(parameters.view())
    };
    run("fhirpath", in_json);
    let in_xml = |text: &str| {
        let parameters = Resource::from_json(text.as_bytes().to_vec(), &Limits::default())?;
        let text = xml::write(parameters.view(), true);
        Patch::fhirpath(Resource::from_xml(&text, &Limits::default())?.view())
    };
    run("fhirpath", in_xml);
}

#[test]
fn json_patches_do_as_written() {
    run("json", |text| Patch::json(text.as_bytes().to_vec(), &Limits::default()));
}

#[test]
fn merge_patches_do_as_written() {
    run("merge", |text| Patch::merge(text.as_bytes().to_vec(), &Limits::default()));
}

fn run(kind: &str, read: impl Fn(&str) -> Result<Patch, Failure>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/patch");
    let source = std::fs::read_to_string(folder.join(format!("{kind}.json"))).unwrap();
    let tape = json::parse(&source, &Limits::default()).unwrap();
    let file = tape.root(&source);
    assert_eq!(text(file.get("kind")), kind);
    let cases: Vec<Value<'_>> = file.get("cases").unwrap().items().collect();
    assert!(cases.len() > 15, "the cases are there");
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", text(case.get("name")), fault(*case, &read)?)))
        .collect();
    assert!(faults.is_empty(), "{kind}:\n  {}", faults.join("\n  "));
}

fn fault(case: Value<'_>, read: &impl Fn(&str) -> Result<Patch, Failure>) -> Option<String> {
    let before = text(case.get("resource")).into_bytes();
    let before = Resource::from_json(before, &Limits::default());
    let before = before.expect("the case begins with a resource");
    let patched = read(&text(case.get("patch")))
        .and_then(|patch| patch.apply(before.view(), &Limits::default()));
    let then = case.get("then").unwrap();
    match patched {
        Ok(after) => {
            let expected = text(then.get("resource"));
            (after.source() != expected)
                .then(|| format!("expected {expected}, found {}", after.source()))
        }
        Err(failure) => {
            let issue = &failure.issues[0];
            let says = then.get("says").map(|says| text(Some(says))).unwrap_or_default();
            let is_right = text(then.get("status")) == failure.status().to_string()
                && text(then.get("expression")) == issue.expression.as_deref().unwrap_or("null")
                && issue.diagnostics.contains(&says);
            let then = text(Some(then));
            (!is_right).then(|| format!("expected {then}, found {} {failure}", failure.status()))
        }
    }
}

/// The text of a string, or a tree as it is written.
fn text(value: Option<Value<'_>>) -> String {
    let Some(value) = value else { return String::new() };
    match value.text() {
        Some(text) => text.into_owned(),
        None => String::from_utf8(value.raw().to_vec()).unwrap(),
    }
}
