//! TLS: which certificates are taken, what they make of a caller, and files that change.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use fhir_security::base64url;
use fhir_security::testing::versions::{TLS1_0, TLS1_1, TLS1_2, TLS1_3};
use fhir_security::testing::{Authority, TlsClient, Wanted};
use kantele_tests::{Backend, TestServer};
use serde_json::json;

use crate::guarded::{Files, Guarded, set, status, until};

const LIVE: &str = "/health/live";

#[test]
fn each_client_certificate_is_answered_as_documented() {
    let files = Files::new();
    let (right, revoked) = (files.clients.client("right"), files.clients.client("revoked"));
    let expired = files.clients.issue(&Wanted {
        subject: &[("CN", "expired")],
        is_server: false,
        days: (-5, -1),
    });
    let early = files.clients.issue(&Wanted {
        subject: &[("CN", "early")],
        is_server: false,
        days: (1, 5),
    });
    // A certificate for servers is none for clients, and one of another authority none at all.
    let server_like = files.clients.server();
    let foreign = Authority::new("Clients").client("right");
    files.revoke(&[&revoked]);
    let required = TestServer::start_with(Backend::Sqlite, files.arguments("required", &[]));
    let optional = TestServer::start_with(Backend::Sqlite, files.arguments("optional", &[]));
    let ask = |server: &TestServer, own| files.client(own).get(server.port(), LIVE, &[]);
    for server in [&required, &optional] {
        assert_eq!(status(&ask(server, Some(&right)).unwrap()), 200);
        for (name, wrong) in [
            ("revoked", &revoked),
            ("expired", &expired),
            ("not valid yet", &early),
            ("for servers", &server_like),
            ("of another authority", &foreign),
        ] {
            assert!(ask(server, Some(wrong)).is_err(), "{name}");
        }
    }
    assert!(ask(&required, None).is_err(), "absent");
    assert_eq!(status(&ask(&optional, None).unwrap()), 200);
}

#[test]
fn revocation_lists_are_read_again_and_an_old_one_lets_nobody_in() {
    let files = Files::new();
    let client = files.clients.client("a");
    let server = TestServer::start_with(Backend::Sqlite, files.arguments("required", &[]));
    let ask = || files.client(Some(&client)).get(server.port(), LIVE, &[]);
    ask().unwrap();
    files.revoke(&[&client]);
    server.signal("HUP");
    until(|| ask().is_err());
    files.revoke(&[]);
    server.signal("HUP");
    until(|| ask().is_ok());
    files.write("crl.pem", &files.clients.revocation_list(&[], (-5, -1)));
    server.signal("HUP");
    until(|| ask().is_err());
}

#[test]
fn a_certificate_is_swapped_under_load_without_a_failed_request() {
    let files = Files::new();
    let server = TestServer::start_with(Backend::Sqlite, files.arguments("off", &[]));
    let port = server.port();
    let before = files.client(None).server_certificate(port).unwrap();
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // One that was open before keeps what it began with, and is answered all the time.
        scope.spawn(|| {
            let mut connection = files.client(None).open(port).unwrap();
            while !stop.load(Relaxed) {
                let answer = connection.get(LIVE).expect("no request of an open connection fails");
                assert_eq!(status(&answer), 200);
                kept.fetch_add(1, Relaxed);
            }
        });
        for _ in 0..4 {
            scope.spawn(|| {
                let client = files.client(None);
                while !stop.load(Relaxed) {
                    let answer = client.get(port, LIVE, &[]);
                    assert_eq!(status(&answer.expect("no request fails")), 200);
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        for _ in 0..3 {
            let last = files.client(None).server_certificate(port).unwrap();
            let next = files.servers.server();
            files.install(&next);
            // The files are also looked at without a signal.
            until(|| files.client(None).server_certificate(port).unwrap() != last);
        }
        // A file that cannot be used changes nothing.
        let last = files.client(None).server_certificate(port).unwrap();
        files.write("server.pem", b"broken");
        server.signal("HUP");
        until(|| server.log_text().contains("stay as they were"));
        assert_eq!(files.client(None).server_certificate(port).unwrap(), last);
        stop.store(true, Relaxed);
    });
    assert_ne!(files.client(None).server_certificate(port).unwrap(), before);
    assert!(answered.load(Relaxed) > 20 && kept.load(Relaxed) > 20, "{answered:?} {kept:?}");
    println!("{answered:?} new connections and {kept:?} requests of an open one");
}

#[test]
fn old_versions_and_plain_http_get_nothing() {
    let files = Files::new();
    let server = TestServer::start_with(Backend::Sqlite, files.arguments("off", &[]));
    let strict =
        TestServer::start_with(Backend::Sqlite, files.arguments("off", &[("tls.minimum", "1.3")]));
    let ask = |server: &TestServer, version| {
        let client = TlsClient::with_versions(&files.servers.pem(), None, Some(version));
        client.get(server.port(), LIVE, &[])
    };
    for old in [TLS1_0, TLS1_1] {
        assert!(ask(&server, old).is_err() && ask(&strict, old).is_err());
    }
    assert!(ask(&server, TLS1_2).is_ok() && ask(&strict, TLS1_2).is_err());
    assert!(ask(&server, TLS1_3).is_ok() && ask(&strict, TLS1_3).is_ok());
    let mut plain = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    plain.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _reset_or_end = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    let answer = ask(&server, TLS1_3).unwrap().to_ascii_lowercase();
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    assert!(!answer.contains("\r\nserver:"), "{answer}");
}

#[test]
fn a_certificate_is_made_once_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls/server.pem").display().to_string();
    let make = || {
        let mut command = std::process::Command::new(kantele_tests::binary::kantele());
        command.args(["certificate", &file, "--name", "localhost", "--name", "127.0.0.1"]);
        assert!(command.output().unwrap().status.success());
        std::fs::read(&file).unwrap()
    };
    let first = make();
    assert_eq!(make(), first, "it stays as it is");
    let mode = std::fs::metadata(&file).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    let public = std::fs::read(folder.path().join("tls/server.crt")).unwrap();
    assert!(!String::from_utf8_lossy(&public).contains("PRIVATE"));
    let mut arguments = Vec::new();
    set(&mut arguments, "tls.certificate", &file);
    set(&mut arguments, "tls.key", &file);
    let options = kantele_tests::Options { arguments, ..kantele_tests::Options::default() };
    let server = TestServer::start_with(Backend::Sqlite, options);
    let answer = TlsClient::new(&public, None).get(server.port(), LIVE, &[]).unwrap();
    assert_eq!(status(&answer), 200);
}

#[test]
fn links_are_https_under_tls() {
    let files = Files::new();
    let server = TestServer::start_with(Backend::Sqlite, files.arguments("off", &[]));
    let answer = files.client(None).get(server.port(), "/fhir/Patient", &[]).unwrap();
    assert!(answer.contains("https://localhost/fhir/Patient"), "{answer}");
}

#[test]
fn a_certificate_may_say_who_asks_and_binds_tokens() {
    let files = Files::new();
    let client = files.clients.issue(&Wanted {
        subject: &[("O", "Example"), ("serialNumber", "1.2.246.10.1"), ("CN", "ward system")],
        is_server: false,
        days: (-1, 5),
    });
    let other = files.clients.client("other");
    let table = files.folder.path().join("claims.toml");
    let rows = "[[certificate]]\nfrom = \"subject.serialNumber\"\nto = \"kind\"\n\
        values = { \"1.2.246.10.*\" = \"system\" }\n\
        [[certificate]]\nfrom = \"subject.serialNumber\"\nto = \"scope\"\n\
        values = { \"1.2.246.10.*\" = \"system/Patient.rs\" }\n\
        [[certificate]]\nfrom = \"subject.CN\"\nto = \"subject\"\n";
    std::fs::write(&table, rows).unwrap();
    let mut more = Vec::new();
    let options = files.arguments("optional", &[]);
    for pair in options.arguments.chunks(2) {
        let (key, value) = pair[1].split_once('=').unwrap();
        more.push((key.to_owned(), value.to_owned()));
    }
    more.push(("access.claims_file".to_owned(), table.display().to_string()));
    let pairs: Vec<(&str, &str)> = more.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let guarded = Guarded::start(Backend::Sqlite, &pairs);
    let port = guarded.server.port();
    let ask = |own, headers: &[(&str, &str)]| {
        status(&files.client(own).get(port, "/fhir/Patient", headers).unwrap())
    };
    assert_eq!(ask(Some(&client), &[]), 200, "the certificate alone");
    assert_eq!(ask(Some(&other), &[]), 401, "a certificate that the table does not know");
    assert_eq!(ask(None, &[]), 401, "nothing");
    let thumbprint = base64url(&fhir_security::sha256(&client.der));
    let bound = guarded.bearer(&json!({"cnf": {"x5t#S256": thumbprint}}));
    assert_eq!(ask(Some(&client), &[("Authorization", &bound)]), 200, "bound to this one");
    assert_eq!(ask(Some(&other), &[("Authorization", &bound)]), 401, "bound to another");
    assert_eq!(ask(None, &[("Authorization", &bound)]), 401, "bound, and none is shown");
    // What was remembered of the token with its certificate does not help without it.
    assert_eq!(ask(Some(&client), &[("Authorization", &bound)]), 200);
    assert_eq!(ask(Some(&other), &[("Authorization", &bound)]), 401);
}

#[test]
fn tls_and_callers_allow_any_address() {
    let files = Files::new();
    let options = files.arguments("off", &[]);
    let start = |more: &[(&str, &str)]| {
        let mut arguments = options.arguments.clone();
        for (key, value) in more {
            set(&mut arguments, key, value);
        }
        arguments.extend(["--listen".to_owned(), "0.0.0.0:0".to_owned()]);
        arguments
    };
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("d.sqlite").display());
    let refused = std::process::Command::new(kantele_tests::binary::kantele())
        .args(["serve", "--database", &database])
        .args(start(&[]))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("access.mode=required"), "{text}");
    let mut server = std::process::Command::new(kantele_tests::binary::kantele())
        .args(["serve", "--database", &database])
        .args(start(&[("access.mode", "required"), ("log.level", "warn")]))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(server.stdout.take().unwrap());
    while !said.contains("listening on https://0.0.0.0:") {
        let read = std::io::BufRead::read_line(&mut output, &mut said).unwrap();
        assert!(read > 0, "the server stops: {said}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
