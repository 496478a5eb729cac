//! A terminology server elsewhere over HTTP: asked, waited for, and shown its token.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kantele_tests::{Backend, Options, TestServer, on_each_backend};
use serde_json::json;

fn options(pairs: &[(&str, &str)]) -> Options {
    let set =
        |(key, text): &(&str, &str)| ["--set".to_owned(), format!("terminology.{key}={text}")];
    Options { arguments: pairs.iter().flat_map(set).collect(), ..Options::default() }
}

const QUESTION: &str = "CodeSystem/$validate-code?url=http://example.org/far/cs&code=dog";

#[test]
fn another_kantele_is_asked_about_the_codes_that_only_it_has() {
    on_each_backend(|there| {
        let far = json!({
            "resourceType": "CodeSystem", "url": "http://example.org/far/cs", "status": "active",
            "content": "complete", "concept": [{ "code": "dog", "display": "Dog" }],
        });
        there.client().create(&far);
        let url = there.client().base();
        let asks = options(&[("external_url", url), ("external_for", "http://example.org/far/")]);
        for backend in [Backend::Sqlite, Backend::Postgres] {
            if backend == Backend::Postgres && !kantele_tests::postgres::is_present() {
                continue;
            }
            let here = TestServer::start_with(backend, asks.clone());
            let found = here.client().get(QUESTION).expecting(200).json();
            assert_eq!(found["parameter"][0]["valueBoolean"], true, "{found}");
            let lookup = "CodeSystem/$lookup?system=http://example.org/far/cs&code=dog";
            let found = here.client().get(lookup).expecting(200).text();
            assert!(found.contains("\"Dog\""), "{found}");
            let told = here.client().get("metadata?mode=terminology").expecting(200).text();
            assert!(told.contains("http://example.org/far/"), "{told}");
            here.client()
                .get("CodeSystem/$lookup?system=http://example.org/x&code=a")
                .expecting(404);
        }
    });
}

/// Takes one connection, reads what is asked, and answers after all else was done with it.
fn other(listener: TcpListener, answer: &'static str) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&asked).ends_with('}') {
            let read = stream.read(&mut buffer).unwrap();
            asked.extend_from_slice(&buffer[..read]);
            assert_ne!(read, 0, "the question ended early");
        }
        if answer.is_empty() {
            // Until whoever asked has hung up.
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
        } else {
            stream.write_all(answer.as_bytes()).unwrap();
        }
        String::from_utf8(asked).unwrap()
    })
}

#[test]
fn the_token_is_shown_and_redirects_are_not_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/fhir", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let asks = options(&[
        ("external_url", &url),
        ("external_for", "http://example.org/far/"),
        ("external_token_file", token.to_str().unwrap()),
    ]);
    let here = TestServer::start_with(Backend::Sqlite, asks);
    let moved = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n";
    let asked = other(listener, moved);
    let found = here.client().get(QUESTION).expecting(200).text();
    assert!(found.contains("did not answer"), "{found}");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /fhir/CodeSystem/$validate-code HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nauthorization: Bearer s3cret\r\n"), "{asked}");
    assert!(!here.log_text().contains("s3cret"));
}

#[test]
fn a_server_that_never_answers_costs_its_timeout_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/fhir", listener.local_addr().unwrap());
    let asks = options(&[
        ("external_url", &url),
        ("external_for", "http://example.org/far/"),
        ("external_timeout_ms", "300"),
    ]);
    let here = TestServer::start_with(Backend::Sqlite, asks);
    let asked = other(listener, "");
    let begin = Instant::now();
    for _ in 0..3 {
        let found = here.client().get(QUESTION).expecting(200).text();
        assert!(
            found.contains("warning") && found.contains("http://example.org/far/cs"),
            "{found}"
        );
    }
    // The listener takes one connection only: a second question would wait for its own timeout.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    asked.join().unwrap();
}
