//! `DELETE [type]/[id]`. Spec: <https://hl7.org/fhir/R4/http.html#delete>

use kantele_tests::examples::patient_with_id;
use kantele_tests::on_each_backend;

#[test]
fn what_was_deleted_is_gone_but_its_versions_are_not() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let reply = client.delete("Patient/aava");
        assert!(matches!(reply.status, 200 | 204), "{reply:?}");
        client.get("Patient/aava").expecting(410).issues();
        client.get("Patient/aava/_history/1").expecting(200);
        client.get("Patient/aava/_history/2").expecting(410);
        assert_eq!(client.search("Patient"), Vec::<String>::new());
        assert_eq!(client.search("Patient?identifier=010190-902S"), Vec::<String>::new());
    });
}

#[test]
fn deleting_twice_or_what_never_was_changes_nothing() {
    on_each_backend(|server| {
        let client = server.client();
        client.delete("Patient/none").expecting(204);
        client.get("Patient/none").expecting(404);
        client.store(&patient_with_id("aava", "Virtanen"));
        client.delete("Patient/aava");
        let again = client.delete("Patient/aava");
        assert!(matches!(again.status, 200 | 204), "{again:?}");
        client.get("Patient/aava/_history/3").expecting(404);
    });
}

#[test]
fn an_update_brings_it_back_with_the_next_version() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        client.delete("Patient/aava");
        let back = client.put("Patient/aava", &patient_with_id("aava", "Virtanen")).expecting(201);
        assert_eq!(back.header("ETag"), Some("W/\"3\""));
        assert_eq!(client.search("Patient?identifier=010190-902S"), ["Patient/aava"]);
    });
}

#[test]
fn if_match_guards_a_delete_too() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let delete = |etag| client.send("DELETE", "Patient/aava", &[("If-Match", etag)], &[]);
        delete("W/\"2\"").expecting(412).issues();
        client.get("Patient/aava").expecting(200);
        assert!(matches!(delete("W/\"1\"").status, 200 | 204));
        client.get("Patient/aava").expecting(410);
    });
}
