//! The CapabilityStatement of a service, made from its file.

use serde_json::{Map, Value, json};

use crate::service::{Direct, Parameter, Service, TypeUse, Verb};

/// The statement as FHIR JSON. `url` is where the service lies, `date` when the program was built
/// or the service was read.
#[must_use]
pub fn statement(service: &Service, url: &str, date: &str) -> Vec<u8> {
    let resources: Vec<Value> = service.types.iter().map(|each| of_type(service, each)).collect();
    let mut interaction = Vec::new();
    if service.shape.is_some() {
        interaction.push(json!({"code": "transaction"}));
    }
    let mut rest = json!({"mode": "server", "resource": resources});
    if let Some(members) = rest.as_object_mut() {
        if !service.about.is_empty() {
            members.insert("documentation".to_owned(), json!(service.about));
        }
        if !interaction.is_empty() {
            members.insert("interaction".to_owned(), Value::Array(interaction));
        }
    }
    let mut out = json!({
        "name": service.name,
        "title": service.title,
        "status": "active",
        "date": date,
        "kind": "instance",
        "implementation": {"description": service.title, "url": url},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [rest],
    });
    if let (Some(canonical), Some(members)) = (&service.capability_statement, out.as_object_mut()) {
        members.insert("instantiates".to_owned(), json!([canonical]));
    }
    // By hand, so that the type comes first, as readers expect it.
    let text = out.to_string();
    let members = text.strip_prefix('{').unwrap_or_default();
    format!("{{\"resourceType\":\"CapabilityStatement\",{members}").into_bytes()
}

fn of_type(service: &Service, each: &TypeUse) -> Value {
    let mut told = Map::new();
    told.insert("type".to_owned(), json!(each.resource_type.as_str()));
    if !each.profiles.is_empty() {
        told.insert("supportedProfile".to_owned(), json!(each.profiles));
    }
    // What entries of a transaction may do counts as an interaction of the type.
    let mut codes: Vec<&str> = each.direct.iter().map(|direct| direct.code()).collect();
    for verb in &each.verbs {
        let code = match verb {
            Verb::Post => Direct::Create.code(),
            Verb::Put => Direct::Update.code(),
            Verb::Delete => Direct::Delete.code(),
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let codes: Vec<Value> = codes.into_iter().map(|code| json!({"code": code})).collect();
    if !codes.is_empty() {
        told.insert("interaction".to_owned(), Value::Array(codes));
    }
    told.insert(
        "versioning".to_owned(),
        json!(if each.if_match { "versioned-update" } else { "versioned" }),
    );
    told.insert("updateCreate".to_owned(), json!(each.update_creates));
    if each.direct.contains(&Direct::Create) {
        told.insert("conditionalCreate".to_owned(), json!(true));
    }
    told.insert("conditionalUpdate".to_owned(), json!(false));
    if service.holds_references {
        told.insert("referencePolicy".to_owned(), json!(["literal", "enforced", "local"]));
    }
    let parameters: Vec<Value> = service
        .parameters_of(each.resource_type)
        .filter(|parameter| parameter.always.is_none())
        .map(parameter)
        .collect();
    if !parameters.is_empty() {
        told.insert("searchParam".to_owned(), Value::Array(parameters));
    }
    Value::Object(told)
}

fn parameter(parameter: &Parameter) -> Value {
    let kind = if parameter.kind.is_empty() { "token" } else { &parameter.kind };
    let mut told = json!({"name": parameter.name, "type": kind});
    let mut about = parameter.about.clone();
    if parameter.required.is_some() {
        about = format!("Mandatory. {about}");
    }
    if !parameter.needs.is_empty() {
        about = format!("{about} Only together with {}.", parameter.needs.join(", "));
    }
    if let (false, Some(members)) = (about.trim().is_empty(), told.as_object_mut()) {
        members.insert("documentation".to_owned(), json!(about.trim()));
    }
    told
}
