//! What a resource refers to, and what that refers to in turn: for records and documents.
//!
//! References are followed wherever they stand, whether a search parameter knows them or not. What
//! belongs to another person is left out, whoever refers to it: the record of one person is not a
//! way to that of another.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Kind, ResourceKey, ResourceView, Value};
use fhir_store::StoredVersion;

use crate::app::{App, ReadFailure};
use crate::sight::Sight;

/// Resources that one answer may gather beside those that it is about.
const MAX_RELATED: usize = 10_000;

/// The resources of this server that a resource refers to, in the order of its text: relative
/// references, absolute ones below `base`, and attachments that are a Binary.
pub(super) fn references(view: ResourceView<'_>, base: &str) -> Vec<ResourceKey> {
    let mut found = Vec::new();
    walk(view.value, base, &mut found);
    found
}

fn walk(value: Value<'_>, base: &str, found: &mut Vec<ResourceKey>) {
    match value.kind() {
        Kind::Array => value.items().for_each(|item| walk(item, base, found)),
        Kind::Object => {
            for (key, member) in value.members() {
                let named = match key.as_ref() {
                    "reference" => member.text().and_then(|text| local(&text, base)),
                    "url" => member
                        .text()
                        .and_then(|text| local(&text, base))
                        .filter(|key| key.resource_type == ResourceType::BINARY),
                    _ => None,
                };
                match named {
                    Some(named) => found.push(named),
                    None => walk(member, base, found),
                }
            }
        }
        Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
    }
}

/// The key of a reference to a resource of this server.
pub(super) fn local(reference: &str, base: &str) -> Option<ResourceKey> {
    let below = reference.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    ResourceKey::from_reference(below.unwrap_or(reference))
}

/// The person whose data a stored resource is, as a hash; none for a delete.
pub(super) fn person(app: &App, stored: &StoredVersion) -> Result<Option<i64>, Failure> {
    let Some(body) = &stored.body else { return Ok(None) };
    let resource = body.to_resource(&stored.key)?;
    Ok(Some(app.index(resource.view(), Some(&stored.key)).access.person))
}

/// Loads `frontier`, what it refers to, and so on, as far as it belongs to this person or to
/// nobody. `known` is left out, and what was looked at is put in there.
pub(super) fn related(
    app: &App,
    sight: &mut Sight<'_>,
    base: &str,
    person: Option<i64>,
    mut frontier: BTreeSet<ResourceKey>,
    known: &mut BTreeSet<ResourceKey>,
) -> Result<Vec<StoredVersion>, ReadFailure> {
    let mut gathered = Vec::new();
    loop {
        frontier.retain(|key| known.insert(key.clone()));
        if frontier.is_empty() {
            return Ok(gathered);
        }
        let keys: Vec<_> = std::mem::take(&mut frontier).into_iter().collect();
        for stored in sight.load_keys(&keys)? {
            let Some(body) = &stored.body else { continue };
            let resource = body.to_resource(&stored.key)?;
            let view = resource.view();
            let owner = app.index(view, Some(&stored.key)).access.person;
            let is_nobodys = stored.key.resource_type != ResourceType::PATIENT
                && owner == app.hasher().reference(&stored.key);
            if !is_nobodys && Some(owner) != person {
                continue;
            }
            frontier.extend(references(view, base));
            gathered.push(stored);
        }
        if gathered.len() > MAX_RELATED {
            let text = format!("more than {MAX_RELATED} resources are referred to; ask for less");
            return Err(Failure::new(FailureKind::TooCostly, text).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;

    use super::*;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let json = br##"{"resourceType":"Observation","subject":{"reference":"Patient/1"},
            "performer":[{"reference":"http://a.b/fhir/Practitioner/2/_history/3"},{"reference":"http://other/Practitioner/9"},{"reference":"#x"}],
            "contained":[{"resourceType":"Media","content":{"url":"Binary/7"}}],
            "extension":[{"url":"Patient/5","valueReference":{"reference":"Device/4"}}]}"##;
        let resource = Resource::trusted(json.to_vec()).unwrap();
        let found = references(resource.view(), "http://a.b/fhir");
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["Patient/1", "Practitioner/2", "Binary/7", "Device/4"]);
    }
}
