//! Tokens that only their issuer can read: asked about over HTTP and HTTPS, remembered, and refused
//! where nobody can tell.

use fhir_security::testing::{Authority, Responder, Told};
use kantele_tests::development::{Development, SECRET};
use kantele_tests::{Backend, Options, Reply, TestServer};
use serde_json::{Value, json};

use crate::guarded::{Guarded, now_s, set};

const SECRET_OF_OURS: &str = "hush: not for logs";

/// A server that asks about all tokens at `url`.
fn server(url: &str, more: &[(&str, &str)]) -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET_OF_OURS}\n")).unwrap();
    let mut arguments = Vec::new();
    for (name, value) in [
        ("access.mode", "required"),
        ("access.audience", "kantele"),
        ("access.introspection_url", url),
        ("access.introspection_client", "kantele"),
        ("access.introspection_secret_file", secret.to_str().unwrap()),
    ]
    .iter()
    .chain(more)
    {
        set(&mut arguments, name, value);
    }
    // The secret is read at the start.
    TestServer::start_with(Backend::Sqlite, Options { arguments, ..Options::default() })
}

fn get(server: &TestServer, token: &str) -> Reply {
    let header = format!("Bearer {token}");
    server.client().send("GET", "Patient", &[("Authorization", &header)], &[])
}

fn active(changes: &Value) -> Told {
    let mut claims = json!({"active": true, "sub": "s", "client_id": "c", "aud": "kantele",
        "scope": "system/*.rs", "exp": now_s() + 300});
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    Told::json(&claims)
}

#[test]
fn a_token_is_asked_about_once_and_the_answer_decides() {
    let authority = Authority::new("Providers");
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let provider = Responder::start(Some(&authority.server()), 0);
    let trusted = [("access.trusted_authorities", trusted.to_str().unwrap())];
    let server = server(&provider.url("/introspect"), &trusted);
    let tell = |told: Told| provider.tell("/introspect", told);
    tell(active(&json!({})));
    get(&server, "secret-token-1").expecting(200);
    get(&server, "secret-token-1").expecting(200);
    let came = provider.came("/introspect");
    assert_eq!(came.len(), 1, "the answer is remembered");
    assert!(came[0].body.contains("token=secret-token-1"), "{:?}", came[0]);
    assert!(came[0].body.contains("token_type_hint=access_token"));
    let pair = "kantele:hush: not for logs".as_bytes();
    let basic = fhir_security::base64url(pair).replace('-', "+").replace('_', "/");
    assert!(came[0].head.contains(&format!("Basic {basic}")), "{}", came[0].head);
    for (name, told, status) in [
        ("not active", Told::json(&json!({"active": false})), 401),
        ("active as text", active(&json!({"active": "true"})), 401),
        ("expired", active(&json!({"exp": now_s() - 1})), 401),
        ("for others", active(&json!({"aud": "other"})), 401),
        ("bound", active(&json!({"cnf": {"x5t#S256": "x"}})), 401),
        ("nobody", active(&json!({"scope": ""})), 401),
        ("broken", Told::json(&"<html>"), 503),
        ("twice", Told::json(&r#"{"active":false,"active":true}"#), 503),
        ("an error", Told { status: 500, ..active(&json!({})) }, 503),
        ("we are unknown", Told { status: 401, ..active(&json!({})) }, 503),
        ("hangs up", Told { hangs_up: true, ..active(&json!({})) }, 503),
        ("large", active(&json!({"padding": "x".repeat(600_000)})), 503),
        ("several audiences", active(&json!({"aud": ["other", "kantele"]})), 200),
        ("without audience", active(&json!({"aud": []})), 401),
    ] {
        tell(told);
        let reply = get(&server, &format!("secret-{}", name.replace(' ', "-")));
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert_eq!(reply.header("retry-after").is_some(), status == 503, "{name}");
        assert!(!reply.text().contains("secret-"), "{name}: {}", reply.text());
    }
    // What was refused for want of an answer is asked about again.
    tell(active(&json!({})));
    get(&server, "secret-an-error").expecting(200);
    let long = "x".repeat(20_000);
    get(&server, &long).expecting(401);
    assert!(provider.came("/introspect").iter().all(|each| !each.body.contains(&long)));
    let log = server.log_text();
    assert!(!log.contains("secret-") && !log.contains("hush"), "{log}");
}

#[test]
fn without_the_endpoint_nobody_new_comes_in_until_it_is_back() {
    let free = Responder::start(None, 0);
    let (port, url) = (free.port(), free.url("/introspect"));
    drop(free);
    let server = server(&url, &[]);
    assert_eq!(get(&server, "one").expecting(503).header("retry-after"), Some("1"));
    let provider = Responder::start(None, port);
    provider.tell("/introspect", active(&json!({})));
    get(&server, "one").expecting(200);
    drop(provider);
    get(&server, "one").expecting(200);
    get(&server, "two").expecting(503);
}

#[test]
fn beside_issuers_only_tokens_that_are_no_jwt_are_asked_about() {
    let provider = Responder::start(None, 0);
    provider.tell("/introspect", active(&json!({"scope": "system/Patient.rs"})));
    let url = provider.url("/introspect");
    let guarded = Guarded::start(Backend::Sqlite, &[("access.introspection_url", &url)]);
    let ask = |token: &str| get(&guarded.server, token).status;
    assert_eq!(ask(&guarded.token(&json!({}))), 200);
    assert_eq!(ask(&guarded.token(&json!({"exp": now_s() - 60}))), 401);
    assert_eq!(ask("x.y.z"), 401);
    assert!(provider.came("/introspect").is_empty());
    assert_eq!(ask("opaque"), 200);
    let came = provider.came("/introspect");
    assert_eq!(came.len(), 1);
    assert!(!came[0].head.to_ascii_lowercase().contains("authorization"), "no client, no secret");
}

#[test]
fn one_server_may_ask_another_ones_development_server() {
    let development = Development::start(Backend::Sqlite);
    let secret = development.folder().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let url = format!("{}/introspect", development.issuer());
    let asking = server(
        &url,
        &[
            ("access.audience", development.server.client().base()),
            ("access.introspection_client", "confidential"),
            ("access.introspection_secret_file", secret.to_str().unwrap()),
        ],
    );
    let system = development.system();
    let header = [("Authorization", system.as_str())];
    asking.client().send("GET", "Patient", &header, &[]).expecting(200);
    // A login that is over counts nowhere where it is asked about.
    let code = development.code("aava", &[]);
    let body = development.redeem(&code, &[]).expecting(200).json();
    development.redeem(&code, &[]).expecting(400);
    let token = body["access_token"].as_str().unwrap();
    get(&asking, token).expecting(401);
    get(&development.server, token).expecting(200);
}
