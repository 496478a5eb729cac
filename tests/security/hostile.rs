//! conformance/security/hostile.json: what attackers send. Each case is bytes on a connection; the
//! server answers with the status that the case names, or ends the connection, within its time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kantele_tests::{on_each_backend_present, repository};
use serde_json::{Value, json};

use crate::guarded::{Guarded, status};

/// Longer than any limit of the server under test.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn hostile_requests_are_refused() {
    let more = [
        ("limits.body_timeout_ms", "1500"),
        ("limits.max_body_bytes", "65536"),
        ("limits.request_timeout_ms", "5000"),
    ];
    on_each_backend_present(|backend| refused(Guarded::start(backend, &more)));
}

fn refused(guarded: Guarded) {
    let path = repository("conformance/security/hostile.json");
    let mut cases: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    cases.retain(|case| case.get("send").is_some());
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let token = guarded.token(&json!({}));
    let mut faults = Vec::new();
    for case in &cases {
        let found = answer(case, &token, guarded.server.port());
        let allowed = case["then"].as_array().unwrap();
        if !allowed.contains(&json!(found)) {
            faults.push(format!("{}: {found}, not {allowed:?}", case["name"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // It lives, and knows the right ones.
    let headers = [("Authorization", format!("Bearer {token}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (*a, b.as_str())).collect();
    guarded.server.client().send("GET", "Patient", &headers, &[]).expecting(200);
    assert!(!guarded.server.log_text().contains("panic"), "{}", guarded.server.log_text());
}

/// The status, or 0 where the connection ends without an answer, or -1 where nothing happens.
fn answer(case: &Value, token: &str, port: u16) -> i64 {
    let mut request = case["send"].as_str().unwrap().replace("{token}", token);
    if let Some((place, count)) = case["repeat"].as_object().map(|it| (&it["text"], &it["times"])) {
        let long = place.as_str().unwrap().repeat(count.as_u64().unwrap().try_into().unwrap());
        request = request.replace("{long}", &long);
    }
    let begin = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may answer and end the connection before it has read everything.
    let _written = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer);
    if begin.elapsed() >= PATIENCE {
        return -1;
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(!text.contains(token), "{}: the token comes back", case["name"]);
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let is_injected = head.to_ascii_lowercase().contains("\nx-injected");
    assert!(!is_injected, "{}: a header came in", case["name"]);
    if text.is_empty() { 0 } else { status(&text).into() }
}
