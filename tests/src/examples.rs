//! Small resources that many tests begin with.

use serde_json::{Value, json};

/// A Patient with a family name and an identity code of the fictitious 900 series.
pub fn patient(family: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:1.2.246.21", "value": "010190-902S"}],
        "name": [{"family": family, "given": ["Aava", "Ilona"]}],
        "gender": "female",
        "birthDate": "1990-01-01"
    })
}

/// A Patient under an id of the client's.
pub fn patient_with_id(id: &str, family: &str) -> Value {
    let mut patient = patient(family);
    patient["id"] = json!(id);
    patient
}

/// The text of a blood glucose Observation, in mmol/l, with the value exactly as given.
pub fn glucose(patient: &str, value: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final",
"code":{{"coding":[{{"system":"http://loinc.org","code":"15074-8"}}]}},
"subject":{{"reference":"{patient}"}},"effectiveDateTime":"2026-02-03T08:15:00+02:00",
"valueQuantity":{{"value":{value},"unit":"mmol/l","system":"http://unitsofmeasure.org",
"code":"mmol/L"}}}}"#
    )
}

/// A Bundle of a type with entries.
pub fn bundle(kind: &str, entries: Vec<Value>) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

/// An entry of a transaction or batch.
pub fn entry(method: &str, url: &str, full_url: Option<&str>, resource: Option<Value>) -> Value {
    let mut entry = json!({"request": {"method": method, "url": url}});
    if let Some(full_url) = full_url {
        entry["fullUrl"] = json!(full_url);
    }
    if let Some(resource) = resource {
        entry["resource"] = resource;
    }
    entry
}
