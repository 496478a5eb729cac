//! What operators bring: the official packages, installed from files beside ours, and code systems.
//!
//! The packages are not part of the repository: `KANTELE_TEST_PACKAGES` names a folder with their archives
//! (`hl7.fhir.r4.examples`, `hl7.fhir.uv.ips`, `hl7.terminology.r4`, `hl7.fhir.uv.extensions.r4`).
//! Without it their test says that it was skipped.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::read::GzDecoder;
use kantele_tests::{Backend, TestServer, on_each_backend, repository};
use serde_json::Value;

const NAMES: [&str; 4] =
    ["hl7.fhir.r4.examples", "hl7.fhir.uv.ips", "hl7.terminology.r4", "hl7.fhir.uv.extensions.r4"];
/// A package of the International Patient Access, which the patient summary depends on.
const MISSING: &str = "hl7.fhir.uv.ipa";

/// The archives, in the order of [`NAMES`].
fn archives() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("KANTELE_TEST_PACKAGES") else {
        println!("KANTELE_TEST_PACKAGES names no folder: skipped");
        return None;
    };
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let entries: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "tgz")).collect();
    let named = |name: &&str| {
        let begins = format!("{name}-");
        let is_it = |path: &&PathBuf| {
            path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&begins))
        };
        entries.iter().find(is_it).cloned().unwrap_or_else(|| panic!("no archive of {name}"))
    };
    Some(NAMES.iter().map(named).collect())
}

/// The examples in the archive of a package, with their names.
fn examples(archive: &Path) -> Vec<(String, Value)> {
    let file = fs::File::open(archive).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let is_example =
            path.starts_with("package/example") && path.extension().is_some_and(|it| it == "json");
        if is_example {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            found.push((path.display().to_string(), json));
        }
    }
    found.retain(|(_, json)| json["resourceType"].is_string());
    found
}

#[test]
fn official_packages_install_from_files_and_their_examples_keep_to_them() {
    let Some(archives) = archives() else { return };
    on_each_backend(|mut server| {
        server.stop();
        let ours = fs::read_dir(repository("profiles")).unwrap().map(|entry| entry.unwrap().path());
        let ours = ours.filter(|path| path.join("package.json").is_file());
        let paths = archives.iter().cloned().chain(ours);
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let install = |options: &[&str]| {
            let begin = Instant::now();
            let output = server.run(&[&["package", "install"], options, &paths].concat());
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            println!("install {options:?}: {:.1} s", begin.elapsed().as_secs_f64());
            (output.status.code(), said)
        };
        // The versions that they wish for are not those at hand, and one package cannot be had.
        let (code, said) = install(&[]);
        assert!(code == Some(2) && said.contains(MISSING), "{said}");
        let (code, said) = install(&["--any-version", "--without", MISSING]);
        assert!(code == Some(0) && said.contains("installed: 14"), "{said}");
        server.start_again();
        let listed = server.client().get("$kantele-package-list").expecting(200).text();
        for name in NAMES {
            assert!(listed.contains(&format!("\"{name}\"")), "{name} in {listed}");
        }
        let (mut count, mut wrong) = (0, Vec::new());
        for (name, example) in examples(&archives[1]) {
            assert!(example["meta"]["profile"].is_array(), "{name} names no profile");
            let kind = example["resourceType"].as_str().unwrap();
            let outcome = server.client().post(&format!("{kind}/$validate"), &example);
            let issues = outcome.expecting(200).issues();
            let is_error = |it: &&Value| matches!(it["severity"].as_str(), Some("error" | "fatal"));
            wrong.extend(issues.iter().filter(is_error).map(|issue| format!("{name}: {issue}")));
            count += 1;
        }
        println!("{count} examples held to their profiles, {} errors", wrong.len());
        assert!(count >= 40 && wrong.is_empty(), "{count} examples:\n{}", wrong.join("\n"));
    });
}

#[test]
fn importers_print_the_licence_of_what_they_import() {
    let files = repository("crates/fhir-terminology/tests/files");
    let mut server = TestServer::start(Backend::Sqlite);
    server.stop();
    for (kind, owner) in [
        ("loinc", "https://loinc.org/license"),
        ("snomed", "https://www.snomed.org/get-snomed"),
        ("icd10", "https://icd.who.int"),
    ] {
        let folder = files.join(kind).display().to_string();
        let output = server.run(&["terminology", "import", kind, &folder]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let licence = said.find(owner).unwrap_or_else(|| panic!("{kind}: {said} {output:?}"));
        // The terms come before the content, also where the content is refused.
        assert!(said.find("imported").is_none_or(|imported| licence < imported), "{said}");
    }
}
