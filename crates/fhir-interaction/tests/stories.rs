//! Stories that need rules of the test's own, in process; all others are told over HTTP
//! (conformance/interaction). All failures come in one report.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fhir_interaction::{Answer, Conditions};
use fhir_model::{Failure, VersionId};
use serde_json::Value;
use support::{Asked, TestApp, json, on_each_backend};

#[test]
fn stories_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_story = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let mut paths: Vec<_> = entries.filter(is_story).collect();
    paths.sort();
    assert!(!paths.is_empty(), "the stories are there");
    let stories: Vec<(String, Value)> = paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let story = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), story)
        })
        .collect();
    for (name, story) in &stories {
        on_each_backend(|app| {
            let faults = Teller { app, saved: BTreeMap::new() }.tell(story);
            assert!(faults.is_empty(), "{name}:\n  {}", faults.join("\n  "));
        });
    }
}

struct Teller<'a> {
    app: &'a TestApp,
    /// Values of earlier answers, written `{name}` in later steps.
    saved: BTreeMap<String, String>,
}

impl Teller<'_> {
    fn tell(&mut self, story: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, step) in story["steps"].as_array().unwrap().iter().enumerate() {
            let outcome = self.app.send(&self.asked(step));
            let then = &step["then"];
            let found = self.check(then, &outcome);
            let asked = &step["when"];
            faults.extend(found.into_iter().map(|fault| format!("step {number} {asked}: {fault}")));
            if let Ok(answer) = &outcome {
                self.save(step, answer);
            }
        }
        faults
    }

    fn asked(&self, step: &Value) -> Asked {
        let text = |name: &str| step[name].as_str().map(|text| self.filled(text));
        let when = text("when").expect("a step says when");
        let (method, path) = when.split_once(' ').unwrap_or((&when, ""));
        // A body is a tree or, where its text counts, a string.
        let body = match &step["body"] {
            Value::Null => None,
            Value::String(text) => Some(self.filled(text)),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Some(self.filled(&step["body"].to_string()))
            }
        };
        let if_match = step["if_match"].as_array().map(|versions| {
            versions.iter().map(|version| VersionId(version.as_i64().unwrap())).collect()
        });
        Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            body,
            prefer: text("prefer"),
            conditions: Conditions {
                if_match,
                if_absent: step["if_none_match"] == "*",
                ..Conditions::default()
            },
            if_none_exist: text("if_none_exist"),
        }
    }

    fn check(&self, then: &Value, outcome: &Result<Answer, Failure>) -> Vec<String> {
        let (status, body, text) = match outcome {
            Ok(answer) => (answer.status, json(answer), answer.body.clone().unwrap_or_default()),
            Err(failure) => {
                let text = failure.outcome_json();
                (failure.status(), serde_json::from_slice(&text).unwrap(), text)
            }
        };
        let text = String::from_utf8(text).unwrap();
        let mut faults = Vec::new();
        let mut expect = |what: &str, expected: &Value, found: Value| {
            if *expected != found {
                faults.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        expect("status", &then["status"], status.into());
        if let Ok(answer) = outcome {
            if !then["version"].is_null() {
                let version = answer.version.map(|version| version.0);
                expect("version", &then["version"], version.into());
            }
            if let Some(location) = then["location"].as_str() {
                let expected = self.filled(location);
                let found = answer.location.clone().unwrap_or_default();
                let is_fine = match expected.split_once('*') {
                    Some((start, end)) => found.starts_with(start) && found.ends_with(end),
                    None => found == expected,
                };
                if !is_fine {
                    expect("location", &expected.into(), found.into());
                }
            }
            if then["last_modified"] == true {
                expect("last_modified", &true.into(), answer.last_modified.is_some().into());
            }
            if then["body"] == Value::Null && then["has_body"] == false {
                expect("a body", &false.into(), answer.body.is_some().into());
            }
        }
        for (pointer, expected) in then["body"].as_object().into_iter().flatten() {
            let expected = match expected.as_str() {
                Some(text) => Value::String(self.filled(text)),
                None => expected.clone(),
            };
            expect(pointer, &expected, body.pointer(pointer).cloned().unwrap_or_default());
        }
        for part in then["contains"].as_array().into_iter().flatten() {
            let part = self.filled(part.as_str().unwrap());
            if !text.contains(&part) {
                faults.push(format!("{part} is not in {text}"));
            }
        }
        for part in then["lacks"].as_array().into_iter().flatten() {
            let part = self.filled(part.as_str().unwrap());
            if text.contains(&part) {
                faults.push(format!("{part} is in {text}"));
            }
        }
        if !faults.is_empty() {
            faults.push(text);
        }
        faults
    }

    fn save(&mut self, step: &Value, answer: &Answer) {
        let body = json(answer);
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let pointer = pointer.as_str().unwrap();
            let value = match pointer {
                "location" => answer.location.clone().unwrap_or_default(),
                pointer => body.pointer(pointer).and_then(Value::as_str).unwrap().to_owned(),
            };
            // A location names a version; what later steps need is the resource.
            let value = value.split("/_history").next().unwrap().to_owned();
            self.saved.insert(name.clone(), value);
        }
    }

    fn filled(&self, text: &str) -> String {
        let replace = |text: String, (name, value): (&String, &String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.saved.iter().fold(text.to_owned(), replace)
    }
}
