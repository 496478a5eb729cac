//! Runs the cases of conformance/snapshot: a differential, and what its snapshot must say or which
//! places are at fault. All failures come in one report. `README.md` there tells the form.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fhir_model::Resource;
use fhir_structure::{Made, Structures, make_snapshot, r4, type_url};
use serde_json::{Map, Value, json};

#[test]
fn snapshots_are_made_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/snapshot/cases");
    let (mut count, mut faults) = (0, Vec::new());
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let file: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let given = Given::of(&file["given"]);
        for case in file["cases"].as_array().unwrap() {
            count += 1;
            let made = make_snapshot(&definition(case, "http://example.org/made"), &given);
            faults.extend(
                check(case, &made)
                    .into_iter()
                    .map(|fault| format!("{name}: {}: {fault}", case["rule"].as_str().unwrap())),
            );
        }
    }
    assert!(count >= 80, "{count} cases");
    assert!(faults.is_empty(), "{} faults in {count} cases:\n{}", faults.len(), faults.join("\n"));
}

/// The definitions of a file.
struct Given(BTreeMap<String, Arc<Resource>>);

impl Given {
    fn of(list: &Value) -> Self {
        let all = list.as_array().into_iter().flatten().map(|each| {
            let url = each["url"].as_str().unwrap().to_owned();
            (url.clone(), Arc::new(definition(each, &url)))
        });
        Self(all.collect())
    }
}

impl Structures for Given {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        self.0.get(canonical.split('|').next().unwrap()).cloned()
    }

    fn generation(&self) -> u64 {
        0
    }
}

/// The definition that a case describes.
fn definition(case: &Value, url: &str) -> Resource {
    let mut whole = case.as_object().unwrap().clone();
    let elements = whole.remove("differential").unwrap_or_else(|| json!([]));
    let elements: Vec<Value> = elements.as_array().unwrap().iter().map(element).collect();
    let type_name = whole["type"].as_str().unwrap().to_owned();
    let kind = r4().of_type(&type_name).map_or("logical", |head| head.kind);
    let mut set = |key: &str, value: Value| {
        whole.entry(key).or_insert(value);
    };
    set("resourceType", json!("StructureDefinition"));
    set("url", json!(url));
    set("kind", json!(kind));
    set("abstract", json!(false));
    set("derivation", json!("constraint"));
    set("baseDefinition", json!(type_url(&type_name)));
    if !elements.is_empty() {
        set("differential", json!({ "element": elements }));
    }
    for key in ["rule", "then", "ids", "faults"] {
        whole.remove(key);
    }
    Resource::trusted(serde_json::to_vec(&whole).unwrap()).unwrap()
}

/// An element whose path and slice name its id tells.
fn element(short: &Value) -> Value {
    let mut element: Map<String, Value> = short.as_object().unwrap().clone();
    if let Some(id) = element.get("id").and_then(Value::as_str).map(str::to_owned) {
        let name = |part: &str| part.split(':').next().unwrap().to_owned();
        let path: Vec<String> = id.split('.').map(name).collect();
        element.entry("path").or_insert(json!(path.join(".")));
        if let Some((_, slice)) = id.rsplit('.').next().unwrap().split_once(':') {
            element.entry("sliceName").or_insert(json!(slice));
        }
    }
    Value::Object(element)
}

fn check(case: &Value, made: &Made) -> Vec<String> {
    let mut wrong = Vec::new();
    let wanted: Vec<&str> = texts(&case["faults"]);
    let found: Vec<&str> =
        made.faults.iter().map(|fault| fault.expression.as_deref().unwrap_or_default()).collect();
    let ends = |found: &&str| wanted.iter().any(|wanted| found.ends_with(wanted));
    if found.len() != wanted.len() || !found.iter().all(ends) {
        wrong.push(format!("faults {:?}", made.faults));
    }
    let elements: Vec<Value> = made.definition.as_ref().map_or_else(Vec::new, |definition| {
        let whole: Value = serde_json::from_str(definition.source()).unwrap();
        whole["snapshot"]["element"].as_array().unwrap().clone()
    });
    for (id, properties) in case["then"].as_object().into_iter().flatten() {
        let element = elements.iter().find(|element| element["id"] == id.as_str());
        match (element, properties.as_object()) {
            (None, None) => {}
            (Some(_), None) => wrong.push(format!("{id} is there")),
            (None, Some(_)) => wrong.push(format!("{id} is not there")),
            (Some(element), Some(properties)) => {
                for (key, value) in
                    properties.iter().filter(|(key, value)| element[*key] != **value)
                {
                    wrong.push(format!("{id}.{key} is {}, not {value}", element[key]));
                }
            }
        }
    }
    let ids: Vec<&str> = elements.iter().filter_map(|element| element["id"].as_str()).collect();
    let wanted = texts(&case["ids"]);
    if !wanted.is_empty() && !ids.windows(wanted.len()).any(|window| window == wanted) {
        wrong.push(format!("{wanted:?} do not follow each other in {ids:?}"));
    }
    if case["then"].is_null()
        && case["ids"].is_null()
        && wanted.is_empty()
        && case["faults"].is_null()
    {
        wrong.push("the case expects nothing".to_owned());
    }
    wrong
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
