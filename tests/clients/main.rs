//! Public client libraries against the server, each through a script of its own language.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a run says what it measured and what it skipped")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use kantele_tests::development::Development;
use kantele_tests::{on_each_backend, on_each_backend_present, repository};
use serde_json::json;

/// Whether `probe` succeeds with `program`; says loudly where it doesn't.
fn is_there(program: &PathBuf, probe: &[&str], script: &str) -> bool {
    let is_there = Command::new(program).args(probe).output().is_ok_and(|it| it.status.success());
    if !is_there {
        let mut out = std::io::stderr();
        let _ = writeln!(out, "SKIPPED: {script}; see tests/clients/README.md for what it needs.");
    }
    is_there
}

/// Runs `script` with arguments and expects it to say `done`.
fn run(program: &PathBuf, script: &str, arguments: &[&str], done: &str) {
    let script = repository("tests/clients").join(script);
    let output = Command::new(program).arg(&script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    let script = script.display();
    assert!(output.status.success(), "{script}:\n{said}\n{complained}");
    assert!(said.contains(done), "{script}: {said}");
}

/// Runs `script` with `program` against a server; skips, loudly, where `probe` fails.
fn drive(program: &PathBuf, probe: &[&str], script: &str) {
    if is_there(program, probe, script) {
        on_each_backend(|server| {
            let done = "created, searched, paged and transacted";
            run(program, script, &[server.client().base()], done);
        });
    }
}

/// The same against a server whose callers log in. `last` gives the second argument.
fn drive_smart(
    program: &PathBuf,
    probe: &[&str],
    script: &str,
    last: impl Fn(&Development) -> String,
) {
    if is_there(program, probe, script) {
        on_each_backend_present(|backend| {
            let development = Development::start(backend);
            development.fill();
            let base = development.server.client().base();
            run(program, script, &[base, &last(&development)], "done");
        });
    }
}

/// A file with the key of the client `backend`.
fn key_file(development: &Development) -> String {
    let path = development.folder().join("key.pem");
    std::fs::write(&path, development.key.private_pem()).unwrap();
    path.display().to_string()
}

/// A program from the environment, or by its plain name.
fn program(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}

#[test]
fn fhirpy_works_against_it() {
    drive(&program("KANTELE_TEST_PYTHON", "python3"), &["-c", "import fhirpy"], "fhirpy_client.py");
}

#[test]
fn fhirclient_works_against_it() {
    let python = program("KANTELE_TEST_PYTHON", "python3");
    drive(&python, &["-c", "import fhirclient"], "fhirclient_client.py");
}

#[test]
fn fhir_kit_client_works_against_it() {
    let is_there = "const folder = process.env.KANTELE_TEST_NODE_MODULES + '/fhir-kit-client';\
                    process.exit(require('fs').existsSync(folder) ? 0 : 1)";
    drive(&program("KANTELE_TEST_NODE", "node"), &["-e", is_there], "fhir_kit_client.mjs");
}

#[test]
fn authlib_logs_in() {
    let python = program("KANTELE_TEST_PYTHON", "python3");
    drive_smart(&python, &["-c", "import authlib, httpx, requests"], "smart_authlib.py", key_file);
}

#[test]
fn fhirclient_logs_in() {
    let python = program("KANTELE_TEST_PYTHON", "python3");
    let assertion = |development: &Development| development.assertion(&json!({}));
    drive_smart(&python, &["-c", "import fhirclient"], "smart_fhirclient.py", assertion);
}

#[test]
fn openid_client_logs_in() {
    let is_there = "const folder = process.env.KANTELE_TEST_NODE_MODULES + '/openid-client';\
                    process.exit(require('fs').existsSync(folder) ? 0 : 1)";
    let node = program("KANTELE_TEST_NODE", "node");
    drive_smart(&node, &["-e", is_there], "smart_openid_client.mjs", key_file);
}
