//! What callers may do by their scopes and by rules: the stories of
//! `conformance/security/access.json`, and what labels hide: `labels.json`, one after the other over one database of each back end.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use fhir_access::{
    AccessPolicy, AccessSettings, Caller, CallerKind, Claims, Identifier, Label, LabelText,
    LaunchContext, Rule, RuleText, ScopeUse, Scopes,
};
use fhir_definitions::ResourceType;
use serde_json::Value;
use support::{TestApp, json, keys, on_each_backend};

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn caller(case: &Value) -> Caller {
    let kind = case["kind"].as_str().unwrap_or("app");
    let kind = CallerKind::of(kind).expect("a kind of caller");
    if kind == CallerKind::Everyone {
        return Caller::everyone();
    }
    let claim = |name: &str| case["claims"][name].as_str().map(str::to_owned);
    let organisation = claim("organisation").map(|text| {
        let (system, value) = text.split_once('|').unwrap();
        Identifier { system: system.to_owned(), value: value.to_owned() }
    });
    let claims = Claims {
        organisation,
        role: claim("role"),
        purpose: claim("purpose"),
        ..Claims::default()
    };
    let launch = LaunchContext { patient: text(case, "patient").parse().ok(), encounter: None };
    Caller::new(kind, claims, Scopes::parse(text(case, "scopes")), launch)
}

/// The policy of a case, with labels that hold in all of them.
fn policy(case: &Value, labels: &Value) -> AccessPolicy {
    let rules = case["rules"].as_array().cloned().unwrap_or_default();
    let rules = rules.into_iter().map(|rule| {
        let text: RuleText = serde_json::from_value(rule).unwrap();
        Rule::try_from(text).unwrap()
    });
    let ignored = case["ignores_labels"].as_array().cloned().unwrap_or_default();
    let labels = labels.as_array().cloned().unwrap_or_default().into_iter();
    let labels = labels.filter(|label| !ignored.contains(&label["name"])).map(|label| {
        let text: LabelText = serde_json::from_value(label).unwrap();
        Label::try_from(text).unwrap()
    });
    let ignores = case["ignores_scopes"] == true;
    let shared = case["shared"].as_array().cloned().unwrap_or_default();
    AccessPolicy::new(AccessSettings {
        scopes: if ignores { ScopeUse::Ignored } else { ScopeUse::Needed },
        shared_types: shared.iter().filter_map(|of| ResourceType::named(of.as_str()?)).collect(),
        rules: rules.collect(),
        labels: labels.collect(),
        has_stored_rules: false,
    })
}

fn step(app: &TestApp, id: &str, step: &Value) {
    let asked = text(step, "ask");
    let (method, path) = asked.split_once(' ').unwrap();
    let body = step.get("body").map(Value::to_string);
    let answer = app.call(method, path, body.as_deref());
    let status = match &answer {
        Ok(answer) => answer.status,
        Err(failure) => failure.status(),
    };
    assert_eq!(u64::from(status), step["status"], "{id}: {asked}: {answer:?}");
    let told = match &answer {
        Ok(answer) => String::from_utf8(answer.body.clone().unwrap_or_default()).unwrap(),
        Err(failure) => format!("{failure:?}"),
    };
    for (name, is_expected) in [("has", true), ("lacks", false)] {
        for text in step[name].as_array().into_iter().flatten() {
            let is_there = told.contains(text.as_str().unwrap());
            assert_eq!(is_there, is_expected, "{id}: {asked}: {name} {text}: {told}");
        }
    }
    let Ok(answer) = answer else { return };
    let page = json(&answer);
    for (mode, name) in [("match", "found"), ("include", "included")] {
        if let Some(expected) = step[name].as_array() {
            let mut found = keys(&page, mode);
            found.sort();
            assert_eq!(serde_json::json!(found), serde_json::json!(expected), "{id}: {asked}");
        }
    }
    if let Some(total) = step.get("total") {
        assert_eq!(page["total"], *total, "{id}: {asked}");
    }
}

fn tell(stories: &str) {
    let stories: Value = serde_json::from_str(stories).unwrap();
    on_each_backend(|app| {
        for each in stories["resources"].as_array().unwrap() {
            let path = format!("{}/{}", text(each, "resourceType"), text(each, "id"));
            app.call("PUT", &path, Some(&each.to_string())).unwrap();
        }
        for case in stories["cases"].as_array().unwrap() {
            let guarded = app.guarded(|_| Box::new(policy(case, &stories["labels"])));
            let guarded = guarded.asked_by(caller(case));
            for each in case["steps"].as_array().unwrap() {
                step(&guarded, text(case, "id"), each);
            }
        }
    });
}

#[test]
fn callers_do_what_scopes_and_rules_let_them() {
    tell(include_str!("../../../conformance/security/access.json"));
}

#[test]
fn what_labels_hide_is_hidden_by_every_way_in() {
    tell(include_str!("../../../conformance/security/labels.json"));
}
