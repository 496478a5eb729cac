//! `POST [base]` of a batch: every entry for itself.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>

use kantele_tests::examples::{bundle, entry, patient, patient_with_id};
use kantele_tests::on_each_backend;
use serde_json::json;

#[test]
fn good_entries_pass_and_bad_ones_say_why() {
    on_each_backend(|server| {
        let client = server.client();
        let entries = vec![
            entry("POST", "Patient", None, Some(patient("Virtanen"))),
            entry("POST", "Patient", None, Some(json!({"resourceType": "Patient", "x": 1}))),
            entry("GET", "Patient/not-there", None, None),
            entry("PUT", "Patient/aava", None, Some(patient_with_id("aava", "Korhonen"))),
            entry("DELETE", "Patient/not-there", None, None),
        ];
        let reply = client.post("", &bundle("batch", entries)).expecting(200).json();
        assert_eq!(reply["type"], "batch-response");
        let responses: Vec<_> = reply["entry"].as_array().unwrap().iter().collect();
        let statuses: Vec<String> = responses
            .iter()
            .map(|entry| entry["response"]["status"].as_str().unwrap().chars().take(3).collect())
            .collect();
        assert_eq!(statuses, ["201", "400", "404", "201", "204"]);
        for index in [1, 2] {
            assert_eq!(responses[index]["response"]["outcome"]["resourceType"], "OperationOutcome");
        }
        assert_eq!(client.search("Patient").len(), 2);
    });
}

#[test]
fn what_is_no_batch_is_refused() {
    on_each_backend(|server| {
        let client = server.client();
        client.post("", &bundle("searchset", vec![])).expecting(400).issues();
        client.post("", &patient("Virtanen")).expecting(400).issues();
        let nameless = json!({"resourceType": "Bundle", "type": "batch", "entry": [{}]});
        let reply = client.post("", &nameless);
        assert!(matches!(reply.status, 200 | 400), "{}", reply.text());
        assert!(reply.text().contains("OperationOutcome"));
    });
}
