//! Marks that say in which register a resource is, put on what callers write who are held to
//! decisions about persons.
//!
//! What is decided rests on the marks, so that none of those resources is stored without: a mark
//! of its own is kept (and the commit decides whether the caller may write it), one that is missing
//! comes from what is written beside it, such as a Provenance, and then from the caller.

use std::sync::Arc;

use fhir_access::Permit;
use fhir_model::{Body, Failure, Resource, ResourceKey, ResourceView, Value, write};
use fhir_store::{Action, WriteGroup};

use crate::app::App;
use crate::operation::{Change, with_meta};

type Marks = Vec<(String, String)>;

/// The resources of a group that are about to be written, as far as decisions concern them: each
/// with its place, key, and body; none for a delete.
pub(crate) type Written = Vec<(usize, ResourceKey, Option<Resource>)>;

/// Marks what a group writes, and gives back whose data it concerns.
///
/// # Errors
/// `Bug` where a body that was checked cannot be read again.
pub(crate) fn marked(
    app: &App,
    permit: &Permit,
    group: &mut WriteGroup,
) -> Result<Written, Failure> {
    let Some(personal) = permit.personal() else { return Ok(Vec::new()) };
    let disclosure = personal.disclosure();
    let mut written = Written::new();
    let mut beside: Vec<(ResourceKey, Marks)> = Vec::new();
    for (place, op) in group.ops.iter().enumerate() {
        let of = op.key.resource_type;
        let companion = disclosure.companions().iter().find(|each| each.of == of);
        if companion.is_none() && !disclosure.governs(of) {
            continue;
        }
        let resource = match &op.action {
            Action::Put { body, .. } => Some(body.to_resource(&op.key)?),
            Action::Delete => None,
        };
        if let (Some(companion), Some(resource)) = (companion, &resource) {
            let marks = disclosure.marks_by(resource.view());
            let targets = resource.view().value.get(&companion.parameter).into_iter();
            let targets = targets.flat_map(Value::items).filter_map(key_of);
            beside.extend(targets.map(|target| (target, marks.clone())));
        } else {
            written.push((place, op.key.clone(), resource));
        }
    }
    let own = disclosure.marks(personal.caller());
    for (place, key, resource) in &mut written {
        let Some(view) = resource.as_ref().map(Resource::view) else { continue };
        let near = beside.iter().filter(|(target, _)| target == key);
        let all = near.flat_map(|(_, marks)| marks).chain(&own);
        let missing = missing(view, all);
        if missing.is_empty() {
            continue;
        }
        let marked = with_marks(view, &missing)?;
        if let Some(op) = group.ops.get_mut(*place)
            && let Action::Put { body, rows, .. } = &mut op.action
        {
            *body = Arc::new(Body::from_view(marked.view(), None));
            **rows = app.index(marked.view(), Some(key));
        }
        *resource = Some(marked);
    }
    Ok(written)
}

/// The marks of whose systems the resource has none; the first of a system counts.
fn missing<'m>(view: ResourceView<'_>, all: impl Iterator<Item = &'m (String, String)>) -> Marks {
    let tags = || view.at(&["meta", "tag"]).into_iter().flat_map(Value::items);
    let system =
        |tag: Value<'_>| tag.get("system").and_then(Value::text).map(|own| own.into_owned());
    let mut found = Marks::new();
    for (own, code) in all {
        let stands = tags().any(|tag| system(tag).as_ref() == Some(own));
        if !stands && !found.iter().any(|(known, _)| known == own) {
            found.push((own.clone(), code.clone()));
        }
    }
    found
}

fn with_marks(view: ResourceView<'_>, marks: &Marks) -> Result<Resource, Failure> {
    let mut json = br#"{"resourceType":"Basic","meta":{"tag":["#.to_vec();
    for (place, (system, code)) in marks.iter().enumerate() {
        json.extend_from_slice(if place > 0 { br#",{"system":"# } else { br#"{"system":"# });
        write::string(system, &mut json);
        json.extend_from_slice(br#","code":"#);
        write::string(code, &mut json);
        json.push(b'}');
    }
    json.extend_from_slice(b"]}}");
    let given = Resource::trusted(json)?;
    match given.view().value.get("meta") {
        Some(meta) => Resource::trusted(with_meta(view, meta, Change::Add)),
        None => Resource::trusted(with_meta(view, given.view().value, Change::Add)),
    }
}

fn key_of(reference: Value<'_>) -> Option<ResourceKey> {
    let text = reference.get("reference")?.text()?;
    let (of, id) = text.split_once('/')?;
    Some(ResourceKey::new(of.parse().ok()?, id.parse().ok()?))
}
