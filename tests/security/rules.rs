//! Rules of access change while the server runs: those of the file and those that are stored.

use std::time::{Duration, Instant};

use kantele_tests::{Client, on_each_backend_present};
use serde_json::{Value, json};

use crate::guarded::{Guarded, set};

fn get(client: &Client, path: &str, bearer: &str) -> u16 {
    client.send("GET", path, &[("Authorization", bearer)], &[]).status
}

fn put(client: &Client, resource: &Value, bearer: &str) -> u16 {
    let path = format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap()
    );
    let headers = [("Authorization", bearer), ("Content-Type", "application/fhir+json")];
    client.send("PUT", &path, &headers, resource.to_string().as_bytes()).status
}

fn until(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::yield_now();
    }
}

const OWN: &str = "[[rule]]\nname = 'own'\nkind = ['system']\ntypes = ['Patient']\n";

#[test]
fn a_changed_file_holds_and_a_broken_one_changes_nothing() {
    on_each_backend_present(|backend| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        // In one step, as careful operators do.
        let write = |text: &str| {
            let new = folder.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, &path).unwrap();
        };
        write(&format!("{OWN}[[rule]]\nname = 'more'\ntypes = ['Basic']\n"));
        let more =
            [("access.rules_file", path.to_str().unwrap()), ("access.rules_every_s", "86400")];
        let guarded = Guarded::start(backend, &more);
        let (client, all) = (guarded.server.client(), guarded.bearer(&json!({})));
        let patient = json!({"resourceType": "Patient", "id": "a"});
        assert_eq!(put(client, &patient, &all), 201);
        assert_eq!(get(client, "Basic", &all), 200);
        write(OWN);
        guarded.server.signal("HUP");
        until(|| get(client, "Basic", &all) == 403);
        assert_eq!(get(client, "Patient/a", &all), 200);
        for broken in ["", "[[rule]]\nname = 'x'\nkind = ['doctor']\n", "[[rule"] {
            let before = guarded.server.log_text().matches("the rules stay as they were").count();
            write(broken);
            guarded.server.signal("HUP");
            until(|| {
                guarded.server.log_text().matches("the rules stay as they were").count() > before
            });
            assert_eq!((get(client, "Patient/a", &all), get(client, "Basic", &all)), (200, 403));
        }
        write(&format!("{OWN}effect = 'deny'\n"));
        guarded.server.signal("HUP");
        until(|| get(client, "Patient/a", &all) == 403);
    });
}

#[test]
fn stored_rules_hold_at_the_next_look() {
    on_each_backend_present(|backend| {
        let folder = tempfile::tempdir().unwrap();
        let claims = folder.path().join("claims.toml");
        std::fs::write(
            &claims,
            "[[claim]]\nfrom = 'role'\nto = 'kind'\nvalues = { 'boss' = 'administrator' }\n",
        )
        .unwrap();
        let more = [
            ("access.claims_file", claims.to_str().unwrap()),
            ("access.stored_rules", "on"),
            ("access.rules_every_s", "1"),
        ];
        let mut guarded = Guarded::start(backend, &more);
        let system = guarded.bearer(&json!({}));
        let boss = guarded.bearer(&json!({"role": "boss"}));
        let rule = |id: &str, effect: &str, of: &str| {
            json!({"resourceType": "Basic", "id": id,
                "code": {"coding": [{"system": "urn:kantele:CodeSystem:carrier",
                    "code": "access-rule"}]},
                "extension": [{"url": "urn:kantele:StructureDefinition:access-rule", "extension": [
                    {"url": "name", "valueString": id}, {"url": "effect", "valueCode": effect},
                    {"url": "types", "valueCode": of}, {"url": "kind", "valueCode": "system"}]}]})
        };
        let client = guarded.server.client();
        assert_eq!(put(client, &json!({"resourceType": "Patient", "id": "a"}), &system), 201);
        assert_eq!(get(client, "Patient/a", &system), 200);
        assert_eq!(put(client, &rule("r", "allow", "Basic"), &system), 403);
        assert_eq!(put(client, &rule("r", "allow", "Basics"), &boss), 422);
        assert_eq!(put(client, &rule("r", "allow", "Basic"), &boss), 201);
        until(|| get(client, "Patient/a", &system) == 403);
        // What none of the rules allows is denied to administrators, too, but for the rules.
        assert_eq!(get(client, "Patient/a", &boss), 403);
        assert_eq!(put(client, &rule("s", "allow", "Patient"), &boss), 201);
        until(|| get(client, "Patient/a", &system) == 200);
        guarded.server.stop();
        guarded.server.start_again();
        let client = guarded.server.client();
        assert_eq!(get(client, "Patient/a", &system), 200, "from the first request on");
        assert_eq!(get(client, "Observation", &system), 403);
        let path = "Basic/r/_history";
        let history = client.send("GET", path, &[("Authorization", &boss)], &[]).expecting(200);
        assert_eq!(history.json()["total"], 1);
    });
}

#[test]
fn stored_rules_that_cannot_be_used_keep_the_server_from_starting() {
    on_each_backend_present(|backend| {
        let guarded = Guarded::start(backend, &[]);
        let all = guarded.bearer(&json!({}));
        let bad = json!({"resourceType": "Basic", "id": "bad",
            "code": {"coding": [{"system": "urn:kantele:CodeSystem:carrier",
                "code": "access-rule"}]}});
        // Where rules are not stored, this is a resource like any other.
        assert_eq!(put(guarded.server.client(), &bad, &all), 201);
        let mut guarded = guarded;
        guarded.server.stop();
        let mut arguments = Vec::new();
        set(&mut arguments, "access.mode", "required");
        set(&mut arguments, "access.stored_rules", "on");
        set(&mut arguments, "listen", "127.0.0.1:0");
        let keys = guarded.folder.path().join("keys.json");
        set(&mut arguments, "access.issuers", &format!("urn:x={}", keys.display()));
        set(&mut arguments, "access.audience", "kantele");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = guarded.server.run(&arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("Basic/bad"), "{told}");
    });
}
