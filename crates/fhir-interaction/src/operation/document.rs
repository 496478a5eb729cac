//! Composition `$document`: the composition and all it refers to, as a document Bundle.
//! Spec: <https://hl7.org/fhir/R4/composition-operation-document.html>
//!
//! What the composition refers to must be here, or there is no document. What that refers to in
//! turn comes along as far as it is here and belongs to the same person or to nobody.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::{
    Failure, FailureKind, Instant, Issue, IssueType, Kind, Resource, ResourceKey, Value,
};
use fhir_store::StoredVersion;

use super::{Invocation, related};
use crate::app::{App, ReadFailure};
use crate::page::BundleWriter;
use crate::request::{Answer, Return};
use crate::sight::Sight;
use crate::subset::Subset;
use crate::{cursor, write};

/// The document of a composition, stored as a Bundle where `persist` is true.
///
/// # Errors
/// `NotFound` and `Deleted` as for a read, `InvalidResource` with every reference that leads
/// nowhere, `NotSupported` for a graph.
pub(super) async fn document(call: Invocation<'_>) -> Result<Answer, Failure> {
    if call.arguments.text("graph").is_some() {
        let text = "this server follows all references of a composition; a GraphDefinition is not \
                    applied";
        return Err(Failure::new(FailureKind::NotSupported, text).at("http.graph"));
    }
    let is_persisted = call.arguments.boolean("persist") == Some(true);
    if is_persisted && call.is_get {
        let text = "`persist=true` stores the document, so that it is called by POST";
        return Err(Failure::new(FailureKind::MethodNotAllowed, text).at("http.persist"));
    }
    let key = composition(&call)?;
    let (app, base) = (call.app.clone(), call.request.base.clone());
    let work = move |sight: &mut Sight<'_>| gathered(&app, sight, &base, &key);
    let found = call.app.read(&call.permit, work).await?;
    let bundle = written(&call.request.base, call.app.now(), &found)?;
    if !is_persisted {
        return Ok(Answer::ok(bundle));
    }
    let mut request = call.request.clone();
    request.prefer.return_ = Return::Representation;
    let bundle = Resource::trusted(bundle)?;
    let stored = write::create(call.app, &request, ResourceType::BUNDLE, bundle, None).await?;
    Ok(Answer { status: 200, ..stored })
}

/// The composition that is meant: that of the path, or that of `id`.
fn composition(call: &Invocation<'_>) -> Result<ResourceKey, Failure> {
    let id = call.arguments.text("id");
    match (call.site.key(), id) {
        (Some(key), None) => Ok(key.clone()),
        (Some(_), Some(_)) => {
            let text = "the composition is named by the path; `id` is for /Composition/$document";
            Err(Failure::new(FailureKind::InvalidParameter, text).at("http.id"))
        }
        (None, None) => {
            let text = "the parameter `id` is missing: which composition?";
            let issue = Issue::error(IssueType::Required, text).at("http.id");
            Err(Failure::with_issues(FailureKind::InvalidParameter, vec![issue]))
        }
        (None, Some(id)) => {
            let by_reference = related::local(&id, &call.request.base)
                .filter(|key| key.resource_type == ResourceType::COMPOSITION);
            let by_id =
                || id.parse().ok().map(|id| ResourceKey::new(ResourceType::COMPOSITION, id));
            by_reference.or_else(by_id).ok_or_else(|| {
                let text = "`id` takes the id of a composition or its URL on this server";
                Failure::new(FailureKind::InvalidParameter, text).at("http.id")
            })
        }
    }
}

/// The composition and what it refers to, the composition first.
fn gathered(
    app: &App,
    sight: &mut Sight<'_>,
    base: &str,
    key: &ResourceKey,
) -> Result<Vec<StoredVersion>, ReadFailure> {
    let Some(stored) = sight.current(key)? else {
        return Err(Failure::new(FailureKind::NotFound, format!("there is no {key}")).into());
    };
    let Some(body) = &stored.body else {
        return Err(Failure::new(FailureKind::Deleted, format!("{key} was deleted")).into());
    };
    let resource = body.to_resource(key)?;
    let mut named = Vec::new();
    places(resource.view().value, "Composition", &mut named);
    let mut issues = Vec::new();
    let mut direct = Vec::new();
    for (place, reference) in named.iter().filter(|(_, reference)| !reference.starts_with('#')) {
        match related::local(reference, base) {
            Some(key) => direct.push((place, key)),
            None => issues.push(missing(place, "this reference leads to another server")),
        }
    }
    let mut keys: Vec<_> = direct.iter().map(|(_, key)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|named| named != key);
    let found = sight.load_keys(&keys)?;
    for (place, named) in direct.iter().filter(|(_, named)| named != key) {
        if !found.iter().any(|stored| stored.key == *named) {
            issues.push(missing(place, "this reference leads to nothing"));
        }
    }
    if !issues.is_empty() {
        return Err(Failure::with_issues(FailureKind::InvalidResource, issues).into());
    }
    let person = related::person(app, &stored)?;
    let mut known: BTreeSet<ResourceKey> = keys.into_iter().collect();
    known.insert(key.clone());
    let mut frontier = BTreeSet::new();
    for stored in &found {
        if let Some(body) = &stored.body {
            frontier.extend(related::references(body.to_resource(&stored.key)?.view(), base));
        }
    }
    let further = related::related(app, sight, base, person, frontier, &mut known)?;
    Ok([vec![stored], found, further].concat())
}

fn missing(place: &str, what: &str) -> Issue {
    let text = format!("{what}, and a document holds all that its composition refers to");
    Issue::error(IssueType::NotFound, text).at(place)
}

/// All literal references with their places.
fn places(value: Value<'_>, place: &str, found: &mut Vec<(String, String)>) {
    match value.kind() {
        Kind::Array => {
            for (at, item) in value.items().enumerate() {
                places(item, &format!("{place}[{at}]"), found);
            }
        }
        Kind::Object => {
            for (key, member) in value.members() {
                match member.text().filter(|_| key == "reference") {
                    Some(text) => found.push((place.to_owned(), text.into_owned())),
                    None => places(member, &format!("{place}.{key}"), found),
                }
            }
        }
        Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
    }
}

fn written(base: &str, now: Instant, found: &[StoredVersion]) -> Result<Vec<u8>, Failure> {
    let identifier = format!("urn:uuid:{}", cursor::random_uuid());
    let mut bundle = BundleWriter::document(&identifier, now);
    for stored in found {
        bundle.begin();
        bundle.full_url(base, &stored.key);
        bundle.stored(stored, &Subset::Whole)?;
        bundle.end();
    }
    Ok(bundle.finish())
}
