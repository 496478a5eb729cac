//! `POST [type]`. Spec: <https://hl7.org/fhir/R4/http.html#create>

use kantele_tests::examples::{patient, patient_with_id};
use kantele_tests::on_each_backend;

#[test]
fn a_created_resource_gets_an_id_a_version_and_a_place() {
    on_each_backend(|server| {
        let client = server.client();
        let reply = client.post("Patient", &patient("Virtanen")).expecting(201);
        let created = reply.json();
        let id = created["id"].as_str().unwrap();
        let place = format!("{}/Patient/{id}/_history/1", client.base());
        assert_eq!(reply.header("Location"), Some(place.as_str()));
        assert_eq!(reply.header("ETag"), Some("W/\"1\""));
        assert!(reply.header("Last-Modified").is_some_and(|text| text.ends_with(" GMT")));
        assert!(reply.header("Content-Type").unwrap().starts_with("application/fhir+json"));
        assert_eq!(created["meta"]["versionId"], "1");
        assert!(created["meta"]["lastUpdated"].as_str().unwrap().ends_with('Z'));
        assert_eq!(created["name"][0]["family"], "Virtanen");
        assert_eq!(client.get(&format!("Patient/{id}")).expecting(200).json(), created);
    });
}

#[test]
fn the_id_and_the_version_of_the_client_are_not_used() {
    on_each_backend(|server| {
        let mut body = patient_with_id("mine", "Virtanen");
        body["meta"] =
            serde_json::json!({"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"});
        let created = server.client().post("Patient", &body).expecting(201).json();
        assert_ne!(created["id"], "mine");
        assert_eq!(created["meta"]["versionId"], "1");
        assert!(!created["meta"]["lastUpdated"].as_str().unwrap().starts_with("2001"));
        server.client().get("Patient/mine").expecting(404);
    });
}

#[test]
fn ids_of_the_server_are_legal_and_differ() {
    on_each_backend(|server| {
        let ids: std::collections::BTreeSet<String> =
            (0..20).map(|_| server.client().create(&patient("Virtanen"))).collect();
        assert_eq!(ids.len(), 20);
        for id in ids {
            assert!(id.len() <= 64, "{id}");
            assert!(
                id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'),
                "{id}"
            );
        }
    });
}

#[test]
fn prefer_decides_what_comes_back() {
    on_each_backend(|server| {
        let client = server.client();
        let create = |prefer| {
            client
                .send_json("POST", "Patient", &[("Prefer", prefer)], &patient("Virtanen"))
                .expecting(201)
        };
        let minimal = create("return=minimal");
        assert_eq!(minimal.text(), "");
        assert!(minimal.header("Location").is_some());
        assert!(minimal.header("ETag").is_some());
        assert_eq!(create("return=representation").json()["resourceType"], "Patient");
        assert_eq!(create("return=OperationOutcome").json()["resourceType"], "OperationOutcome");
    });
}

#[test]
fn if_none_exist_creates_once() {
    on_each_backend(|server| {
        let client = server.client();
        let create = |query: &str| {
            client.send_json("POST", "Patient", &[("If-None-Exist", query)], &patient("Virtanen"))
        };
        let by_identifier = "identifier=urn:oid:1.2.246.21|010190-902S";
        let first = create(by_identifier).expecting(201).json();
        let second = create(by_identifier).expecting(200);
        assert_eq!(second.json()["id"], first["id"]);
        assert_eq!(second.json()["meta"]["versionId"], "1");
        client.post("Patient", &patient("Korhonen")).expecting(201);
        create(by_identifier).expecting(412).issues();
        create("no-such-parameter=1").expecting(400).issues();
        assert_eq!(client.search("Patient").len(), 2);
    });
}

#[test]
fn if_none_exist_holds_against_many_at_once() {
    on_each_backend(|server| {
        let client = server.client();
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let condition = [("If-None-Exist", "identifier=010190-902S")];
                        let body = patient("Virtanen");
                        client.send_json("POST", "Patient", &condition, &body).status
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 201)), "{statuses:?}");
        assert_eq!(client.search("Patient?identifier=010190-902S").len(), 1);
    });
}

#[test]
fn a_body_of_another_type_is_refused() {
    on_each_backend(|server| {
        let reply = server.client().post("Observation", &patient("Virtanen")).expecting(400);
        reply.issues();
    });
}
