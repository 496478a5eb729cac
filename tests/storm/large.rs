//! A transaction with as many entries as one may have: answered in time, in bounded memory.

use std::time::Instant;

use kantele_tests::{TestServer, on_each_backend};
use serde_json::{Value, json};

/// `limits.max_bundle_entries` as it comes.
const ENTRIES: usize = 10_000;

/// The most memory that the server may have used at any time, in MiB: the body is 4 MiB, and a
/// server that has just started has 50.
const MOST_MIB: u64 = 400;

#[test]
fn ten_thousand_entries_in_bounded_memory() {
    on_each_backend(|server| {
        let bundle = bundle();
        let begin = Instant::now();
        let answer = server.client().post("", &bundle).expecting(200).json();
        let elapsed = begin.elapsed();
        let answers = answer["entry"].as_array().unwrap();
        let created = |entry: &&Value| entry["response"]["status"] == "201 Created";
        assert_eq!(answers.iter().filter(created).count(), ENTRIES);
        let count = server.client().get("Observation?_summary=count").expecting(200).json();
        assert_eq!(count["total"], ENTRIES - ENTRIES / 10);
        let place = answers[ENTRIES - 1]["response"]["location"].as_str().unwrap();
        let last = server.client().get(place).expecting(200).json();
        let subject = answers[ENTRIES / 10 - 1]["response"]["location"].as_str().unwrap();
        let (patient, _) = subject.split_once("/_history").unwrap();
        assert_eq!(last["subject"]["reference"], patient);
        let Some(peak) = peak_mib(&server) else { return };
        println!("{ENTRIES} entries in {:.1} s, peak {peak} MiB", elapsed.as_secs_f64());
        assert!(peak <= MOST_MIB, "the server used {peak} MiB");
    });
}

/// Patients on conditions, and observations that refer to them, the first half by `fullUrl`, the
/// second by criteria.
fn bundle() -> Value {
    let patients = ENTRIES / 10;
    let patient = |number: usize| {
        json!({
            "fullUrl": url(number),
            "resource": {
                "resourceType": "Patient",
                "identifier": [{ "system": "http://example.org/large", "value": number.to_string() }]
            },
            "request": {
                "method": "POST", "url": "Patient",
                "ifNoneExist": format!("identifier=http://example.org/large|{number}")
            }
        })
    };
    let observation = |number: usize| {
        let subject = number % patients;
        let reference = match number < ENTRIES / 2 {
            true => url(subject),
            false => format!("Patient?identifier=http://example.org/large|{subject}"),
        };
        json!({
            "resource": {
                "resourceType": "Observation", "status": "final",
                "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] },
                "subject": { "reference": reference },
                "effectiveDateTime": "2024-05-01",
                "valueQuantity": {
                    "value": 60 + number % 40, "unit": "kg",
                    "system": "http://unitsofmeasure.org", "code": "kg"
                }
            },
            "request": { "method": "POST", "url": "Observation" }
        })
    };
    let entries: Vec<Value> =
        (0..patients).map(patient).chain((patients..ENTRIES).map(observation)).collect();
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

fn url(number: usize) -> String {
    format!("urn:uuid:00000000-0000-4000-8000-{number:012}")
}

/// The most memory that the server has ever had, where the system tells it.
fn peak_mib(server: &TestServer) -> Option<u64> {
    let path = format!("/proc/{}/status", server.process_id());
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}
