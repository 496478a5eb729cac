//! Patches of the three kinds on a few resources.

use fhir_model::{Limits, Resource};
use fhir_patch::Patch;

const RESOURCES: [&str; 3] = [
    r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1"},"active":true,"name":[{"family":"V","given":["x","y"]},{"text":"z"}],"birthDate":"1930-01-01","contact":[{"name":{"family":"W"}}]}"#,
    r#"{"resourceType":"Observation","id":"b","status":"final","code":{"coding":[{"system":"s","code":"c"}]},"valueQuantity":{"value":1.50,"unit":"mg"},"component":[{"code":{"text":"d"},"valueInteger":3}]}"#,
    r#"{"resourceType":"Questionnaire","id":"c","status":"active","item":[{"linkId":"1","type":"group","item":[{"linkId":"1.1","type":"string"}]}]}"#,
];

/// A patch; its first byte chooses kind and resource. What comes out is valid and keeps type and
/// id; what is refused says why.
pub fn patch(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let limits = Limits::default();
    let read = match first % 3 {
        0 => Patch::json(rest.to_vec(), &limits),
        1 => Patch::merge(rest.to_vec(), &limits),
        _ => match Resource::from_json(rest.to_vec(), &limits) {
            Ok(parameters) => Patch::of_entry(parameters.view(), &limits),
            Err(_) => return,
        },
    };
    let patch = match read {
        Ok(patch) => patch,
        Err(failure) => return assert!(!failure.issues.is_empty(), "a refusal says why"),
    };
    let source = RESOURCES[usize::from(first / 3) % RESOURCES.len()];
    let resource = Resource::from_json(source.as_bytes().to_vec(), &limits).expect("valid");
    match patch.apply(resource.view(), &limits) {
        Ok(patched) => {
            assert_eq!(patched.resource_type(), resource.resource_type());
            assert_eq!(patched.id(), resource.id());
            let again = Resource::from_json(patched.view().value.raw().to_vec(), &limits);
            assert!(again.is_ok(), "what comes out is valid: {again:?}");
        }
        Err(failure) => assert!(!failure.issues.is_empty(), "a refusal says why"),
    }
}
