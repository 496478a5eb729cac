//! The requests of conformance/security/hostile.json that are well-formed HTTP: forged tokens, wider
//! scopes, other people's ids, probing of what is hidden, and injections, against a started server of
//! each back end that holds data of others.
//!
//! `as` names the token, `then` the statuses that will do, `total` that of the answer, `like` a
//! request about what never was that must be answered in the same words. No answer may hold the
//! mark of other people's data, and nothing may have changed afterwards.

use fhir_security::base64url;
use fhir_security::testing::{SigningKey, hmac_sha256};
use kantele_tests::{Client, on_each_backend_present, repository};
use serde_json::{Value, json};

use crate::guarded::{Guarded, ISSUER, now_s};

/// Stands in the data of others and in no own data.
const MARK: &str = "Merkkinen";

/// What others have, and what the caller has.
fn population() -> Vec<Value> {
    let organization = json!({"reference": "Organization/o"});
    let about = |id: &str, patient: &str, text: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": text, "coding": [{"code": text}]},
            "performer": [organization.clone()],
            "subject": {"reference": format!("Patient/{patient}")}})
    };
    let listed = |id: &str, patient: &str| {
        json!({"resourceType": "List", "id": id, "status": "current", "mode": "working",
            "subject": {"reference": format!("Patient/{patient}")},
            "entry": [{"item": {"reference": format!("Patient/{patient}")}},
                {"item": {"reference": "Patient/b"}}, {"item": {"reference": "Observation/b1"}}]})
    };
    vec![
        json!({"resourceType": "Organization", "id": "o", "name": "Unit"}),
        json!({"resourceType": "Patient", "id": "a", "name": [{"family": "Own"}],
            "managingOrganization": organization.clone()}),
        json!({"resourceType": "Patient", "id": "b", "name": [{"family": MARK}],
            "meta": {"tag": [{"code": MARK}]},
            "identifier": [{"system": "urn:x", "value": "id-b"}],
            "contained": [{"resourceType": "Organization", "id": "c", "name": MARK}],
            "generalPractitioner": [{"reference": "#c"}],
            "managingOrganization": organization.clone()}),
        json!({"resourceType": "Patient", "id": "banned",
            "meta": {"security": [{"code": "TURVAKIELTO"}]}, "name": [{"family": "Banned"}],
            "address": [{"city": MARK}], "telecom": [{"system": "phone", "value": MARK}],
            "managingOrganization": organization.clone()}),
        about("a1", "a", "own"),
        about("b1", "b", MARK),
        about("banned1", "banned", "own"),
        listed("la", "a"),
        listed("lb", "b"),
        json!({"resourceType": "Composition", "id": "cb", "status": "final", "title": MARK,
            "type": {"text": MARK}, "date": "2026-01-01", "author": [organization],
            "subject": {"reference": "Patient/b"}}),
        json!({"resourceType": "Basic", "id": "tagged", "meta": {"tag": [{"code": "own"}]},
            "code": {"text": "x"}}),
        json!({"resourceType": "Basic", "id": "untagged", "code": {"text": MARK}}),
    ]
}

/// The token of a name: who may a little, or what attackers make.
fn token(guarded: &Guarded, name: &str) -> String {
    let all = json!({"iss": ISSUER, "aud": "kantele", "sub": "x", "scope": "system/*.cruds",
        "iat": now_s() - 5, "exp": now_s() + 300});
    let encoded = |value: &Value| base64url(value.to_string().as_bytes());
    let right = guarded.token(&json!({}));
    let parts: Vec<&str> = right.split('.').collect();
    let unsigned = |algorithm: &str| {
        format!("{}.{}.", encoded(&json!({"alg": algorithm, "kid": "one"})), encoded(&all))
    };
    let attacker = SigningKey::ec("P-256");
    let forged = |more: Value| {
        let mut header = json!({"alg": "ES256", "kid": "one"});
        for (key, value) in more.as_object().unwrap() {
            header[key] = value.clone();
        }
        attacker.token(&header, &all)
    };
    let signed = |header: Value| guarded.key.token(&header, &all);
    match name {
        "all" => right,
        "patient-a" => guarded.token(&json!({"scope": "patient/*.cruds", "patient": "a"})),
        "observer" => guarded.token(&json!({"scope": "user/Observation.rs"})),
        "tagged" => guarded.token(&json!({"scope": "user/Basic.cruds?_tag=own"})),
        "alg-none" => unsigned("none"),
        "alg-None" => unsigned("None"),
        "hmac-of-public-key" => {
            let text = unsigned("HS256");
            let text = text.trim_end_matches('.');
            let signature = hmac_sha256(&guarded.key.public_pem(), text.as_bytes());
            format!("{text}.{}", base64url(&signature))
        }
        "jwk-in-header" => forged(json!({"jwk": attacker.jwk(&json!({"kid": "one"}))})),
        "jku-in-header" => forged(json!({"jku": "https://evil.example.org/keys"})),
        "foreign-key" => forged(json!({})),
        "unknown-kid" => signed(json!({"alg": "ES256", "kid": "two"})),
        "path-kid" => signed(json!({"alg": "ES256", "kid": "../../../../dev/null"})),
        "sql-kid" => signed(json!({"alg": "ES256", "kid": "one' OR '1'='1"})),
        "changed-scope" => {
            let mut claims = all;
            claims["role"] = "boss".into();
            format!("{}.{}.{}", parts[0], encoded(&claims), parts[2])
        }
        "no-signature" => format!("{}.{}.", parts[0], parts[1]),
        "other-signature" => {
            let other = guarded.token(&json!({"sub": "other"}));
            format!("{}.{}.{}", parts[0], parts[1], other.split('.').nth(2).unwrap())
        }
        "expired" => guarded.token(&json!({"exp": now_s() - 600})),
        "early" => guarded.token(&json!({"nbf": now_s() + 86_400})),
        "audience" => guarded.token(&json!({"aud": "other"})),
        "issuer" => guarded.token(&json!({"iss": "https://evil.example.org"})),
        "crit" => signed(json!({"alg": "ES256", "kid": "one", "crit": ["exp"]})),
        "jwe" => format!("{}.a.b.c.d", encoded(&json!({"alg": "dir", "enc": "A256GCM"}))),
        "twice" => {
            let header = base64url(br#"{"alg":"ES256","alg":"none","kid":"one"}"#);
            format!("{header}.{}.{}", parts[1], parts[2])
        }
        "deep" => {
            let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
            format!("{}.{}.{}", parts[0], base64url(deep.as_bytes()), parts[2])
        }
        "huge" => format!("{}.{}.{}", parts[0], "A".repeat(100_000), parts[2]),
        "scope-number" => guarded.token(&json!({"scope": 7})),
        other => panic!("no token {other}"),
    }
}

struct Answer {
    status: u16,
    text: String,
}

fn ask(client: &Client, asked: &str, case: &Value, token: &str) -> Answer {
    let fill = |text: &str| text.replace("{mark}", MARK).replace("{base}", client.base());
    let (method, path) = asked.split_once(' ').unwrap();
    let path = fill(path).replace(' ', "%20").replace('"', "%22").replace('|', "%7C");
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("Authorization", authorization.as_str())];
    for (name, value) in case["headers"].as_object().into_iter().flatten() {
        headers.push((name, value.as_str().unwrap()));
    }
    let body = case.get("body").map(|body| fill(&body.to_string()));
    if body.is_some() {
        headers.push(("Content-Type", case["type"].as_str().unwrap_or("application/fhir+json")));
    }
    let body = body.unwrap_or_default();
    match client.try_send(method, &path, &headers, body.as_bytes()) {
        Ok(reply) => Answer { status: reply.status, text: reply.text() },
        Err(_) => Answer { status: 0, text: String::new() },
    }
}

/// What is wrong with the answer to a case.
fn faults(client: &Client, guarded: &Guarded, case: &Value) -> Vec<String> {
    let token = token(guarded, case["as"].as_str().unwrap());
    let asked = case["ask"].as_str().unwrap();
    let answer = ask(client, asked, case, &token);
    let mut faults = Vec::new();
    let shown: String = answer.text.chars().take(400).collect();
    if !case["then"].as_array().unwrap().contains(&json!(answer.status)) {
        faults.push(format!("{} and not {}: {shown}", answer.status, case["then"]));
    }
    // The client's own words come back in the links of its own search.
    let own = asked.contains("{mark}") || case["body"].to_string().contains("{mark}");
    let told: String = if own { without_links(&answer.text) } else { answer.text.clone() };
    if told.contains(MARK) {
        faults.push(format!("it tells what is hidden: {told}"));
    }
    for text in case["lacks"].as_array().into_iter().flatten() {
        if answer.text.contains(text.as_str().unwrap()) {
            faults.push(format!("it tells {text}"));
        }
    }
    let json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    if let Some(total) = case.get("total")
        && json["total"] != *total
    {
        faults.push(format!("total {} and not {total}: {shown}", json["total"]));
    }
    if let Some(like) = case["like"].as_str() {
        let mut other = case.clone();
        if other["headers"].get("If-None-Exist").is_some() {
            other["headers"]["If-None-Exist"] = "identifier=urn:x|id-never".into();
        }
        let never = ask(client, like, &other, &token);
        let plain = |text: &str| {
            let names = ["Patient/b", "b1", "lb", "cb", "id-b"];
            names.iter().fold(text.replace("id-never", "").replace("never", ""), |text, name| {
                let kept = name.strip_suffix('b').filter(|kept| kept.ends_with('/'));
                text.replace(name, kept.unwrap_or_default())
            })
        };
        if (answer.status, plain(&answer.text)) != (never.status, plain(&never.text)) {
            faults.push(format!(
                "{} {} differs from {} {}",
                answer.status, shown, never.status, never.text
            ));
        }
    }
    faults
}

fn without_links(text: &str) -> String {
    let mut json: Value = serde_json::from_str(text).unwrap_or_default();
    if let Some(bundle) = json.as_object_mut() {
        bundle.remove("link");
    }
    json.to_string()
}

fn versions(client: &Client, token: &str) -> Value {
    let headers = [("Authorization", format!("Bearer {token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (*a, b.as_str())).collect();
    let count =
        |path: &str| client.send("GET", path, &headers, &[]).expecting(200).json()["total"].clone();
    json!([
        count("Patient/b/_history"),
        count("Patient/banned/_history"),
        count("Observation/_history?_summary=count"),
        count("Basic/_history?_summary=count"),
        count("Organization/_history?_summary=count")
    ])
}

#[test]
fn what_is_asked_with_bad_intent_is_refused_and_tells_nothing() {
    let path = repository("conformance/security/hostile.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<&Value> = cases.iter().filter(|case| case.get("ask").is_some()).collect();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    on_each_backend_present(|backend| {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("claims.toml");
        let row = "[[claim]]\nfrom = 'role'\nto = 'kind'\nvalues = { 'boss' = 'administrator' }\n";
        std::fs::write(&table, row).unwrap();
        let more = [
            ("validation.on_write", "off"),
            ("access.stored_rules", "on"),
            ("access.claims_file", table.to_str().unwrap()),
        ];
        let guarded = Guarded::start(backend, &more);
        let client = guarded.server.client();
        let all = token(&guarded, "all");
        let bearer = guarded.bearer(&json!({"role": "boss"}));
        let headers =
            [("Authorization", bearer.as_str()), ("Content-Type", "application/fhir+json")];
        for each in population() {
            let path = format!(
                "{}/{}",
                each["resourceType"].as_str().unwrap(),
                each["id"].as_str().unwrap()
            );
            client.send("PUT", &path, &headers, each.to_string().as_bytes()).expecting(201);
        }
        let before = versions(client, &all);
        let mut found = Vec::new();
        for case in &cases {
            for fault in faults(client, &guarded, case) {
                found.push(format!("{} ({}): {fault}", case["name"], case["ask"]));
            }
        }
        assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
        assert_eq!(versions(client, &all), before, "something was written");
        assert!(!guarded.server.log_text().contains("a fault of the program"), "it panicked");
        client.send("GET", "Patient/a", &headers[..1], &[]).expecting(200);
    });
}
