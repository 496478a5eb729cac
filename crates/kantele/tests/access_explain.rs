//! `kantele access explain`: the cases of `conformance/security/explain.json`, and where claims come
//! from.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn explain(folder: &Path, more: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kantele"));
    program.args(["access", "explain"]);
    let database = folder.join("db.sqlite");
    program.args(["--database", &format!("sqlite:{}", database.display())]);
    for set in [
        "access.mode=required",
        "access.introspection_url=http://127.0.0.1:1/",
        "access.audience=x",
    ] {
        program.args(["--set", set]);
    }
    program.args(more).output().unwrap()
}

#[test]
fn it_tells_why_for_every_case() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../conformance/security/explain.json")).unwrap();
    let mut faults = Vec::new();
    for case in &cases {
        let folder = tempfile::tempdir().unwrap();
        let claims = folder.path().join("claims.json");
        std::fs::write(&claims, case["claims"].to_string()).unwrap();
        let rules = folder.path().join("rules.toml");
        let mut more =
            vec![case["request"].as_str().unwrap(), "--caller", claims.to_str().unwrap()];
        let set = format!("access.rules_file={}", rules.display());
        if let Some(text) = case["rules"].as_str() {
            std::fs::write(&rules, text).unwrap();
            more.extend(["--set", &set]);
        }
        let output = explain(folder.path(), &more);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code().unwrap();
        let lacks: Vec<&Value> = case["has"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|text| !told.contains(text.as_str().unwrap()))
            .collect();
        if code != case["exit"] || !lacks.is_empty() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            faults.push(format!("{}: {code}, lacks {lacks:?}:\n{told}{errors}", case["name"]));
        }
        assert!(!folder.path().join("db.sqlite").exists(), "it makes no database");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_token_is_read_and_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    // {"scope":"system/*.rs"}
    std::fs::write(&token, "eyJhbGciOiJub25lIn0.eyJzY29wZSI6InN5c3RlbS8qLnJzIn0.x\n").unwrap();
    let output = explain(folder.path(), &["GET /Patient", "--token", token.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(&token, "nonsense").unwrap();
    let output = explain(folder.path(), &["GET /Patient", "--token", token.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
}
