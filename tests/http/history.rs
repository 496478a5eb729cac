//! `_history` of an instance, a type and the system.
//! Spec: <https://hl7.org/fhir/R4/http.html#history>

use kantele_tests::examples::{glucose, patient_with_id};
use kantele_tests::{Client, on_each_backend};
use serde_json::Value;

/// Method and version of each entry over all pages, newest first.
fn walk(client: &Client, path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let reply = client.get(&path).expecting(200);
        let page = reply.json();
        assert_eq!(page["type"], "history");
        for entry in page["entry"].as_array().map_or(&[][..], Vec::as_slice) {
            let method = entry["request"]["method"].as_str().unwrap();
            found.push((method.to_owned(), version(entry)));
        }
        next = reply.link("next");
    }
    found
}

/// The version of a history entry: from its etag, which a deletion has too.
fn version(entry: &Value) -> String {
    let etag = entry["response"]["etag"].as_str().unwrap();
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn an_instance_tells_its_life_newest_first() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        client.store(&patient_with_id("aava", "Korhonen"));
        client.delete("Patient/aava");
        client.store(&patient_with_id("aava", "Nieminen"));
        let life = pairs(&[("PUT", "4"), ("DELETE", "3"), ("PUT", "2"), ("PUT", "1")]);
        assert_eq!(walk(client, "Patient/aava/_history"), life);
        assert_eq!(walk(client, "Patient/aava/_history?_count=1"), life);
        assert_eq!(walk(client, "Patient/aava/_history?_count=3"), life);
        let page = client.get("Patient/aava/_history").json();
        assert_eq!(page["total"], 4);
        assert_eq!(page["entry"][0]["resource"]["name"][0]["family"], "Nieminen");
        assert!(page["entry"][1]["resource"].is_null(), "a deletion has no resource");
        client.get("Patient/none/_history").expecting(404).issues();
    });
}

#[test]
fn a_type_and_the_system_tell_of_all() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let json = [("Content-Type", "application/fhir+json")];
        let text = glucose("Patient/aava", "5.4");
        client.send("POST", "Observation", &json, text.as_bytes()).expecting(201);
        client.store(&patient_with_id("eino", "Korhonen"));
        assert_eq!(walk(client, "Patient/_history"), pairs(&[("PUT", "1"), ("PUT", "1")]));
        assert_eq!(walk(client, "Observation/_history"), pairs(&[("POST", "1")]));
        let all = pairs(&[("PUT", "1"), ("POST", "1"), ("PUT", "1")]);
        assert_eq!(walk(client, "_history"), all);
        assert_eq!(walk(client, "_history?_count=2"), all);
        let first = client.get("Patient/_history?_count=1").json();
        assert_eq!(first["entry"][0]["resource"]["id"], "eino");
    });
}

#[test]
fn since_leaves_out_what_is_older() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let second = client.store(&patient_with_id("aava", "Korhonen")).json();
        let since = second["meta"]["lastUpdated"].as_str().unwrap();
        let path = format!("Patient/aava/_history?_since={since}");
        assert_eq!(walk(client, &path), pairs(&[("PUT", "2")]));
        client.get("Patient/aava/_history?_since=yesterday").expecting(400).issues();
    });
}
