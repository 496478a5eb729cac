//! A glance at the bytes of a resource, which spares most pages their parsing: the resources of a
//! page are usually about the same patient.

use std::sync::LazyLock;

use fhir_search::{PatientName, Patients};
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
    let before = body.get(at.checked_sub(1)?)?;
    let id = body.get(at + PATIENT.needle().len()..)?;
    let end = id.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-.".contains(byte)))?;
    let is_whole = *before == b'"' && *id.get(end)? == b'"';
    let id = std::str::from_utf8(id.get(..end)?).ok()?;
    Some(is_whole && known.contains_key(&PatientName::Resource(id.parse().ok()?)))
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
}
