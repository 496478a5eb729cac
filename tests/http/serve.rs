//! The program around the interface: addresses, settings, limits, health, stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Duration;

use kantele_tests::examples::patient_with_id;
use kantele_tests::{Backend, Options, TestServer, binary, on_each_backend};
use serde_json::json;

fn kantele(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(binary::kantele()).args(arguments).current_dir(folder.path()).output().unwrap()
}

#[test]
fn health_and_metrics_are_there() {
    on_each_backend(|server| {
        let client = server.client();
        client.get("//health/live").expecting(200);
        client.get("//health/ready").expecting(200);
        client.store(&patient_with_id("aava", "Virtanen"));
        let metrics = client.get("//metrics").expecting(200).text();
        assert!(metrics.contains("# TYPE"), "{metrics}");
        assert!(!metrics.contains("aava"), "no id of a patient in the metrics");
    });
}

#[test]
fn without_tls_only_loopback_is_served() {
    let refused = kantele(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("trusted-proxy"), "{text}");
}

#[test]
fn unknown_settings_are_refused_before_the_port_opens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kantele.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\n").unwrap();
    let refused = kantele(&["serve", "--config", file.to_str().unwrap()]);
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("lisen"), "{text}");
}

#[test]
fn help_is_worth_reading() {
    let help = kantele(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["serve", "load", "migrate", "check", "--database", "--listen"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn accepted_requests_are_answered_at_a_stop() {
    let mut server = TestServer::start(Backend::Sqlite);
    let client = server.client().clone();
    let entries: Vec<_> = (0..500)
        .map(|number| {
            json!({"request": {"method": "PUT", "url": format!("Patient/p{number}")},
                "resource": patient_with_id(&format!("p{number}"), "Virtanen")})
        })
        .collect();
    let body = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    // The request is complete on the wire before the stop: it was accepted.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let text = body.to_string();
    write!(
        stream,
        "POST /fhir HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
    // Another request on its own connection is answered first, so the server has taken ours in.
    client.get("metadata").expecting(200);
    let status = server.stop();
    assert!(status.success(), "{status}: {}", server.log_text());
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{}", answer.lines().next().unwrap_or("nothing"));
    server.start_again();
    assert_eq!(server.client().get("Patient?_summary=count").json()["total"], 500);
}

#[test]
fn a_body_that_is_too_large_is_413() {
    on_each_backend(|server| {
        let mut body = patient_with_id("aava", "Virtanen");
        body["text"] = json!({"status": "generated", "div": "x".repeat(80 << 20)});
        let text = body.to_string();
        let json = [("Content-Type", "application/fhir+json")];
        // A server may answer before it has read all: then the connection may break under us.
        let reply = server.client().try_send("PUT", "Patient/aava", &json, text.as_bytes());
        if let Ok(reply) = reply {
            assert_eq!(reply.status, 413, "{}", reply.text());
        }
        server.client().get("Patient/aava").expecting(404);
    });
}

#[test]
fn a_client_that_never_finishes_does_not_hold_the_server() {
    let server = TestServer::start_with(Backend::Sqlite, Options::default());
    let mut silent: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            stream.write_all(b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Le").unwrap();
            stream
        })
        .collect();
    server.client().store(&patient_with_id("aava", "Virtanen"));
    let mut last = silent.pop().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = Vec::new();
    // The server ends the connection in its own time, with or without a word.
    last.read_to_end(&mut answer).expect("the server lets go of a silent client");
}
