//! The paths of the document, from what the CapabilityStatement says of each type.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_interaction::operation::{OPERATIONS, Operation};
use serde_json::{Map, Value, json};

use super::super::jobs;
use super::parts::{Call, components, fhir, query, shared};

/// The parameters that searches have beside those of their type, and whether they repeat.
const RESULT: [(&str, bool); 10] = [
    ("_sort", false),
    ("_count", false),
    ("_total", false),
    ("_summary", false),
    ("_elements", false),
    ("_include", true),
    ("_revinclude", true),
    ("_contained", false),
    ("_containedType", false),
    ("_cursor", false),
];

/// The parameters of histories.
const HISTORY: [&str; 6] = ["_since", "_at", "_count", "_sort", "_list", "_cursor"];

/// All paths, under construction.
struct Paths(Map<String, Value>);

impl Paths {
    fn add(&mut self, path: &str, method: &str, call: Value) {
        let item = self.0.entry(path.to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(method.to_owned(), call);
        }
    }
}

/// The whole document.
pub(super) fn document(base: &str, statement: &Value) -> Value {
    let mut paths = Paths(Map::new());
    let rest = statement.pointer("/rest/0").unwrap_or(&Value::Null);
    system(rest, &mut paths);
    let mut tags = vec![json!({"name": "system"})];
    for resource in rest.get("resource").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = resource.get("type").and_then(Value::as_str) else { continue };
        tags.push(json!({"name": name}));
        of_type(name, resource, &mut paths);
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Kantele",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "FHIR R4 (4.0.1). Every GET also answers HEAD, every path OPTIONS. \
                The CapabilityStatement at metadata says the same in FHIR's own words."
        },
        "servers": [{"url": base}],
        "tags": tags,
        "paths": paths.0,
        "components": components()
    })
}

fn codes(of: &Value) -> BTreeSet<&str> {
    let listed = of.get("interaction").and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(|each| each.get("code").and_then(Value::as_str)).collect()
}

fn system(rest: &Value, paths: &mut Paths) {
    let codes = codes(rest);
    let tag = "system";
    let id = |name: &str| format!("system.{name}");
    let call = Call::new(id("metadata"), tag, "What this server is able to do")
        .giving(200, "CapabilityStatement");
    paths.add("/metadata", "get", call.build(false));
    let document = json!({"application/json": {"schema": {"type": "object"}}});
    let mut call = Call::new(id("openapi"), tag, "This document").giving_content(200, document);
    call.parameters.clear();
    paths.add(super::PATH, "get", call.build(false));
    if codes.contains("search-system") {
        let parameters =
            search_parameters(rest).chain([query("_type", "Types, by commas.", false)]);
        let call = searching(id("search"), tag, "Search over all types").with(parameters);
        paths.add("/", "get", call.build(false));
        paths.add("/_search", "post", posted_search(id("searchByPost"), tag));
    }
    if codes.contains("transaction") || codes.contains("batch") {
        let call = Call::new(id("bundle"), tag, "Run a batch or transaction")
            .with([shared("Prefer")])
            .taking("Bundle")
            .giving(200, "Bundle")
            .giving_nothing(202);
        paths.add("/", "post", call.build(true));
    }
    if codes.contains("history-system") {
        paths.add("/_history", "get", history(id("history"), tag, Vec::new()));
    }
    let work = format!("{}{{id}}", jobs::PATH);
    let call = Call::new(id("progress"), tag, "How far asynchronous work is")
        .with([shared("id")])
        .giving(200, "Bundle")
        .giving_nothing(202);
    paths.add(&work, "get", call.build(false));
    let mut call = Call::new(id("cancel"), tag, "End asynchronous work").giving_nothing(202);
    call.parameters = vec![shared("id")];
    paths.add(&work, "delete", call.build(false));
    for operation in OPERATIONS.iter().filter(|operation| operation.on_system()) {
        operations(operation, "", tag, &[], paths);
    }
}

fn searching(id: String, tag: &str, summary: &str) -> Call {
    let result = RESULT.map(|(name, repeats)| query(name, "See the R4 page on search.", repeats));
    Call::new(id, tag, summary)
        .with(result)
        .with([shared("Prefer")])
        .giving(200, "Bundle")
        .giving_nothing(202)
}

fn posted_search(id: String, tag: &str) -> Value {
    let form = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let call = Call::new(id, tag, "Search with the parameters in a form")
        .with([shared("Prefer")])
        .taking_any(&[("application/x-www-form-urlencoded", form)])
        .giving(200, "Bundle")
        .giving_nothing(202);
    call.build(true)
}

fn history(id: String, tag: &str, place: Vec<Value>) -> Value {
    let parameters = HISTORY.map(|name| query(name, "See the R4 page on history.", false));
    let call = Call::new(id, tag, "Versions, newest first")
        .with(place)
        .with(parameters)
        .with([shared("Prefer")])
        .giving(200, "Bundle")
        .giving_nothing(202);
    call.build(false)
}

fn search_parameters(of: &Value) -> impl Iterator<Item = Value> {
    let listed = of.get("searchParam").and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(|each| {
        let text = |name: &str| each.get(name).and_then(Value::as_str);
        let about = text("documentation").or(text("definition")).unwrap_or_default();
        // `_has` is followed by a chain, so it is no name of a parameter.
        text("name").filter(|name| *name != "_has").map(|name| query(name, about, true))
    })
}

fn of_type(name: &str, resource: &Value, paths: &mut Paths) {
    let codes = codes(resource);
    let id = |suffix: &str| format!("{name}.{suffix}");
    let (all, one) = (format!("/{name}"), format!("/{name}/{{id}}"));
    if codes.contains("search-type") {
        let summary = format!("Search for {name}");
        let call = searching(id("search"), name, &summary).with(search_parameters(resource));
        paths.add(&all, "get", call.build(false));
        paths.add(&format!("{all}/_search"), "post", posted_search(id("searchByPost"), name));
    }
    if codes.contains("history-type") {
        paths.add(&format!("{all}/_history"), "get", history(id("history"), name, Vec::new()));
    }
    if codes.contains("history-instance") {
        let call = history(id("instanceHistory"), name, vec![shared("id")]);
        paths.add(&format!("{one}/_history"), "get", call);
    }
    if codes.contains("vread") {
        let call = reading(id("vread"), name, "One version").with([shared("vid")]);
        paths.add(&format!("{one}/_history/{{vid}}"), "get", call.build(false));
    }
    if codes.contains("read") {
        paths.add(&one, "get", reading(id("read"), name, "The current version").build(false));
    }
    writes(name, resource, &codes, paths);
    if let Ok(resource_type) = name.parse::<ResourceType>() {
        for operation in OPERATIONS.iter().filter(|each| each.on_type(resource_type)) {
            let places = operation.places_of(resource_type);
            if places.on_type {
                operations(operation, &all, name, &[], paths);
            }
            if places.on_instance {
                operations(operation, &one, name, &["id"], paths);
            }
            if places.on_version {
                let path = format!("{one}/_history/{{vid}}");
                operations(operation, &path, name, &["id", "vid"], paths);
            }
        }
    }
}

fn reading(id: String, name: &str, summary: &str) -> Call {
    let parts = ["_summary", "_elements"].map(|part| query(part, "Parts of it.", false));
    let call = Call::new(id, name, summary)
        .with([shared("id"), shared("If-None-Match")])
        .with(parts)
        .giving_nothing(304);
    if name == "Binary" {
        return call.giving_content(200, any_content());
    }
    call.giving(200, "Resource")
}

/// What a Binary is sent and read as: the content it holds, or the resource.
fn any_content() -> Value {
    let mut content = fhir(&json!({"$ref": "#/components/schemas/Resource"}));
    if let Some(content) = content.as_object_mut() {
        content.insert("*/*".to_owned(), json!({"schema": {"type": "string", "format": "binary"}}));
    }
    content
}

/// The interactions that change something, with their conditional forms.
fn writes(name: &str, resource: &Value, codes: &BTreeSet<&str>, paths: &mut Paths) {
    let id = |suffix: &str| format!("{name}.{suffix}");
    let (all, one) = (format!("/{name}"), format!("/{name}/{{id}}"));
    let criteria = || search_parameters(resource);
    let is_true = |flag: &str| resource.get(flag) == Some(&Value::Bool(true));
    let taking = |call: Call| {
        let call = call.with([shared("Prefer")]);
        if name == "Binary" {
            let any = json!({"type": "string", "format": "binary"});
            return call.taking_any(&[("application/octet-stream", any)]);
        }
        call.taking("Resource")
    };
    if codes.contains("create") {
        let call = taking(Call::new(id("create"), name, format!("Create a {name}")));
        let call = call.with([shared("If-None-Exist")]);
        paths.add(&all, "post", written(call, &[200, 201]).build(true));
    }
    if codes.contains("update") {
        let call = taking(Call::new(id("update"), name, format!("Update or create a {name}")));
        let call = call.with([shared("id"), shared("If-Match")]);
        paths.add(&one, "put", written(call, &[200, 201]).build(true));
        if is_true("conditionalUpdate") {
            let call = taking(Call::new(id("updateWhere"), name, "Update what a search finds"));
            let call = call.with([shared("If-Match")]).with(criteria());
            paths.add(&all, "put", written(call, &[200, 201]).build(true));
        }
    }
    if codes.contains("patch") {
        let patching = |call: Call| {
            let patch = json!({"type": "array", "items": {"type": "object"}});
            let merge = json!({"type": "object"});
            let parameters = json!({"$ref": "#/components/schemas/Parameters"});
            call.with([shared("If-Match"), shared("Prefer")]).taking_any(&[
                ("application/json-patch+json", patch),
                ("application/merge-patch+json", merge),
                ("application/fhir+json", parameters),
            ])
        };
        let call = patching(Call::new(id("patch"), name, format!("Change parts of a {name}")));
        paths.add(&one, "patch", written(call.with([shared("id")]), &[200]).build(true));
        if is_true("conditionalPatch") || is_true("conditionalUpdate") {
            let call = patching(Call::new(id("patchWhere"), name, "Change what a search finds"));
            paths.add(&all, "patch", written(call.with(criteria()), &[200]).build(true));
        }
    }
    if codes.contains("delete") {
        let call = Call::new(id("delete"), name, format!("Delete a {name}"));
        let call = call.with([shared("id"), shared("If-Match"), shared("Prefer")]);
        let call = call.with([shared("_cascade"), shared("X-Cascade")]);
        paths.add(&one, "delete", written(call, &[200, 204]).build(true));
        let conditional = resource.get("conditionalDelete").and_then(Value::as_str);
        if conditional.is_some_and(|how| how != "not-supported") {
            let call = Call::new(id("deleteWhere"), name, "Delete what a search finds");
            let call = call.with([shared("Prefer")]).with(criteria());
            paths.add(&all, "delete", written(call, &[200, 204]).build(true));
        }
    }
}

fn written(call: Call, statuses: &[u16]) -> Call {
    statuses.iter().fold(call, |call, status| match status {
        204 => call.giving_nothing(204),
        status => call.giving(*status, "Resource"),
    })
}

fn operations(
    operation: &Operation,
    place: &str,
    tag: &str,
    place_parameters: &[&str],
    paths: &mut Paths,
) {
    let path = format!("{place}/{}", operation.name());
    let dotted: String = place.replace(['/', '{', '}'], ".");
    let id = |method: &str| format!("{}{}.{method}", dotted.trim_matches('.'), operation.name());
    let place = || place_parameters.iter().map(|name| shared(name));
    let summary = format!("Call {}, {}", operation.name(), operation.definition());
    if operation.answers_get() {
        let inputs = operation.inputs_by_name();
        let inputs = inputs.iter().map(|name| query(name, "See the definition.", true));
        let call = Call::new(id("get"), tag, summary.clone()).with(place()).with(inputs);
        let call = call.with([shared("Prefer")]).giving(200, "Resource").giving_nothing(202);
        paths.add(&path, "get", call.build(true));
    }
    let call = Call::new(id("post"), tag, summary)
        .with(place())
        .with([shared("Prefer")])
        .taking("Parameters")
        .giving(200, "Resource")
        .giving_nothing(202)
        .giving_nothing(204);
    paths.add(&path, "post", call.build(true));
}
