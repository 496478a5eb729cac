//! `PUT [type]/[id]`. Spec: <https://hl7.org/fhir/R4/http.html#update>

use kantele_tests::examples::{patient, patient_with_id};
use kantele_tests::on_each_backend;

#[test]
fn an_update_creates_under_the_clients_id_and_then_makes_versions() {
    on_each_backend(|server| {
        let client = server.client();
        let first = client.put("Patient/aava", &patient_with_id("aava", "Virtanen")).expecting(201);
        let place = format!("{}/Patient/aava/_history/1", client.base());
        assert_eq!(first.header("Location"), Some(place.as_str()));
        let second =
            client.put("Patient/aava", &patient_with_id("aava", "Korhonen")).expecting(200);
        assert_eq!(second.header("ETag"), Some("W/\"2\""));
        assert_eq!(second.json()["meta"]["versionId"], "2");
        let read = client.get("Patient/aava").expecting(200).json();
        assert_eq!(read["name"][0]["family"], "Korhonen");
        let (first, second) = (first.json(), second.json());
        let updated =
            |it: &serde_json::Value| it["meta"]["lastUpdated"].as_str().unwrap().to_owned();
        assert!(updated(&first) < updated(&second));
    });
}

#[test]
fn an_update_that_changes_nothing_makes_no_version() {
    on_each_backend(|server| {
        let client = server.client();
        let body = patient_with_id("aava", "Virtanen");
        client.put("Patient/aava", &body).expecting(201);
        let read = client.get("Patient/aava").expecting(200).json();
        for again in [&body, &read] {
            let reply = client.put("Patient/aava", again).expecting(200);
            assert_eq!(reply.header("ETag"), Some("W/\"1\""));
        }
        assert_eq!(client.get("Patient/aava").expecting(200).json(), read);
    });
}

#[test]
fn the_body_and_the_url_name_the_same_resource() {
    on_each_backend(|server| {
        let client = server.client();
        client.put("Patient/aava", &patient_with_id("other", "Virtanen")).expecting(400).issues();
        client.put("Patient/aava", &patient("Virtanen")).expecting(400).issues();
        client.put("Observation/aava", &patient_with_id("aava", "x")).expecting(400).issues();
        client.get("Patient/aava").expecting(404);
    });
}

#[test]
fn if_match_lets_only_the_known_version_pass() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let put = |etag: &str, family: &str| {
            let body = patient_with_id("aava", family);
            client.send_json("PUT", "Patient/aava", &[("If-Match", etag)], &body)
        };
        put("W/\"2\"", "Korhonen").expecting(412).issues();
        put("W/\"1\"", "Korhonen").expecting(200);
        put("W/\"1\"", "Nieminen").expecting(412).issues();
        assert_eq!(client.get("Patient/aava").json()["name"][0]["family"], "Korhonen");
        let body = patient_with_id("none", "Virtanen");
        let absent = client.send_json("PUT", "Patient/none", &[("If-Match", "W/\"1\"")], &body);
        assert!(matches!(absent.status, 404 | 412), "{}", absent.status);
    });
}

#[test]
fn one_of_many_updates_from_the_same_version_wins() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|number| {
                    scope.spawn(move || {
                        let body = patient_with_id("aava", &format!("Korhonen-{number}"));
                        let condition = [("If-Match", "W/\"1\"")];
                        client.send_json("PUT", "Patient/aava", &condition, &body).status
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 15, "{statuses:?}");
        assert_eq!(client.get("Patient/aava").json()["meta"]["versionId"], "2");
    });
}
