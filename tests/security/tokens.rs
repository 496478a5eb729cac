//! Tokens over HTTP: what is asked of everybody, and how refusals are told.

use fhir_security::testing::SigningKey;
use kantele_tests::examples::patient_with_id;
use kantele_tests::{Backend, Reply, TestServer};
use serde_json::json;

use crate::guarded::{Guarded, ISSUER, now_s, write_keys};

fn get(guarded: &Guarded, path: &str, authorization: Option<&str>) -> Reply {
    let headers: Vec<(&str, &str)> =
        authorization.map(|value| ("Authorization", value)).into_iter().collect();
    guarded.server.client().send("GET", path, &headers, &[])
}

#[test]
fn everything_but_the_description_needs_a_caller() {
    let guarded = Guarded::start(Backend::Sqlite, &[]);
    let client = guarded.server.client();
    for path in [
        "Patient",
        "Patient/a",
        "Patient/a/_history",
        "_history",
        "",
        "?_type=Patient",
        "Patient/a/$everything",
        "$meta",
        "_async/0123",
        "Patient/a/*",
        "Patient/_history",
        "Patient/a/_history/1",
        "Binary/a",
        "$export",
        "nothing",
    ] {
        let reply = client.get(path);
        assert_eq!(reply.status, 401, "{path}: {}", reply.text());
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{path}");
        assert_eq!(reply.issues()[0]["code"], "login", "{path}");
    }
    for (method, path) in [
        ("POST", "Patient"),
        ("PUT", "Patient/a"),
        ("DELETE", "Patient/a"),
        ("PATCH", "Patient/a"),
        ("POST", ""),
        ("POST", "Patient/_search"),
        ("POST", "$reindex"),
        ("DELETE", "_async/0123"),
    ] {
        let reply = client.send_json(method, path, &[], &patient_with_id("a", "Virtanen"));
        assert_eq!(reply.status, 401, "{method} {path}: {}", reply.text());
    }
    client.get("metadata").expecting(200);
    client.get("//health/ready").expecting(200);
    client.send("OPTIONS", "Patient", &[], &[]).expecting(204);
}

#[test]
fn a_right_token_opens_and_a_wrong_one_says_why_and_nothing_else() {
    let guarded = Guarded::start(Backend::Sqlite, &[]);
    let client = guarded.server.client();
    let good = guarded.bearer(&json!({}));
    let json = ("Content-Type", "application/fhir+json");
    let body = patient_with_id("aava", "Virtanen").to_string();
    let headers = [json, ("Authorization", good.as_str())];
    client.send("PUT", "Patient/aava", &headers, body.as_bytes()).expecting(201);
    let reply = get(&guarded, "Patient/aava", Some(&good)).expecting(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let stranger = SigningKey::ec("P-256");
    let claims = json!({"iss": ISSUER, "aud": "kantele", "exp": now_s() + 300});
    let forged = stranger.token(&json!({"alg": "ES256", "kid": "one"}), &claims);
    for (name, token) in [
        ("expired", guarded.token(&json!({"exp": now_s() - 60}))),
        ("audience", guarded.token(&json!({"aud": "secret-other"}))),
        ("issuer", guarded.token(&json!({"iss": "https://secret-other"}))),
        ("forged", forged),
        ("no token", "secret-other".to_owned()),
        ("nobody", guarded.token(&json!({"scope": ""}))),
    ] {
        let reply = get(&guarded, "Patient/aava", Some(&format!("Bearer {token}")));
        assert_eq!(reply.status, 401, "{name}: {}", reply.text());
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{name}: {challenge}");
        assert!(!challenge.contains("secret-other"), "{name}: {challenge}");
        assert!(!reply.text().contains("secret-other"), "{name}: {}", reply.text());
    }
    let log = guarded.server.log_text();
    assert!(!log.contains("secret-other") && !log.contains(good.trim_start_matches("Bearer ")));
}

#[test]
fn requests_that_break_the_rules_of_bearer_tokens_are_400() {
    let guarded = Guarded::start(Backend::Sqlite, &[]);
    let token = guarded.token(&json!({}));
    let good = format!("Bearer {token}");
    let client = guarded.server.client();
    for (path, headers) in [
        (format!("Patient?access_token={token}"), vec![]),
        (format!("Patient?access_token={token}"), vec![("Authorization", good.as_str())]),
        (format!("Patient?access%5Ftoken={token}"), vec![("Authorization", good.as_str())]),
        (
            "Patient".to_owned(),
            vec![("Authorization", good.as_str()), ("Authorization", "Bearer x")],
        ),
        ("Patient".to_owned(), vec![("Authorization", "Bearer ")]),
        ("Patient".to_owned(), vec![("Authorization", "Bearer a b")]),
    ] {
        let reply = client.send("GET", &path, &headers, &[]);
        assert_eq!(reply.status, 400, "{headers:?} {}", reply.text());
        assert!(!reply.text().contains(&token), "the token comes back");
    }
    let basic = client.send("GET", "Patient", &[("Authorization", "Basic YTpi")], &[]);
    assert_eq!((basic.status, basic.header("www-authenticate")), (401, Some("Bearer")));
}

#[test]
fn a_refused_token_may_be_answered_without_a_body() {
    let guarded = Guarded::start(Backend::Sqlite, &[("access.failure_body", "none")]);
    let reply = get(&guarded, "Patient", Some("Bearer x.y.z")).expecting(401);
    assert!(reply.body.is_empty() && reply.header("www-authenticate").is_some());
}

#[test]
fn keys_that_change_are_found_when_a_token_needs_them() {
    let mut guarded = Guarded::start(Backend::Sqlite, &[]);
    let old = guarded.bearer(&json!({}));
    get(&guarded, "Patient", Some(&old)).expecting(200);
    let next = SigningKey::ec("P-256");
    write_keys(&guarded.folder.path().join("keys.json"), &[(&next, "two")]);
    let claims = json!({"iss": ISSUER, "aud": "kantele", "exp": now_s() + 300,
        "scope": "system/*.cruds"});
    let token = next.token(&json!({"alg": "ES256", "kid": "two"}), &claims);
    get(&guarded, "Patient", Some(&format!("Bearer {token}"))).expecting(200);
    // The old key is gone: a token of it that was not seen before is refused.
    let other = guarded.bearer(&json!({"sub": "another"}));
    get(&guarded, "Patient", Some(&other)).expecting(401);
    guarded.key = next;
}

#[test]
fn a_token_may_count_once() {
    let guarded = Guarded::start(Backend::Sqlite, &[("access.token_use", "once")]);
    let once = guarded.bearer(&json!({"jti": "1"}));
    get(&guarded, "Patient", Some(&once)).expecting(200);
    get(&guarded, "Patient", Some(&once)).expecting(401);
    get(&guarded, "Patient", Some(&guarded.bearer(&json!({})))).expecting(401);
}

#[test]
fn a_caller_has_a_rate_of_its_own() {
    let more = [("limits.caller_rate_per_s", "1"), ("limits.rate_burst", "3")];
    let guarded = Guarded::start(Backend::Sqlite, &more);
    let (one, other) = (guarded.bearer(&json!({})), guarded.bearer(&json!({"sub": "other"})));
    let statuses: Vec<u16> = (0..30).map(|_| get(&guarded, "Patient", Some(&one)).status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    get(&guarded, "Patient", Some(&other)).expecting(200);
    // A new token is no new caller.
    let renewed = guarded.bearer(&json!({"jti": "renewed"}));
    let statuses: Vec<u16> =
        (0..30).map(|_| get(&guarded, "Patient", Some(&renewed)).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn asynchronous_work_belongs_to_who_asked_for_it() {
    let guarded = Guarded::start(Backend::Sqlite, &[]);
    let own = guarded.bearer(&json!({"sub": "one"}));
    let other = guarded.bearer(&json!({"sub": "other"}));
    let client = guarded.server.client();
    let headers = [("Prefer", "respond-async"), ("Authorization", own.as_str())];
    let accepted = client.send("GET", "Patient", &headers, &[]).expecting(202);
    let url = accepted.header("content-location").unwrap().to_owned();
    let as_other = [("Authorization", other.as_str())];
    client.send("GET", &url, &as_other, &[]).expecting(404);
    client.send("DELETE", &url, &as_other, &[]).expecting(404);
    client.send("GET", &url, &[], &[]).expecting(401);
    let renewed = guarded.bearer(&json!({"sub": "one", "jti": "renewed"}));
    let reply = client.send("GET", &url, &[("Authorization", renewed.as_str())], &[]);
    assert!([200, 202].contains(&reply.status), "{}", reply.text());
}

#[test]
fn discovery_tells_apps_where_to_go() {
    let guarded = Guarded::start(
        Backend::Sqlite,
        &[
            ("access.token_endpoint", "https://idp.example.org/token"),
            ("access.authorization_endpoint", "https://idp.example.org/authorize"),
        ],
    );
    for path in [".well-known/smart-configuration", "//.well-known/smart-configuration"] {
        let reply = guarded.server.client().get(path).expecting(200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let document = reply.json();
        assert_eq!(document["issuer"], ISSUER);
        assert_eq!(document["token_endpoint"], "https://idp.example.org/token");
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    }
    let statement = guarded.server.client().get("metadata").expecting(200).json();
    let security = &statement["rest"][0]["security"];
    assert_eq!(security["service"][0]["coding"][0]["code"], "SMART-on-FHIR");
    let uris = &security["extension"][0];
    assert_eq!(
        uris["url"],
        "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    );
    assert!(uris["extension"].as_array().unwrap().len() >= 2, "{uris}");
}

#[test]
fn an_open_server_asks_nobody_and_tells_of_nothing() {
    let server = TestServer::start(Backend::Sqlite);
    let reply = server.client().get("Patient").expecting(200);
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    assert!(reply.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(
        reply.header("server").is_none() && reply.header("strict-transport-security").is_none()
    );
    server.client().get(".well-known/smart-configuration").expecting(404);
    let statement = server.client().get("metadata").expecting(200).json();
    assert!(statement["rest"][0].get("security").is_none());
}
