//! A glance at the bytes of a resource, which spares most of them their parsing: they usually name
//! one patient, at a place where that is whom they are about.

use std::sync::LazyLock;

use fhir_definitions::ResourceType;
use fhir_model::Id;
use fhir_search::{Indexer, PatientName, Patients};
use memchr::memmem::Finder;

/// Where one of these stands, a patient may be named in another way than by `"Patient/id"`: inside
/// the resource, by an identifier, or with escapes.
static OTHER_WAYS: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| ["\"contained\"", "\"identifier\":{", "\\/", "\\u"].map(Finder::new));

static PATIENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Patient/"));

/// Whether a resource, which is no Patient, certainly names nobody but these. The answer no means
/// nothing.
pub(super) fn adds_nobody(body: &[u8], known: &Patients) -> bool {
    !OTHER_WAYS.iter().any(|way| way.find(body).is_some())
        && PATIENT.find_iter(body).all(|at| is_known(body, at, known).unwrap_or(false))
}

/// Whether the text `"Patient/id"` at this place names somebody known.
fn is_known(body: &[u8], at: usize, known: &Patients) -> Option<bool> {
    let id = id_at(body, at)?.parse().ok()?;
    Some(known.contains_key(&PatientName::Resource(id)))
}

/// The id in the text `"Patient/id"` whose `P` is here.
fn id_at(body: &[u8], at: usize) -> Option<&str> {
    let before = body.get(at.checked_sub(1)?)?;
    let id = body.get(at + PATIENT.needle().len()..)?;
    let end = id.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-.".contains(byte)))?;
    let is_whole = *before == b'"' && *id.get(end)? == b'"';
    let id = std::str::from_utf8(id.get(..end)?).ok()?;
    is_whole.then_some(id)
}

/// Members of resources that most of them name their patient by.
static NAMING: LazyLock<[(&'static str, Finder<'static>); 2]> = LazyLock::new(|| {
    [
        ("subject", Finder::new("\"subject\":{\"reference\":\"Patient/")),
        ("patient", Finder::new("\"patient\":{\"reference\":\"Patient/")),
    ]
});

/// The only patient that a resource certainly is about. None means nothing.
pub(super) fn only_patient(
    indexer: &Indexer,
    resource_type: ResourceType,
    body: &[u8],
) -> Option<Id> {
    let (member, naming) =
        NAMING.iter().find(|(member, _)| indexer.names_patients(resource_type, member))?;
    if OTHER_WAYS.iter().any(|way| way.find(body).is_some()) {
        return None;
    }
    let mut named = PATIENT.find_iter(body).map(|at| id_at(body, at));
    let first = named.next()??;
    if !named.all(|other| other == Some(first)) {
        return None;
    }
    let place = naming.find(body)?;
    debug_assert!(body.get(place + 1..).is_some_and(|rest| rest.starts_with(member.as_bytes())));
    is_member_of_all(body.get(..place)?).then(|| first.parse().ok())?
}

/// Whether what follows these bytes, the beginning of a JSON object, is a member of the object
/// itself.
fn is_member_of_all(before: &[u8]) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
    for byte in before {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth = depth.saturating_add(1),
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth == 1 && !is_text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_what_certainly_adds_nobody_is_passed_over() {
        let known =
            ["a", "b-1"].map(|id| (PatientName::Resource(id.parse().unwrap()), BTreeSet::new()));
        let known = Patients::from(known);
        for (body, expected) in [
            (r#"{"subject":{"reference":"Patient/a"}}"#, true),
            (
                r#"{"subject":{"reference":"Patient/a"},"performer":[{"reference":"Patient/b-1"}]}"#,
                true,
            ),
            (r#"{"code":{"text":"nobody"}}"#, true),
            (
                r#"{"subject":{"reference":"Patient/a"},"performer":[{"reference":"Patient/c"}]}"#,
                false,
            ),
            (r#"{"subject":{"reference":"Patient/a/_history/2"}}"#, false),
            (r#"{"subject":{"reference":"http://own.example/fhir/Patient/a"}}"#, false),
            (r#"{"subject":{"identifier":{"system":"s","value":"v"}}}"#, false),
            (r##"{"contained":[{"resourceType":"Patient"}],"subject":{"reference":"#p"}}"##, false),
            (r#"{"subject":{"reference":"Patient\/c"}}"#, false),
            (r#"{"subject":{"reference":"\u0050atient/c"}}"#, false),
            (r#"{"subject":{"reference":"Patient/"#, false),
        ] {
            assert_eq!(adds_nobody(body.as_bytes(), &known), expected, "{body}");
        }
    }

    #[test]
    fn the_only_patient_is_told_where_that_is_certain() {
        let mut last = 0;
        let registry = fhir_search::Registry::r4(&mut |_, _, _| {
            last += 1;
            fhir_search::ParameterId(last)
        });
        let hasher = fhir_search::ValueHasher::new(&[7; 16]);
        let indexer = Indexer::compile(&registry, hasher, fhir_model::date::Zone::utc());
        let (a, none) = (Some("a"), None);
        for (body, expected) in [
            (r#"{"resourceType":"Observation","subject":{"reference":"Patient/a"}}"#, a),
            (
                r#"{"resourceType":"Observation","note":[{"text":"} \" {"}],"subject":{"reference":"Patient/a"},"performer":[{"reference":"Patient/a"}]}"#,
                a,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/a"},"performer":[{"reference":"Patient/b"}]}"#,
                none,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"identifier":{"system":"s","value":"v"}},"focus":[{"reference":"Patient/a"}]}"#,
                none,
            ),
            (r#"{"resourceType":"Observation","focus":[{"reference":"Patient/a"}]}"#, none),
            (
                r#"{"resourceType":"Observation","extension":[{"subject":{"reference":"Patient/a"}}]}"#,
                none,
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/a/_history/1"}}"#,
                none,
            ),
            (r#"{"resourceType":"Observation","subject":{"reference":"Group/a"}}"#, none),
            (r#"{"resourceType":"Immunization","patient":{"reference":"Patient/a"}}"#, a),
            (r#"{"resourceType":"Immunization","subject":{"reference":"Patient/a"}}"#, none),
            (r#"{"resourceType":"Organization","subject":{"reference":"Patient/a"}}"#, none),
        ] {
            let resource = fhir_model::Resource::trusted(body.as_bytes().to_vec()).unwrap();
            let found = only_patient(&indexer, resource.resource_type(), body.as_bytes());
            assert_eq!(found.as_ref().map(Id::as_str), expected, "{body}");
            // The whole walk says the same.
            let walked = indexer.patients(resource.view(), &"x".parse().unwrap());
            if let Some(id) = found {
                let all = Patients::from([(PatientName::Resource(id), BTreeSet::new())]);
                assert_eq!(walked, all, "{body}");
            }
        }
    }
}
