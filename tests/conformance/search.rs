//! conformance/search: what a search finds in a given population.

use std::collections::BTreeMap;

use kantele_tests::{Client, TestServer, on_each_backend, repository};
use serde::Deserialize;
use serde_json::Value;

/// One case. `given` names files of conformance/search/given, each a Bundle of resources.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The section of the specification that decides it.
    spec: String,
    given: Vec<String>,
    /// A search, from the FHIR root; `{base}` stands for the root's own URL.
    when: String,
    /// What is found: as a set, or in order when the search sorts.
    then: Option<Vec<String>>,
    /// Or the status of the refusal.
    refused: Option<u16>,
    why: String,
}

#[test]
fn search_cases() {
    on_each_backend(|server| super::gaps::judge("search", &run(&server)));
}

fn run(server: &TestServer) -> Vec<(String, Option<String>)> {
    let mut populations: BTreeMap<Vec<String>, Vec<(String, Case)>> = BTreeMap::new();
    for (name, case) in load() {
        populations.entry(case.given.clone()).or_default().push((name, case));
    }
    assert_eq!(populations.len(), 1, "every case so far begins with the same population");
    let mut results = Vec::new();
    for (given, cases) in populations {
        given.iter().for_each(|name| store(server.client(), name));
        for (name, case) in cases {
            results.push((name, failure(server.client(), &case)));
        }
    }
    results
}

fn load() -> Vec<(String, Case)> {
    let mut files: Vec<_> = repository("conformance/search")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    let cases = files.iter().map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        let case: Case = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(case.then.is_some() != case.refused.is_some(), "{}", path.display());
        assert!(case.spec.starts_with("https://hl7.org/fhir/R4/"), "{}", path.display());
        (format!("search/{}", path.file_name().unwrap().to_string_lossy()), case)
    });
    cases.collect()
}

fn store(client: &Client, name: &str) {
    let path = repository("conformance/search/given").join(format!("{name}.json"));
    let bundle: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for entry in bundle["entry"].as_array().unwrap() {
        client.store(&entry["resource"]);
    }
}

/// What is wrong with the answer, if anything.
fn failure(client: &Client, case: &Case) -> Option<String> {
    let query = case.when.replace("{base}", client.base());
    let reply = client.get(&format!("{query}&_count=1000"));
    if let Some(status) = case.refused {
        let is_right = reply.status == status && reply.text().contains("OperationOutcome");
        return (!is_right).then(|| format!("{} for `{}` ({})", reply.status, case.when, case.why));
    }
    if reply.status != 200 {
        return Some(format!("{} for `{}`: {}", reply.status, case.when, reply.text()));
    }
    let mut found = reply.keys("match");
    let mut expected = case.then.clone().unwrap_or_default();
    if !case.when.contains("_sort=") {
        found.sort();
        expected.sort();
    }
    (found != expected)
        .then(|| format!("`{}` found {found:?}, not {expected:?} ({})", case.when, case.why))
}
