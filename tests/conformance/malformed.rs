//! conformance/malformed: bodies that no client should send. Each is refused in good time with a
//! client fault that names a place; none is a fault of the server, none hangs it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kantele_tests::{Client, on_each_backend, repository};

/// A refusal that takes longer than this is as good as a hang.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn malformed_bodies_are_refused_with_a_place() {
    on_each_backend(|server| {
        let mut files = Vec::new();
        collect(&repository("conformance/malformed"), &mut files);
        files.sort();
        assert!(files.len() >= 200, "the corpus has {} bodies", files.len());
        let results: Vec<_> =
            files.iter().map(|path| (name(path), failure(server.client(), path))).collect();
        super::gaps::judge("malformed", &results);
        server.client().get("metadata").expecting(200);
    });
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        match path.is_dir() {
            true => collect(&path, files),
            false if matches!(ending.as_str(), "json" | "xml" | "bin") => files.push(path),
            false => {}
        }
    }
}

fn name(path: &Path) -> String {
    let path = path.strip_prefix(repository("conformance")).unwrap();
    path.to_string_lossy().into_owned()
}

/// What is wrong with the answer, if anything.
fn failure(client: &Client, path: &Path) -> Option<String> {
    let body = std::fs::read(path).unwrap();
    let is_xml = path.extension().is_some_and(|ending| ending == "xml");
    let kind = if is_xml { "application/fhir+xml" } else { "application/fhir+json" };
    let headers = [("Content-Type", kind), ("Accept", "application/fhir+json")];
    let begin = Instant::now();
    let reply = match client.try_send("POST", &resource_type(&body), &headers, &body) {
        Ok(reply) => reply,
        Err(error) => return Some(format!("no answer: {error}")),
    };
    if begin.elapsed() > PATIENCE {
        return Some(format!("took {:?}", begin.elapsed()));
    }
    if !(400..500).contains(&reply.status) {
        return Some(format!("{}: {}", reply.status, reply.text()));
    }
    let has_place = reply.issues().iter().any(|issue| {
        let diagnostics = issue["diagnostics"].as_str().unwrap_or_default();
        issue["expression"][0].is_string() || diagnostics.contains("line ")
    });
    (!has_place).then(|| format!("names no place: {}", reply.text()))
}

/// The type that a body seems to be of, so that the refusal is of its content.
fn resource_type(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let after = |mark: &str| {
        let rest = text.split_once(mark)?.1.trim_start_matches([' ', ':', '"', '\n']);
        let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
        let is_known =
            ["Patient", "Observation", "Bundle", "Questionnaire"].contains(&word.as_str());
        is_known.then_some(word)
    };
    after("\"resourceType\"").or_else(|| after("<")).unwrap_or_else(|| "Patient".to_owned())
}
