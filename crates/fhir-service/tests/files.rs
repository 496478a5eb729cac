//! The files that come with the product, and the example of the documentation, are read.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]
#![allow(clippy::panic, reason = "a file that cannot be read fails the test")]

use std::path::{Path, PathBuf};

use fhir_service::{Direct, Service, read};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shipped() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("services")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn sound(name: &str, text: &str) -> Service {
    read(text).unwrap_or_else(|faults| panic!("{name}: {faults:?}"))
}

#[test]
fn the_shipped_files_are_read() {
    let all = shipped();
    assert!(all.len() >= 3);
    for (name, text) in all {
        let service = sound(&name, &text);
        assert!(service.checks().count() > 5, "{name}");
        for (id, _) in service.checks() {
            assert!(!id.is_empty(), "{name} has a check without an id");
        }
    }
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let docs = std::fs::read_to_string(root().join("docs/services.md")).unwrap();
    let text = docs.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let service = sound("docs/services.md", text);
    assert!(service.answers(fhir_definitions::ResourceType::BASIC, Direct::Create));
}

#[test]
fn every_key_is_documented() {
    let docs = std::fs::read_to_string(root().join("docs/services.md")).unwrap();
    let source = std::fs::read_to_string(root().join("crates/fhir-service/src/text.rs")).unwrap();
    for line in source.lines().filter_map(|line| line.trim().strip_prefix("pub(crate) ")) {
        let Some((name, _)) = line.split_once(": ") else { continue };
        if name.starts_with("fn ") {
            continue;
        }
        // These are written otherwise in a file.
        let renamed = [
            ("types", "type"),
            ("headers", "header"),
            ("claims", "claim"),
            ("parameters", "parameter"),
            ("rules", "rule"),
            ("uniques", "unique"),
            ("sames", "same"),
            ("starts", "start"),
            ("checks", "check"),
            ("codes", "code"),
            ("resource_type", "type"),
            ("resource_types", "type"),
            ("becomes", "as"),
        ];
        let name = renamed.iter().find(|(field, _)| *field == name).map_or(name, |(_, key)| key);
        let is_there = docs.contains(&format!("`{name}`"))
            || docs.contains(&format!("[{name}]"))
            || docs.contains(&format!("{name} = "));
        assert!(is_there, "docs/services.md says nothing of {name}");
    }
}

#[test]
fn what_nobody_knows_is_refused_with_its_place() {
    let (name, text) = shipped().into_iter().next().unwrap();
    sound(&name, &text);
    let line = text.lines().count() + 2;
    let faults = read(&format!("{text}\n[[rule]]\nshoes = 1\n")).unwrap_err();
    let place = &faults[0].place;
    assert!(
        place == &format!("line {line}") || place == &format!("line {}", line + 1),
        "{faults:?}"
    );
    let broken = text.replace("presence = \"mandatory\"", "presence = \"perhaps\"");
    let faults = read(&broken).unwrap_err();
    assert!(faults.iter().any(|fault| fault.place == "header[0]"), "{faults:?}");
    let broken = text.replace("name = \"Provenance\"", "name = \"Provenience\"");
    assert!(read(&broken).unwrap_err().iter().any(|fault| fault.place == "type[1]"));
    let broken = text.replace("target = \"target.reference\"", "target = \"target.(\"");
    assert!(read(&broken).unwrap_err().iter().any(|fault| fault.place == "transaction.target"));
}
