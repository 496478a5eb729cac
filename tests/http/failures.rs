//! What a client's fault is answered with: all faults at once, each with its place, and nothing
//! that a log or a screen should not show.

use kantele_tests::{Reply, on_each_backend};
use serde_json::{Value, json};

fn refused(reply: Reply) -> Vec<Value> {
    let issues = reply.expecting(400).issues();
    for issue in &issues {
        assert_eq!(issue["severity"], "error", "{issue}");
        assert!(issue["code"].is_string(), "{issue}");
        assert!(!issue["diagnostics"].as_str().unwrap().is_empty(), "{issue}");
    }
    issues
}

fn expressions(issues: &[Value]) -> Vec<String> {
    let mut found: Vec<String> = issues
        .iter()
        .filter_map(|issue| issue["expression"][0].as_str().map(str::to_owned))
        .collect();
    found.sort();
    found
}

#[test]
fn all_faults_are_named_at_once() {
    on_each_backend(|server| {
        let body = json!({
            "resourceType": "Patient",
            "active": "yes",
            "birthDate": "1990-13-01",
            "name": [{"family": "Virtanen", "given": "Aava"}, {"famly": "Virtanen"}],
            "deceasedBoolean": false,
            "deceasedDateTime": "2026-01-01"
        });
        let issues = refused(server.client().post("Patient", &body));
        let found = expressions(&issues);
        for expected in [
            "Patient.active",
            "Patient.birthDate",
            "Patient.name[0].given",
            "Patient.name[1].famly",
        ] {
            assert!(found.iter().any(|it| it == expected), "{expected} in {found:?}");
        }
        assert!(issues.len() >= 5, "{issues:?}");
    });
}

#[test]
fn a_fault_shows_the_form_of_a_value_and_never_the_value() {
    on_each_backend(|server| {
        let body = json!({
            "resourceType": "Patient",
            "gender": "no  code",
            "birthDate": "1.2.1990",
            "identifier": [{"value": 131052}],
            "name": [{"family": ["Salainen"]}]
        });
        let reply = server.client().post("Patient", &body);
        let text = reply.text();
        refused(reply);
        assert!(text.contains("aa  aaaa") && text.contains("9.9.9999"), "{text}");
        for value in ["no  code", "1.2.1990", "Salainen", "131052"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
        assert!(!server.log_text().contains("Salainen"));
    });
}

#[test]
fn a_syntax_fault_has_line_and_column() {
    on_each_backend(|server| {
        let client = server.client();
        let json = [("Content-Type", "application/fhir+json")];
        let text = "{\n  \"resourceType\": \"Patient\",\n  \"active\": tru\n}";
        let reply = client.send("POST", "Patient", &json, text.as_bytes()).expecting(400);
        assert!(reply.text().contains("line 3"), "{}", reply.text());
        let xml = [("Content-Type", "application/fhir+xml")];
        let text = "<Patient xmlns=\"http://hl7.org/fhir\">\n<active value=\"true\">\n</Patient>";
        let reply = client.send("POST", "Patient", &xml, text.as_bytes()).expecting(400);
        assert!(reply.text().contains("line "), "{}", reply.text());
    });
}

#[test]
fn a_method_that_is_not_there_is_405() {
    on_each_backend(|server| {
        let client = server.client();
        for (method, path) in
            [("PUT", "_history"), ("POST", "Patient/a"), ("PUT", "metadata"), ("BREW", "Patient/a")]
        {
            let reply = client.send(method, path, &[], b"");
            assert!(matches!(reply.status, 400 | 404 | 405), "{method} {path}: {}", reply.status);
        }
        client.get("Patient/$no-such-operation").expecting(404).issues();
    });
}

#[test]
fn a_server_tells_nothing_of_its_inside() {
    on_each_backend(|server| {
        let client = server.client();
        for path in [
            "Patient?_id=%27%3B%20drop",
            "Patient?name=%00",
            "Patient?identifier=a%00|b",
            "%2e%2e/%2e%2e/etc/passwd",
        ] {
            let reply = client.get(path);
            assert!((400..500).contains(&reply.status), "{path}: {}", reply.status);
            let text = reply.text().to_lowercase();
            for word in ["sqlite", "postgres", "select ", "diesel", "panicked"] {
                assert!(!text.contains(word), "{path}: {text}");
            }
        }
    });
}
