//! The trace: who is told in it, and who may read it.

use kantele_tests::{Client, Reply, on_each_backend_present};
use serde_json::{Value, json};

use crate::guarded::Guarded;

fn get(client: &Client, path: &str, bearer: Option<&str>) -> Reply {
    let authorization = bearer.map(|bearer| ("Authorization", bearer));
    let mut headers = vec![("X-Request-Id", "asked-here")];
    headers.extend(authorization);
    client.send("GET", path, &headers, &[])
}

fn administrator() -> Value {
    json!({"sub": "operator", "role": "admin"})
}

const CLAIMS: &str = r#"
[[claim]]
from = "role"
to = "kind"
values = { "admin" = "administrator", "physician" = "professional" }

[[claim]]
from = "national_id"
to = "person"
system = "urn:oid:1.2.246.21"

[[claim]]
from = "register"
to = "register"
system = "urn:oid:1.2.246.10"

[[claim]]
from = "why"
to = "purpose"

[[claim]]
from = "stands"
to = "relation"
"#;

fn started(backend: kantele_tests::Backend) -> (Guarded, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claims.toml");
    std::fs::write(&path, CLAIMS).unwrap();
    let claims = path.display().to_string();
    let guarded = Guarded::start(backend, &[("access.claims_file", claims.as_str())]);
    (guarded, folder)
}

/// The AuditEvents that a search of the trace finds.
fn events(guarded: &Guarded, query: &str) -> Vec<Value> {
    let bearer = guarded.bearer(&administrator());
    let path = format!("trace/AuditEvent?{query}");
    let page = get(guarded.server.client(), &path, Some(&bearer)).expecting(200).json();
    let entries = page["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| entry["resource"].clone()).collect()
}

#[test]
fn a_trace_tells_who_asked_in_what_capacity_and_what_it_came_to() {
    on_each_backend_present(|backend| {
        let (guarded, _folder) = started(backend);
        let client = guarded.server.client();
        let writer = guarded.bearer(&json!({}));
        let patient = json!({"resourceType": "Patient", "id": "p",
            "identifier": [{"system": "urn:oid:1.2.246.21", "value": "010190-9999"}]});
        client
            .send_json("PUT", "Patient/p", &[("Authorization", &writer)], &patient)
            .expecting(201);
        let physician = json!({"role": "physician", "national_id": "020290-998X", "why": "ETREAT",
            "register": "99999.1", "jti": "token-1", "azp": "viewer", "scope": "user/Patient.rs"});
        let bearer = guarded.bearer(&physician);
        get(client, "Patient/p", Some(&bearer)).expecting(200);
        get(client, "Observation/o", Some(&bearer)).expecting(403);
        get(client, "Patient/p", None).expecting(401);
        get(client, "Patient/p", Some("Bearer a.b.c")).expecting(401);

        let read = &events(&guarded, "patient=Patient/p&action=R")[0];
        assert_eq!(read["outcome"], "0");
        assert_eq!(read["extension"][0]["valueCode"], "emergency");
        let agents = read["agent"].as_array().unwrap();
        let user =
            agents.iter().find(|agent| agent["type"]["coding"][0]["code"] == "IRCP").unwrap();
        assert_eq!(user["who"]["identifier"]["value"], "020290-998X");
        assert_eq!(user["purposeOfUse"][0]["coding"][0]["code"], "ETREAT");
        assert_eq!(user["policy"][0], "urn:ietf:params:oauth:jti:token-1");
        assert_eq!(agents[0]["who"]["identifier"]["value"], "viewer");
        for query in [
            "patient-identifier=urn:oid:1.2.246.21|010190-9999&action=R",
            "purpose=ETREAT&action=R&outcome=0",
            "relation=emergency&action=R&outcome=0",
            "controller=urn:oid:1.2.246.10|99999.1&action=R&outcome=0",
            "request-id=asked-here&action=R&outcome=0",
        ] {
            assert_eq!(events(&guarded, query), std::slice::from_ref(read), "{query}");
        }
        let refused = events(&guarded, "outcome=4&_sort=date");
        let told: Vec<&str> =
            refused.iter().map(|event| event["outcomeDesc"].as_str().unwrap()).collect();
        let expected = ["HTTP 403: the caller has no right to it", "HTTP 401", "HTTP 401"];
        assert_eq!(told, expected);
        // What a stated relation says, counts more than what can be guessed.
        let stated = json!({"role": "physician", "why": "ETREAT", "stands": "statutory",
            "scope": "user/Patient.rs"});
        get(client, "Patient?_id=p", Some(&guarded.bearer(&stated))).expecting(200);
        let found = events(&guarded, "relation=statutory&patient=p");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["subtype"][0]["code"], "search-type");
    });
}

#[test]
fn the_trace_is_for_administrators_and_reading_it_is_traced() {
    on_each_backend_present(|backend| {
        let (guarded, _folder) = started(backend);
        let client = guarded.server.client();
        for claims in [
            json!({"role": "physician", "scope": "user/*.cruds"}),
            json!({"scope": "system/*.cruds"}),
        ] {
            let bearer = guarded.bearer(&claims);
            get(client, "trace/AuditEvent", Some(&bearer)).expecting(403);
            get(client, "trace/AuditEvent/1-2-3", Some(&bearer)).expecting(403);
        }
        get(client, "trace/AuditEvent", None).expecting(401);
        let administrator = guarded.bearer(&administrator());
        let headers = [("Authorization", administrator.as_str())];
        for (method, path) in [
            ("POST", "trace/AuditEvent"),
            ("PUT", "trace/AuditEvent/1-2-3"),
            ("DELETE", "trace/AuditEvent/1-2-3"),
            ("PATCH", "trace/AuditEvent/1-2-3"),
        ] {
            client.send(method, path, &headers, b"{}").expecting(405);
        }
        get(client, "trace/Patient", Some(&administrator)).expecting(404);
        get(client, "trace/AuditEvent/1-2-3", Some(&administrator)).expecting(404);
        let all = events(&guarded, "_count=100");
        let id = all[0]["id"].as_str().unwrap();
        let path = format!("trace/AuditEvent/{id}");
        let one = get(client, &path, Some(&administrator)).expecting(200).json();
        assert_eq!(one, all[0]);
        let reads = events(&guarded, "subtype=trace&outcome=0&_count=100");
        assert!(reads.len() >= 2, "{reads:?}");
        let refused = events(&guarded, "subtype=trace&outcome=4&_summary=count");
        assert!(refused.is_empty());
    });
}

#[test]
fn what_the_trace_does_not_do_is_told() {
    on_each_backend_present(|backend| {
        let (guarded, _folder) = started(backend);
        let administrator = guarded.bearer(&administrator());
        for query in [
            "_include=AuditEvent:patient",
            "_sort=site",
            "_total=accurate",
            "nonsense=1",
            "patient-identifier=value-alone",
            "_cursor=x",
        ] {
            let path = format!("trace/AuditEvent?{query}");
            let reply = get(guarded.server.client(), &path, Some(&administrator)).expecting(400);
            assert!(reply.issues()[0]["diagnostics"].is_string(), "{query}");
        }
    });
}
