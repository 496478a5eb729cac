//! What stays of a StructureDefinition: all that validation, snapshots and their messages need.

use serde_json::{Map, Value};

const HEAD: [&str; 16] = [
    "resourceType",
    "id",
    "url",
    "version",
    "name",
    "title",
    "status",
    "fhirVersion",
    "kind",
    "abstract",
    "context",
    "contextInvariant",
    "type",
    "baseDefinition",
    "_baseDefinition",
    "derivation",
];

/// Long texts and mappings; whoever wants to read them has the specification.
const LEFT_OUT: [&str; 10] = [
    "alias",
    "comment",
    "definition",
    "example",
    "isModifierReason",
    "mapping",
    "meaningWhenMissing",
    "orderMeaning",
    "requirements",
    "xpath",
];

/// Extensions that mean something to a program.
const EXTENSIONS: [&str; 8] = [
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice",
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice-explanation",
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-translatable",
    "http://hl7.org/fhir/StructureDefinition/regex",
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-explicit-type-name",
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type",
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-hierarchy",
];

/// The definition without what nobody computes with. The differential of a specialization says
/// nothing that its snapshot does not.
pub(super) fn definition(whole: &Value) -> Value {
    let mut trimmed = Map::new();
    for key in HEAD {
        if let Some(value) = whole.get(key) {
            trimmed.insert(key.to_owned(), value.clone());
        }
    }
    let has_snapshot = whole.get("snapshot").is_some();
    let is_constraint = whole.get("derivation").and_then(Value::as_str) == Some("constraint");
    for key in ["snapshot", "differential"] {
        if let Some(view) = whole.get(key)
            && (key == "snapshot" || is_constraint || !has_snapshot)
        {
            trimmed.insert(key.to_owned(), thinned(view));
        }
    }
    Value::Object(trimmed)
}

fn thinned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
            let kept = kept.filter_map(|(key, value)| Some((key.clone(), member(key, value)?)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(thinned).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn member(key: &str, value: &Value) -> Option<Value> {
    // What an instance must look like stays whole.
    if ["fixed", "pattern", "minValue", "maxValue"].iter().any(|start| key.starts_with(start)) {
        return Some(value.clone());
    }
    match key {
        "extension" => {
            let all = value.as_array().into_iter().flatten();
            let kept = all.filter(|each| {
                each.get("url").and_then(Value::as_str).is_some_and(|url| EXTENSIONS.contains(&url))
            });
            let kept: Vec<Value> = kept.cloned().collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        "binding" => {
            let mut binding = thinned(value);
            binding.as_object_mut()?.remove("description");
            Some(binding)
        }
        _ => Some(thinned(value)),
    }
}
