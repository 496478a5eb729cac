//! Lists and trees of resources, as far as the permit shows them: what `_list`, `:above` and
//! `:below` of references mean in one snapshot.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Id, ResourceKey, Value, VersionId};
use fhir_search::{Direction, ParameterId, ReferenceValue};
use fhir_store::StoredVersion;

use crate::app::{App, ReadFailure};
use crate::sight::Sight;

/// The most resources of one tree, and the most levels of it, that a search goes through.
const MAX_RESOURCES: usize = 10_000;
const MAX_LEVELS: usize = 64;

/// What `List/id` refers to on this server, deleted entries left out.
///
/// # Errors
/// `InvalidParameter` where there is no such List or it is hidden.
pub(crate) fn listed(
    sight: &mut Sight<'_>,
    base: &str,
    list: &Id,
) -> Result<Vec<ResourceKey>, ReadFailure> {
    let keys: BTreeSet<_> =
        listed_versions(sight, base, list)?.into_iter().map(|(key, _)| key).collect();
    Ok(keys.into_iter().collect())
}

/// [`listed`], with the version where a reference names one.
///
/// # Errors
/// As [`listed`].
pub(crate) fn listed_versions(
    sight: &mut Sight<'_>,
    base: &str,
    list: &Id,
) -> Result<BTreeSet<(ResourceKey, Option<VersionId>)>, ReadFailure> {
    let key = ResourceKey::new(ResourceType::LIST, list.clone());
    let found = sight.current(&key)?;
    let Some(body) = found.and_then(|stored| stored.body) else {
        let text = "there is no List with this id";
        return Err(Failure::new(FailureKind::InvalidParameter, text).at("http._list").into());
    };
    let resource = body.to_resource(&key)?;
    let mut keys = BTreeSet::new();
    for entry in resource.view().value.get("entry").into_iter().flat_map(Value::items) {
        let is_deleted = entry.get("deleted").and_then(Value::literal) == Some("true");
        let reference = entry.get("item").and_then(|item| item.get("reference"));
        let Some(text) = reference.and_then(Value::text).filter(|_| !is_deleted) else { continue };
        let local = text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        let local = local.unwrap_or(&text);
        let version = local.split_once("/_history/");
        // What is no version of this server is none of its resources' either.
        let version = version.map(|(_, text)| text.parse().unwrap_or(VersionId(0)));
        keys.extend(ResourceKey::from_reference(local).map(|key| (key, version)));
    }
    Ok(keys)
}

/// A resource with those above or below it in the tree that `parent` spans; circles are walked
/// once.
///
/// # Errors
/// `TooCostly` where the tree is beyond the limits.
pub(crate) fn hierarchy(
    app: &App,
    sight: &mut Sight<'_>,
    start: &ResourceKey,
    parent: ParameterId,
    direction: Direction,
) -> Result<Vec<ResourceKey>, ReadFailure> {
    let mut known = BTreeSet::from([start.clone()]);
    let mut level = vec![start.clone()];
    for _ in 0..MAX_LEVELS {
        let next = match direction {
            Direction::Above => above(app, sight, &level, parent)?,
            Direction::Below => below(app, sight, &level, parent)?,
        };
        level = next.into_iter().filter(|key| known.insert(key.clone())).collect();
        if level.is_empty() {
            return Ok(known.into_iter().collect());
        }
        if known.len() > MAX_RESOURCES {
            break;
        }
    }
    let text = format!(
        "the tree has more than {MAX_RESOURCES} resources or {MAX_LEVELS} levels; enter it deeper"
    );
    Err(Failure::new(FailureKind::TooCostly, text).into())
}

fn below(
    app: &App,
    sight: &mut Sight<'_>,
    level: &[ResourceKey],
    parent: ParameterId,
) -> Result<Vec<ResourceKey>, ReadFailure> {
    let targets: Vec<i64> = level.iter().map(|key| app.hasher().reference(key)).collect();
    let rows = sight.referring(&[parent], &targets, None, MAX_RESOURCES + 1)?;
    let found = sight.load_visible(&rows)?;
    Ok(found.into_iter().map(|stored| stored.key).collect())
}

fn above(
    app: &App,
    sight: &mut Sight<'_>,
    level: &[ResourceKey],
    parent: ParameterId,
) -> Result<Vec<ResourceKey>, ReadFailure> {
    let mut parents = BTreeSet::new();
    for stored in sight.load_keys(level)? {
        parents.extend(parents_of(app, sight, &stored, parent)?);
    }
    Ok(parents.into_iter().collect())
}

fn parents_of(
    app: &App,
    sight: &Sight<'_>,
    stored: &StoredVersion,
    parent: ParameterId,
) -> Result<Vec<ResourceKey>, ReadFailure> {
    let Some(body) = &stored.body else { return Ok(Vec::new()) };
    let Some(parameter) = sight.registry().by_id(parent) else { return Ok(Vec::new()) };
    let resource = body.to_resource(&stored.key)?;
    let definitions = app.definitions();
    let local = |value| match value {
        ReferenceValue::Local(key) => Some(key),
        ReferenceValue::Url { .. } => None,
    };
    let found = definitions.indexer.references(resource.view(), parameter);
    Ok(found.into_iter().filter_map(local).collect())
}
