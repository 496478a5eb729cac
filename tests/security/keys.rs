//! Keys of issuers by URL: rotation, unknown ones, what providers answer wrongly, and when they are
//! away.

use std::sync::Arc;

use fhir_security::testing::{Authority, Gate, Responder, SigningKey, Told};
use kantele_tests::{Backend, Options, TestServer};
use serde_json::{Value, json};

use crate::guarded::{now_s, set, until};

/// A server that believes issuers whose keys are at URLs.
fn server(issuers: &[(&str, String)], more: &[(&str, &str)]) -> TestServer {
    let mut arguments = Vec::new();
    let list: Vec<String> = issuers.iter().map(|(name, url)| format!("{name}={url}")).collect();
    set(&mut arguments, "access.mode", "required");
    set(&mut arguments, "access.issuers", &list.join(","));
    set(&mut arguments, "access.audience", "kantele");
    // Only tokens make keys be read, as far as these tests last.
    set(&mut arguments, "access.keys_every_s", "86400");
    for (name, value) in more {
        set(&mut arguments, name, value);
    }
    TestServer::start_with(Backend::Sqlite, Options { arguments, ..Options::default() })
}

fn key_set(keys: &[(&SigningKey, &str)]) -> Told {
    let keys: Vec<Value> = keys.iter().map(|(key, id)| key.jwk(&json!({"kid": id}))).collect();
    Told::json(&json!({ "keys": keys }))
}

/// The status for a token that was never seen before.
fn ask(server: &TestServer, issuer: &str, (key, id): (&SigningKey, &str)) -> u16 {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let claims = json!({"iss": issuer, "aud": "kantele", "sub": "s", "scope": "system/*.rs",
        "jti": NEXT.fetch_add(1, Relaxed).to_string(), "exp": now_s() + 300});
    let token = format!("Bearer {}", key.token(&json!({"alg": "ES256", "kid": id}), &claims));
    server.client().send("GET", "Patient", &[("Authorization", &token)], &[]).status
}

const ISSUER: &str = "https://idp.example.org";

#[test]
fn keys_are_rotated_over_https_and_made_up_ones_ask_once() {
    let authority = Authority::new("Providers");
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let provider = Responder::start(Some(&authority.server()), 0);
    let (old, next, last) =
        (SigningKey::ec("P-256"), SigningKey::ec("P-256"), SigningKey::ec("P-256"));
    provider.tell("/keys", key_set(&[(&old, "old")]));
    let more = [("access.trusted_authorities", trusted.to_str().unwrap())];
    let server = server(&[(ISSUER, provider.url("/keys"))], &more);
    assert_eq!(provider.came("/keys").len(), 1, "read at the start");
    assert_eq!(ask(&server, ISSUER, (&old, "old")), 200);
    // A new key beside the old one is found by the first token that needs it.
    provider.tell("/keys", key_set(&[(&old, "old"), (&next, "next")]));
    assert_eq!(ask(&server, ISSUER, (&next, "next")), 200);
    assert_eq!(ask(&server, ISSUER, (&old, "old")), 200);
    assert_eq!(provider.came("/keys").len(), 2);
    // Anybody can make up keys: the provider isn't asked for each.
    for number in 0..50 {
        assert_eq!(ask(&server, ISSUER, (&last, &format!("made-up-{number}"))), 401);
    }
    assert_eq!(provider.came("/keys").len(), 2);
    // Somewhat later it is asked again, and a key that is withdrawn counts no more.
    provider.tell("/keys", key_set(&[(&last, "last")]));
    until(|| ask(&server, ISSUER, (&last, "last")) == 200);
    assert_eq!(provider.came("/keys").len(), 3);
    assert_eq!(ask(&server, ISSUER, (&old, "old")), 401);
    // A certificate of nobody known gives no keys.
    let stranger = Responder::start(Some(&Authority::new("Providers").server()), 0);
    stranger.tell("/keys", key_set(&[(&old, "old")]));
    let wary = self::server(&[(ISSUER, stranger.url("/keys"))], &more);
    assert_eq!(ask(&wary, ISSUER, (&old, "old")), 401);
    assert!(stranger.came("/keys").is_empty() && wary.log_text().contains("no keys of an issuer"));
}

#[test]
fn tokens_that_come_while_keys_are_read_wait_for_them() {
    let provider = Responder::start(None, 0);
    let (old, next) = (SigningKey::ec("P-256"), SigningKey::ec("P-256"));
    provider.tell("/keys", key_set(&[(&old, "old")]));
    let server = server(&[(ISSUER, provider.url("/keys"))], &[]);
    let gate = Arc::new(Gate::default());
    let told = key_set(&[(&old, "old"), (&next, "next")]);
    provider.tell("/keys", Told { gate: Some(Arc::clone(&gate)), ..told });
    const MANY: usize = 12;
    let in_flight = || {
        let text = server.client().get("//metrics").expecting(200).text();
        text.contains(&format!("kantele_requests_in_flight{{kind=\"read\"}} {MANY}"))
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..MANY).map(|_| scope.spawn(|| ask(&server, ISSUER, (&next, "next")))).collect();
        until(in_flight);
        // Who has a key that is known waits for nobody.
        assert_eq!(ask(&server, ISSUER, (&old, "old")), 200);
        gate.open();
        asked.into_iter().map(|each| each.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; MANY]);
    assert_eq!(provider.came("/keys").len(), 2, "one at the start, one for all of them");
}

#[test]
fn what_is_no_key_set_gives_no_keys_and_takes_none_away() {
    let (own, other) = (SigningKey::ec("P-256"), SigningKey::ec("P-256"));
    let good = key_set(&[(&own, "own"), (&other, "other")]);
    let jwk = |id: &str| own.jwk(&json!({"kid": id}));
    let padded = |bytes: usize| json!({"keys": [jwk("own")], "padding": "x".repeat(bytes)});
    let many: Vec<Value> = (0..65).map(|number| jwk(&number.to_string())).collect();
    let mut private = jwk("own");
    private["d"] = "AQAB".into();
    let elsewhere = |url: &str| Told {
        status: 302,
        headers: vec![format!("Location: {url}")],
        ..Told::default()
    };
    let provider = Responder::start(None, 0);
    provider.tell("/elsewhere", good.clone());
    let wrong: Vec<(&str, Told)> = vec![
        ("large", Told::json(&padded(600_000))),
        ("many", Told::json(&json!({ "keys": many }))),
        ("private", Told::json(&json!({"keys": [jwk("own"), private]}))),
        ("none", Told::json(&json!({"keys": []}))),
        ("page", Told::json(&"<html></html>")),
        ("twice", Told::json(&format!("{{\"keys\":[{}],\"keys\":[]}}", jwk("own")))),
        ("redirect", elsewhere(&provider.url("/elsewhere"))),
        ("error", Told { status: 500, ..good.clone() }),
        ("absent", Told { status: 404, ..good.clone() }),
        ("hangs-up", Told { hangs_up: true, ..good.clone() }),
    ];
    let issuer = |name: &str| format!("https://{name}.example.org");
    let names: Vec<String> = wrong.iter().map(|(name, _)| issuer(name)).collect();
    let issuers: Vec<(&str, String)> = names
        .iter()
        .zip(&wrong)
        .map(|(issuer, (name, _))| (issuer.as_str(), provider.url(&format!("/{name}"))))
        .collect();
    // From the start: no token of theirs counts.
    for (name, told) in &wrong {
        provider.tell(&format!("/{name}"), told.clone());
    }
    let never = server(&issuers, &[]);
    for name in &names {
        assert_eq!(ask(&never, name, (&own, "own")), 401, "{name}");
    }
    // Later: what was known stays.
    for (name, _) in &wrong {
        provider.tell(&format!("/{name}"), good.clone());
    }
    let once = server(&issuers, &[]);
    for (name, told) in &wrong {
        provider.tell(&format!("/{name}"), told.clone());
        let asked = provider.came(&format!("/{name}")).len();
        assert_eq!(ask(&once, &issuer(name), (&own, "unheard-of")), 401, "{name}");
        assert_eq!(provider.came(&format!("/{name}")).len(), asked + 1, "{name}");
        assert_eq!(ask(&once, &issuer(name), (&own, "own")), 200, "{name}");
        assert_eq!(ask(&once, &issuer(name), (&other, "other")), 200, "{name}");
    }
    assert!(provider.came("/elsewhere").is_empty(), "redirects are not followed");
}

#[test]
fn a_provider_may_be_away_at_the_start_and_later() {
    let free = Responder::start(None, 0);
    let (port, url) = (free.port(), free.url("/keys"));
    drop(free);
    let (old, next) = (SigningKey::ec("P-256"), SigningKey::ec("P-256"));
    let server = server(&[(ISSUER, url)], &[]);
    assert!(server.log_text().contains("no keys of an issuer yet"));
    assert_eq!(ask(&server, ISSUER, (&old, "old")), 401);
    let provider = Responder::start(None, port);
    provider.tell("/keys", key_set(&[(&old, "old")]));
    until(|| ask(&server, ISSUER, (&old, "old")) == 200);
    drop(provider);
    assert_eq!(ask(&server, ISSUER, (&next, "next")), 401);
    assert_eq!(ask(&server, ISSUER, (&old, "old")), 200, "what is known stays");
    let provider = Responder::start(None, port);
    provider.tell("/keys", key_set(&[(&next, "next")]));
    until(|| ask(&server, ISSUER, (&next, "next")) == 200);
}
