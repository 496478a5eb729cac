//! Loading the same twice, with and without the memory of the first time.

use kantele_tests::{Options, TestServer, on_each_backend, on_each_backend_with};
use serde_json::Value;

use crate::snapshot::{difference, examples_text, snapshot};

/// Loads the examples into the stopped server's database and gives the counts of the report.
fn load(server: &TestServer, more: &[&str]) -> Value {
    let report = server.folder().join("report.json");
    let (path, report_path) = (examples_text(), report.to_string_lossy().into_owned());
    let mut arguments = vec!["load", path.as_str(), "--report", report_path.as_str()];
    arguments.extend_from_slice(more);
    let output = server.run(&arguments);
    let code = output.status.code();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {text}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    println!("{}", report["total"]);
    report["total"].clone()
}

#[test]
fn a_second_load_changes_nothing() {
    on_each_backend(|mut server| {
        server.stop();
        let first = load(&server, &[]);
        assert_ne!(first["created"], 0);
        server.start_again();
        let once = snapshot(server.client());
        server.stop();
        for more in [&[][..], &["--again"]] {
            let again = load(&server, more);
            assert_eq!(again["documents"], first["documents"]);
            assert_eq!(again["created"], 0, "{again}");
            // What stands twice among the documents with different content is the one reason for
            // a further version, and only when the memory of the first load is not asked.
            assert_eq!(again["updated"], 0, "{again}");
            assert_eq!(again["refused"], first["refused"]);
            server.start_again();
            // Loaded again by force, a transaction that posts does what it says: it posts again.
            if again["executed"] == 0 {
                assert_eq!(difference(&once, &snapshot(server.client())), None, "{more:?}");
            }
            server.stop();
        }
        server.start_again();
    });
}

#[test]
fn a_running_server_is_loaded_over_http_with_the_same_result() {
    // Among all official examples there is a Bundle above the default limit of a body.
    let arguments = ["--set", "limits.max_body_bytes=134217728"].map(str::to_owned).to_vec();
    let options = Options { arguments, ..Options::default() };
    on_each_backend_with(&options, |mut server| {
        let url = server.client().base().to_owned();
        let output = std::process::Command::new(kantele_tests::binary::kantele())
            .args(["load", &examples_text(), "--server", &url])
            .current_dir(server.folder())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{text}");
        let over_http = snapshot(server.client());
        server.stop();
        let again = load(&server, &["--again"]);
        assert_eq!((&again["created"], &again["updated"]), (&0.into(), &0.into()), "{again}");
        server.start_again();
        if again["executed"] == 0 {
            assert_eq!(difference(&over_http, &snapshot(server.client())), None);
        }
    });
}

#[test]
fn a_database_in_use_is_not_loaded_behind_the_servers_back() {
    let server = TestServer::start(kantele_tests::Backend::Sqlite);
    let output = server.run(&["load", &examples_text()]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("--server"), "it says what to do instead: {text}");
    assert!(server.client().search("Patient").is_empty());
}
