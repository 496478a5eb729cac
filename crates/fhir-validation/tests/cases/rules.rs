//! The rules of a profile, one by one, and the profile without one of them.

use fhir_model::Resource;
use serde_json::{Value, json};

/// The extension that imposes another profile.
const IMPOSE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-imposeProfile";

/// One thing that a profile of `profiles/` asks.
pub(crate) struct Rule {
    /// The canonical of the definition.
    pub(crate) url: String,
    /// The id of the element.
    pub(crate) id: String,
    /// `min`, `max`, `type`, `target`, `profile`, `aggregation`, `fixed`, `pattern`, `binding`,
    /// `closed`, `context`, `impose` or `constraint:` and a key.
    pub(crate) aspect: String,
}

impl Rule {
    /// How `conformance/unbroken-rules.json` names the rule inside of its definition.
    pub(crate) fn local(&self) -> String {
        format!("{} {}", self.id, self.aspect)
    }

    pub(crate) fn name(&self) -> String {
        format!("{}#{}", self.url, self.local())
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The definition as JSON.
pub(crate) fn json_of(resource: &Resource) -> Value {
    serde_json::from_str(resource.source()).unwrap()
}

/// All rules of a definition's differential.
pub(crate) fn rules(definition: &Value) -> Vec<Rule> {
    let url = text(definition, "url");
    let mut found = Vec::new();
    let mut add = |id: &str, aspect: &str| {
        found.push(Rule { url: url.to_owned(), id: id.to_owned(), aspect: aspect.to_owned() });
    };
    for element in items(&definition["differential"], "element") {
        for aspect in aspects(element) {
            add(text(element, "id"), &aspect);
        }
    }
    let everywhere = |context: &Value| text(context, "expression") == "Element";
    if items(definition, "context").any(|context| !everywhere(context)) {
        add("Extension", "context");
    }
    if items(definition, "extension").any(|extension| text(extension, "url") == IMPOSE) {
        add(text(definition, "type"), "impose");
    }
    found
}

fn aspects(element: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |is_asked: bool, aspect: &str| {
        if is_asked {
            found.push(aspect.to_owned());
        }
    };
    let any_type = |key: &str| items(element, "type").any(|each| each.get(key).is_some());
    // What only repeats `Reference` or `Extension` in order to say more of it, is no rule itself.
    let says_more = any_type("targetProfile") || any_type("profile");
    let members = element.as_object().unwrap();
    let begins = |part: &str| members.keys().any(|key| key.starts_with(part));
    let strength = text(&element["binding"], "strength");
    add(element["min"].as_u64().is_some_and(|min| min > 0), "min");
    add(element["max"].as_str().is_some_and(|max| max != "*"), "max");
    add(items(element, "type").count() > 1 || any_type("code") && !says_more, "type");
    add(any_type("targetProfile"), "target");
    add(any_type("profile"), "profile");
    add(any_type("aggregation"), "aggregation");
    add(begins("fixed"), "fixed");
    add(begins("pattern"), "pattern");
    add(begins("maxLength"), "length");
    add(matches!(strength, "required" | "extensible"), "binding");
    add(element["slicing"]["rules"] == "closed", "closed");
    for constraint in items(element, "constraint") {
        add(true, &format!("constraint:{}", text(constraint, "key")));
    }
    found
}

/// The definition without the rule.
pub(crate) fn without(definition: &Value, rule: &Rule) -> Value {
    let mut changed = definition.clone();
    match rule.aspect.as_str() {
        "context" => {
            changed["context"] = json!([{ "type": "element", "expression": "Element" }]);
        }
        "impose" => {
            let list = changed["extension"].as_array_mut().unwrap();
            list.retain(|extension| text(extension, "url") != IMPOSE);
        }
        aspect => {
            let elements = changed["differential"]["element"].as_array_mut().unwrap();
            let is_it = |element: &&mut Value| text(element, "id") == rule.id;
            for element in elements.iter_mut().filter(is_it) {
                take(element, aspect);
            }
        }
    }
    changed
}

fn take(element: &mut Value, aspect: &str) {
    let members = element.as_object_mut().unwrap();
    let of_types = |members: &mut serde_json::Map<String, Value>, key: &str| {
        for each in members["type"].as_array_mut().into_iter().flatten() {
            each.as_object_mut().unwrap().remove(key);
        }
    };
    match aspect {
        "min" | "max" | "type" | "binding" => {
            members.remove(aspect);
        }
        "target" => of_types(members, "targetProfile"),
        "profile" | "aggregation" => of_types(members, aspect),
        "fixed" | "pattern" => members.retain(|key, _| !key.starts_with(aspect)),
        "length" => {
            members.remove("maxLength");
        }
        "closed" => members["slicing"]["rules"] = json!("open"),
        constraint => {
            let (_, key) = constraint.split_once(':').unwrap();
            let list = members["constraint"].as_array_mut().unwrap();
            list.retain(|constraint| text(constraint, "key") != key);
        }
    }
}
