//! Runs the cases of conformance/terminology/elsewhere: what is asked of a second server where
//! nobody here can tell, what is made of its answers, and what it never gets to see.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is wrong fails the test")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhir_interaction::operation::{Called, Input, Site};
use fhir_interaction::{App, Elsewhere, ElsewhereSettings, query_string};
use fhir_model::{Failure, ResourceType};
use serde_json::Value;
use support::{TestApp, json, request, resource, wait};

/// The other server, in this process; it notes what it is asked.
struct Other {
    app: App,
    is_down: bool,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Elsewhere for Other {
    fn ask(&self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.asked.lock().unwrap().push((path.to_owned(), body.clone()));
        if self.is_down {
            return Err("timed out".to_owned());
        }
        match wait(operate(&self.app, path, Vec::new(), Some(&body))) {
            Ok(answer) => Ok((answer.status, answer.body.unwrap_or_default())),
            Err(failure) => Ok((failure.status(), failure.outcome_json())),
        }
    }
}

async fn operate(
    app: &App,
    path: &str,
    pairs: Vec<(String, String)>,
    body: Option<&str>,
) -> Result<fhir_interaction::Answer, Failure> {
    let (resource_type, name) = path.split_once('/').unwrap();
    let site = Site::Type(ResourceType::named(resource_type).unwrap());
    let called = Called::find(name, site).unwrap();
    let input = Input { pairs, resource: body.map(resource).transpose()?, ..Input::default() };
    fhir_interaction::operate(app, &request(), &called, body.is_none(), input).await
}

fn list(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn store(app: &TestApp, resources: &Value) {
    for resource in resources.as_array().unwrap() {
        let kind = resource["resourceType"].as_str().unwrap();
        app.call("POST", kind, Some(&resource.to_string())).unwrap();
    }
}

/// The parameters of an answer, or the codes of an expansion, that a case names.
fn told(answer: &Value, wanted: &Value) -> Value {
    let mut told = serde_json::Map::new();
    for name in wanted.as_object().into_iter().flatten().map(|(name, _)| name) {
        let value = match name.as_str() {
            "codes" => {
                let codes = answer["expansion"]["contains"].as_array();
                codes.into_iter().flatten().map(|each| each["code"].clone()).collect()
            }
            name => {
                let list = answer["parameter"].as_array().cloned().unwrap_or_default();
                let found = list.into_iter().find(|each| each["name"] == name);
                let found = found.and_then(|each| {
                    let mut members = each.as_object().unwrap().clone().into_iter();
                    members.find(|(key, _)| key.starts_with("value")).map(|(_, value)| value)
                });
                found.unwrap_or(Value::Null)
            }
        };
        told.insert(name.clone(), value);
    }
    Value::Object(told)
}

fn check(file: &Value, case: &Value, here: &TestApp, there: &TestApp) -> Result<(), String> {
    // Each case begins with nothing known.
    let here = here.anew();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let other =
        Other { app: there.app.clone(), is_down: case["down"] == true, asked: Arc::clone(&asked) };
    let settings = ElsewhereSettings {
        prefixes: list(&file["for"]),
        cache_entries: case["cache"].as_u64().map_or(100, |most| usize::try_from(most).unwrap()),
        cache_age: Duration::from_secs(600),
        budget: Duration::from_secs(60),
    };
    here.app.ask_elsewhere(Box::new(other), settings);
    let body = case.get("body").map(Value::to_string);
    let pairs = query_string::pairs(case["with"].as_str().unwrap_or_default());
    let mut answered = Value::Null;
    let mut status = 0;
    for _ in 0..case["times"].as_u64().unwrap_or(1) {
        let path = case["ask"].as_str().unwrap();
        (status, answered) = match wait(operate(&here.app, path, pairs.clone(), body.as_deref())) {
            Ok(answer) => (answer.status, json(&answer)),
            Err(failure) => {
                let outcome = serde_json::from_slice(&failure.outcome_json()).unwrap();
                (failure.status(), outcome)
            }
        };
    }
    let wanted = case["status"].as_u64().unwrap_or(200);
    if u64::from(status) != wanted {
        return Err(format!("status {status}: {answered}"));
    }
    let found = told(&answered, &case["then"]);
    if !case["then"].is_null() && found != case["then"] {
        return Err(format!("found {found} in {answered}"));
    }
    let text = answered.to_string();
    if let Some(missing) = list(&case["says"]).iter().find(|part| !text.contains(part.as_str())) {
        return Err(format!("{missing} is not in {text}"));
    }
    if let Some(there) = list(&case["silent"]).iter().find(|part| text.contains(part.as_str())) {
        return Err(format!("{there} is in {text}"));
    }
    let asked = asked.lock().unwrap().clone();
    let paths: Vec<&String> = asked.iter().map(|(path, _)| path).collect();
    if paths != list(&case["asked"]).iter().collect::<Vec<_>>() {
        return Err(format!("asked {asked:?}"));
    }
    for hidden in list(&case["hides"]) {
        if asked.iter().any(|(_, body)| body.contains(&hidden)) {
            return Err(format!("{hidden} was sent: {asked:?}"));
        }
    }
    Ok(())
}

#[test]
fn what_nobody_here_can_tell_is_asked_elsewhere() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/terminology/elsewhere");
    support::on_each_backend_in_pairs(|here, there| {
        let (mut faults, mut count) = (Vec::new(), 0);
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            store(here, &file["here"]);
            store(there, &file["there"]);
            for case in file["cases"].as_array().unwrap() {
                count += 1;
                if let Err(fault) = check(&file, case, here, there) {
                    faults.push(format!("{}: {fault}", case["name"]));
                }
            }
        }
        assert!(count >= 20, "{count} cases");
        assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    });
}
