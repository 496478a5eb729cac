//! What was thought of, as resources.

use kanta_rules::disclosure::{Denial, Item, Mark, Permission, Target};
use serde_json::{Value, json};

use super::world::REGISTER_TYPE;

/// What an item doesn't say of itself.
pub struct Written<'a> {
    pub subject: Value,
    pub refers_to: Option<String>,
    pub released: Option<&'a str>,
    pub recorded: &'a str,
}

/// An item as a resource.
pub fn item(item: &Item, written: Written<'_>) -> Value {
    let Written { subject, refers_to, released, recorded } = written;
    let mut resource = match item.key.resource_type.as_str() {
        "Observation" => json!({"status": "final", "code": {"text": "x"}, "subject": subject}),
        "Condition" => json!({"subject": subject}),
        "DocumentReference" => json!({"status": "current", "subject": subject,
            "content": [{"attachment": {"url": "http://example.org/x"}}]}),
        "AuditEvent" => json!({
            "type": {"system": "urn:x", "code": "x"}, "recorded": recorded,
            "agent": [{"who": subject, "requestor": false}],
            "source": {"observer": {"display": "x"}}}),
        other => panic!("{other}"),
    };
    resource["resourceType"] = json!(item.key.resource_type.as_str());
    resource["id"] = json!(item.key.id.as_str());
    if let Some(target) = refers_to {
        resource["derivedFrom"] = json!([{"reference": target}]);
    }
    let tags: Vec<Value> = item
        .marks
        .iter()
        .map(|(mark, code)| json!({"system": system_of(*mark), "code": code}))
        .collect();
    let security: Vec<Value> =
        item.labels.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    let mut meta = json!({});
    if !tags.is_empty() {
        meta["tag"] = json!(tags);
    }
    if !security.is_empty() {
        meta["security"] = json!(security);
    }
    if meta != json!({}) {
        resource["meta"] = meta;
    }
    let mut extensions = Vec::new();
    for (system, code) in &item.stands {
        extensions.push(json!({
            "url": "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/RestrictionParent",
            "valueCoding": {"system": system, "code": code, "display": "x"}}));
    }
    if let Some(date) = released {
        extensions.push(json!({
            "url": "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/ReleaseDateForPatientViewing",
            "valueDate": date}));
    }
    if !extensions.is_empty() {
        resource["extension"] = json!(extensions);
    }
    resource
}

pub fn system_of(mark: Mark) -> &'static str {
    match mark {
        Mark::Register => "urn:kantele:CodeSystem:register",
        Mark::Controller => "urn:kantele:CodeSystem:controller",
        Mark::Sector => "urn:kantele:CodeSystem:sector",
        Mark::Function => "urn:kantele:CodeSystem:service-function",
        Mark::Event => "urn:kantele:CodeSystem:service-event",
        Mark::Class => "urn:kantele:CodeSystem:data-class",
    }
}

pub fn identified(value: Option<&str>) -> Value {
    value.map_or_else(|| json!([]), |value| json!([{"value": value}]))
}

pub fn permits(permission: &Permission) -> Value {
    if permission.recipients.is_none() && permission.classes.is_none() {
        return json!({"type": "permit"});
    }
    let mut target = json!({"type": "permit"});
    if let Some(recipients) = &permission.recipients {
        target["actor"] = recipients
            .iter()
            .map(|oid| {
                json!({
                "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                "reference": {"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{oid}")}}})
            })
            .collect();
    }
    if let Some(classes) = &permission.classes {
        target["class"] = classes
            .iter()
            .map(|class| {
                let extensions: Vec<Value> = class.functions.iter().map(|code| json!({
                    "url": "https://gen.kanta.fi/fhir/tahdonilmaisut/StructureDefinition/FunctionCode",
                    "valueCoding": {"system": "urn:x", "code": code}})).collect();
                let mut own = json!({"system": "urn:x", "code": class.code});
                if !extensions.is_empty() {
                    own["extension"] = json!(extensions);
                }
                own
            })
            .collect();
    }
    json!({"type": "deny", "provision": [target]})
}

pub fn denies(denials: &[Denial]) -> Value {
    let nested: Vec<Value> = denials
        .iter()
        .filter_map(|denial| {
            let mut own = json!({"type": "deny"});
            match &denial.target {
                Target::Everything => return None,
                Target::Document(key) => {
                    own["data"] =
                        json!([{"meaning": "instance", "reference": {"reference": key.to_string()}}]);
                }
                Target::Function(code) => {
                    own["class"] = json!([{"system": "urn:kantele:CodeSystem:service-function", "code": code}]);
                }
                Target::Event(oid) => {
                    own["data"] = json!([{"meaning": "related", "reference": {"identifier":
                        {"system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{oid}")}}}]);
                }
                Target::Controller(oid) => own["actor"] = json!([custodian(oid, None)]),
                Target::Register(register) => {
                    own["actor"] = json!([custodian(&register.controller, Some(&register.kind))]);
                }
            }
            Some(own)
        })
        .collect();
    let is_whole = nested.len() < denials.len();
    let mut nested = if is_whole { Vec::new() } else { nested };
    if denials[0].yields_in_emergency {
        nested.push(json!({"type": "permit", "purpose": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "ETREAT"}]}));
    }
    let mut provision = json!({"type": "deny"});
    if !nested.is_empty() {
        provision["provision"] = json!(nested);
    }
    provision
}

fn custodian(oid: &str, kind: Option<&(String, String)>) -> Value {
    let mut reference =
        json!({"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{oid}")}});
    if let Some((system, code)) = kind {
        reference["extension"] = json!([{"url": REGISTER_TYPE,
            "valueCoding": {"system": format!("urn:oid:{system}"), "code": code}}]);
    }
    json!({
        "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "CST"}]},
        "reference": reference})
}
