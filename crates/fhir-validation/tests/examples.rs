//! Holds the examples of `conformance/examples` to the base definitions, and those of a folder
//! that `KANTELE_TEST_EXAMPLES` names, such as the official package of R4's examples.
//!
//! `conformance/invalid-examples.json` lists the official ones that are wrong, with the reason: each
//! must have exactly these errors, all others none.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fhir_model::{Limits, Resource, Severity};
use fhir_structure::r4;
use fhir_terminology::{CodeOptions, NothingStored, Problem, Terminology, Verdict};
use fhir_validation::{Coded, Found, Membership, Options, Validator, World};
use serde::Deserialize;

/// The errors of a wrong example, each as kind and expression.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    #[expect(dead_code, reason = "for the reader of the file")]
    why: String,
    errors: Vec<String>,
}

/// R4's own definitions and terminology, and nothing else.
struct Official;

impl World for Official {
    fn resolve(&self, _: &str) -> Found {
        Found::Unread
    }

    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        let coded = fhir_terminology::Coded {
            system: coded.system,
            version: coded.version,
            code: coded.code,
            display: coded.display,
        };
        let options = CodeOptions::default();
        let found =
            Terminology::embedded().validate_code(&mut NothingStored, value_set, &coded, &options);
        match found {
            Ok(Verdict::In(_)) => Membership::In { wrong_display: None },
            Ok(Verdict::Out(_)) => Membership::Out,
            Err(Problem::Fault(fault)) => Membership::Unknown(fault.to_string()),
            Err(Problem::Stored(never)) => match never {},
        }
    }
}

fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

/// All JSON files of the folders.
fn examples() -> Vec<PathBuf> {
    let mut folders = vec![conformance().join("examples")];
    folders.extend(std::env::var_os("KANTELE_TEST_EXAMPLES").map(PathBuf::from));
    let mut paths = Vec::new();
    for folder in folders {
        let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "json")));
    }
    paths.sort();
    paths
}

#[test]
fn official_examples_keep_to_their_base_definitions() {
    let listed = std::fs::read_to_string(conformance().join("invalid-examples.json")).unwrap();
    let listed: BTreeMap<String, Wrong> = serde_json::from_str(&listed).unwrap();
    let validator = Validator::new(Arc::new(Embedded));
    let options = Options { budget: Duration::from_secs(600), ..Options::default() };
    let (mut count, mut faults) = (0, Vec::new());
    for path in examples() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // What the parser refuses is listed elsewhere; packages hold more than resources.
        let parsed = Resource::from_json(std::fs::read(&path).unwrap(), &Limits::NONE);
        let Ok(resource) = parsed else { continue };
        count += 1;
        let report = validator.validate(resource.view(), &[], &Official, &options);
        let is_error = |severity| matches!(severity, Severity::Error | Severity::Fatal);
        let errors = report.findings.iter().filter(|finding| is_error(finding.severity));
        let mut found: Vec<String> =
            errors.map(|each| format!("{} {}", each.kind.code(), each.expression)).collect();
        found.sort();
        let mut expected = listed.get(&name).map_or_else(Vec::new, |wrong| wrong.errors.clone());
        expected.sort();
        if found != expected {
            faults.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    println!("{count} examples held to their base definitions");
    assert!(count > 0, "no example was read");
    assert!(faults.is_empty(), "{} examples:\n{}", faults.len(), faults.join("\n"));
}

/// No definitions but those that are embedded.
struct Embedded;

impl fhir_structure::Structures for Embedded {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        r4().find(canonical)
    }

    fn generation(&self) -> u64 {
        0
    }
}
