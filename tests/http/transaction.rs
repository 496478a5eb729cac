//! `POST [base]` of a transaction. Spec: <https://hl7.org/fhir/R4/http.html#transaction>

use kantele_tests::examples::{bundle, entry, patient, patient_with_id};
use kantele_tests::on_each_backend;
use serde_json::{Value, json};

fn observation(subject: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Verensokeri"},
        "subject": {"reference": subject},
        "note": [{"text": format!("about {subject}")}]
    })
}

#[test]
fn references_between_entries_become_real() {
    on_each_backend(|server| {
        let client = server.client();
        let name = "urn:uuid:7d3c1f0e-0b0e-4b61-9d0a-0c9d5d1c0a01";
        let transaction = bundle(
            "transaction",
            vec![
                entry("POST", "Observation", None, Some(observation(name))),
                entry("POST", "Patient", Some(name), Some(patient("Virtanen"))),
            ],
        );
        let reply = client.post("", &transaction).expecting(200).json();
        assert_eq!(reply["type"], "transaction-response");
        let entries = reply["entry"].as_array().unwrap();
        assert_eq!(entries.len(), 2, "one answer for each entry, in its order");
        let place = |index: usize| entries[index]["response"]["location"].as_str().unwrap();
        for entry in entries {
            assert!(entry["response"]["status"].as_str().unwrap().starts_with("201"));
            assert_eq!(entry["response"]["etag"], "W/\"1\"");
            assert!(entry["response"]["lastModified"].is_string());
        }
        assert!(place(0).contains("Observation/") && place(1).contains("Patient/"), "{entries:?}");
        let patients = client.search("Patient");
        let stored = client.get("Observation").json()["entry"][0]["resource"].clone();
        assert_eq!(stored["subject"]["reference"], patients[0]);
        assert_eq!(stored["note"][0]["text"], format!("about {name}"), "text is not rewritten");
        assert_eq!(client.search(&format!("Observation?subject={}", patients[0])).len(), 1);
    });
}

#[test]
fn all_or_nothing() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("old", "Virtanen"));
        let bad: [Vec<Value>; 4] = [
            vec![
                entry("POST", "Patient", None, Some(patient("Korhonen"))),
                entry("POST", "Patient", None, Some(json!({"resourceType": "Patient", "x": 1}))),
            ],
            vec![
                entry("DELETE", "Patient/old", None, None),
                entry("PUT", "Patient/a", None, Some(patient_with_id("b", "Korhonen"))),
            ],
            vec![
                entry("PUT", "Patient/a", None, Some(patient_with_id("a", "Korhonen"))),
                entry("PUT", "Patient/a", None, Some(patient_with_id("a", "Nieminen"))),
            ],
            vec![
                entry("PUT", "Patient/a", None, Some(patient_with_id("a", "Korhonen"))),
                entry("GET", "Patient/not-there", None, None),
            ],
        ];
        for entries in bad {
            let reply = client.post("", &bundle("transaction", entries));
            assert!((400..500).contains(&reply.status), "{}: {}", reply.status, reply.text());
            reply.issues();
            assert_eq!(client.search("Patient"), ["Patient/old"]);
        }
    });
}

#[test]
fn a_failed_precondition_undoes_the_whole() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("old", "Virtanen"));
        let mut guarded =
            entry("PUT", "Patient/old", None, Some(patient_with_id("old", "Korhonen")));
        guarded["request"]["ifMatch"] = json!("W/\"7\"");
        let entries = vec![entry("POST", "Patient", None, Some(patient("Nieminen"))), guarded];
        client.post("", &bundle("transaction", entries)).expecting(412).issues();
        assert_eq!(client.search("Patient"), ["Patient/old"]);
        assert_eq!(client.get("Patient/old").json()["meta"]["versionId"], "1");
    });
}

#[test]
fn deletes_come_before_creates_and_reads_last() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("old", "Virtanen"));
        let entries = vec![
            entry("GET", "Patient/new", None, None),
            entry("PUT", "Patient/new", None, Some(patient_with_id("new", "Korhonen"))),
            entry("DELETE", "Patient/old", None, None),
            entry("GET", "Patient?family=Korhonen", None, None),
        ];
        let reply = client.post("", &bundle("transaction", entries)).expecting(200).json();
        let entries = reply["entry"].as_array().unwrap();
        assert_eq!(entries[0]["resource"]["name"][0]["family"], "Korhonen");
        assert!(entries[1]["response"]["status"].as_str().unwrap().starts_with("201"));
        assert_eq!(entries[3]["resource"]["type"], "searchset");
        assert_eq!(entries[3]["resource"]["entry"][0]["resource"]["id"], "new");
        assert_eq!(client.search("Patient"), ["Patient/new"]);
    });
}

#[test]
fn a_condition_finds_what_is_there_instead_of_creating() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let name = "urn:uuid:7d3c1f0e-0b0e-4b61-9d0a-0c9d5d1c0a02";
        let mut conditional = entry("POST", "Patient", Some(name), Some(patient("Virtanen")));
        conditional["request"]["ifNoneExist"] = json!("identifier=010190-902S");
        let entries =
            vec![entry("POST", "Observation", None, Some(observation(name))), conditional];
        let reply = client.post("", &bundle("transaction", entries)).expecting(200).json();
        let status = reply["entry"][1]["response"]["status"].as_str().unwrap().to_owned();
        assert!(status.starts_with("200"), "{status}");
        assert_eq!(client.search("Patient"), ["Patient/aava"]);
        assert_eq!(client.search("Observation?subject=Patient/aava").len(), 1);
    });
}

#[test]
fn a_hundred_entries_in_one() {
    on_each_backend(|server| {
        let client = server.client();
        let entries = (0..100)
            .map(|number| {
                let id = format!("p{number}");
                let body = patient_with_id(&id, "Virtanen");
                entry("PUT", &format!("Patient/{id}"), None, Some(body))
            })
            .collect();
        let reply = client.post("", &bundle("transaction", entries)).expecting(200).json();
        assert_eq!(reply["entry"].as_array().unwrap().len(), 100);
        assert_eq!(client.get("Patient?_summary=count").json()["total"], 100);
    });
}
