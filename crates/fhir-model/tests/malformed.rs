//! Every body of conformance/malformed is refused with the place that the corpus names.

use std::path::{Path, PathBuf};

use fhir_model::{Failure, Limits, Resource};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/malformed")
}

fn refusal(name: &str, body: Vec<u8>) -> Option<Failure> {
    let limits = Limits::default();
    let is_xml = Path::new(name).extension().is_some_and(|ending| ending == "xml");
    if is_xml { Resource::from_xml(&body, &limits) } else { Resource::from_json(body, &limits) }
        .err()
}

#[test]
fn every_body_is_refused_with_its_place() {
    let expected = std::fs::read_to_string(corpus().join("expected.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in expected.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, status, part] = fields[..] else { panic!("{line}") };
        count += 1;
        let body = std::fs::read(corpus().join(name)).unwrap();
        let Some(failure) = refusal(name, body) else {
            wrong.push(format!("{name}: was accepted"));
            continue;
        };
        let told = failure.to_string();
        let has_place =
            failure.issues.iter().all(|issue| issue.expression.is_some() || issue.line.is_some());
        if failure.status().to_string() != status || !told.contains(part) || !has_place {
            let told: String = told.chars().take(300).collect();
            let found = failure.status();
            wrong.push(format!("{name}: expected {status} {part}, found {found}: {told}"));
        }
    }
    assert!(count >= 300, "only {count} bodies");
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_file_is_listed() {
    let expected = std::fs::read_to_string(corpus().join("expected.tsv")).unwrap();
    for folder in corpus().read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        for file in folder.read_dir().into_iter().flatten() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(corpus()).unwrap().to_string_lossy().into_owned();
            assert!(expected.contains(&format!("{name}\t")), "{name} is not in expected.tsv");
        }
    }
}
