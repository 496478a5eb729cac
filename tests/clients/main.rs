//! Public client libraries against the server, each through a script of its own language.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a run says what it measured and what it skipped")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use kantele_tests::{on_each_backend, repository};

/// Runs `script` with `program` against a server; skips, loudly, where `probe` fails.
fn drive(program: &PathBuf, probe: &[&str], script: &str) {
    let is_there = Command::new(program).args(probe).output().is_ok_and(|it| it.status.success());
    if !is_there {
        let mut out = std::io::stderr();
        let _ = writeln!(out, "SKIPPED: {script}; see tests/clients/README.md for what it needs.");
        return;
    }
    on_each_backend(|server| {
        let output = Command::new(program)
            .arg(repository("tests/clients").join(script))
            .arg(server.client().base())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}:\n{said}\n{complained}");
        assert!(said.contains("created, searched, paged and transacted"), "{script}: {said}");
    });
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
