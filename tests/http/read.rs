//! `GET [type]/[id]` and `GET [type]/[id]/_history/[version]`.
//! Spec: <https://hl7.org/fhir/R4/http.html#read>

use kantele_tests::exact::Exact;
use kantele_tests::examples::{glucose, patient_with_id};
use kantele_tests::on_each_backend;

#[test]
fn a_read_tells_version_and_time_in_its_headers() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let reply = client.get("Patient/aava").expecting(200);
        assert_eq!(reply.header("ETag"), Some("W/\"1\""));
        assert!(reply.header("Last-Modified").is_some());
        assert_eq!(reply.json()["id"], "aava");
        let head = client.send("HEAD", "Patient/aava", &[], &[]).expecting(200);
        assert_eq!(head.text(), "");
        assert_eq!(head.header("ETag"), Some("W/\"1\""));
    });
}

#[test]
fn what_is_not_there_is_404_with_an_outcome() {
    on_each_backend(|server| {
        let client = server.client();
        for path in ["Patient/none", "Patient/none/_history/1", "Unheard/none", "Patient/a/b/c"] {
            client.get(path).expecting(404).issues();
        }
        client.store(&patient_with_id("aava", "Virtanen"));
        client.get("Patient/aava/_history/2").expecting(404).issues();
        client.get("Observation/aava").expecting(404).issues();
    });
}

#[test]
fn an_id_that_cannot_be_is_a_client_fault() {
    on_each_backend(|server| {
        let long = "a".repeat(65);
        for id in ["a_b", "%C3%A4", long.as_str()] {
            let status = server.client().get(&format!("Patient/{id}")).status;
            assert!(matches!(status, 400 | 404), "{id}: {status}");
        }
    });
}

#[test]
fn every_version_stays_readable() {
    on_each_backend(|server| {
        let client = server.client();
        for family in ["Virtanen", "Korhonen", "Nieminen"] {
            client.store(&patient_with_id("aava", family));
        }
        for (version, family) in [("1", "Virtanen"), ("2", "Korhonen"), ("3", "Nieminen")] {
            let reply = client.get(&format!("Patient/aava/_history/{version}")).expecting(200);
            assert_eq!(reply.header("ETag"), Some(format!("W/\"{version}\"").as_str()));
            assert_eq!(reply.json()["name"][0]["family"], family);
            assert_eq!(reply.json()["meta"]["versionId"], version);
        }
    });
}

#[test]
fn a_known_version_is_not_sent_again() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let read = |etag| client.send("GET", "Patient/aava", &[("If-None-Match", etag)], &[]);
        assert_eq!(read("W/\"1\"").expecting(304).text(), "");
        read("W/\"2\"").expecting(200);
        let seen = client.get("Patient/aava").header("Last-Modified").unwrap().to_owned();
        client.send("GET", "Patient/aava", &[("If-Modified-Since", &seen)], &[]).expecting(304);
    });
}

#[test]
fn decimals_come_back_to_the_character() {
    on_each_backend(|server| {
        let client = server.client();
        for value in ["5.40", "0.00001000", "1E-22", "1.00e+2", "-0.0", "123456789012345678.90"] {
            let text = glucose("Patient/aava", value);
            let json = [("Content-Type", "application/fhir+json")];
            let created = client.send("POST", "Observation", &json, text.as_bytes()).expecting(201);
            let id = created.json()["id"].as_str().unwrap().to_owned();
            let mut sent = Exact::read(&text);
            if let Exact::Object(members) = &mut sent {
                members.insert("id".to_owned(), Exact::Text(id.clone()));
            }
            for path in [format!("Observation/{id}"), format!("Observation/{id}/_history/1")] {
                let read = Exact::read(&client.get(&path).expecting(200).text());
                assert_eq!(sent.difference(&read.without_server_parts()), None);
            }
        }
    });
}
