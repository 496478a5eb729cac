//! `Bundle.entry.fullUrl`: what it may be. Spec:
//! <https://hl7.org/fhir/R4/bundle.html#bundle-unique>, invariants bdl-7 and bdl-8.

use std::borrow::Cow;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, ResourceView, Value};

use crate::bundle::asked::refused;

/// The `fullUrl` of an entry.
///
/// # Errors
/// `InvalidParameter` where it names a version, or another type or id than the resource has.
pub(crate) fn of(entry: Value<'_>) -> Result<Option<Cow<'_, str>>, Failure> {
    let Some(url) = entry.get("fullUrl").and_then(Value::text) else { return Ok(None) };
    if url.contains("/_history/") {
        return Err(refused("a fullUrl names a resource, never one of its versions", "fullUrl"));
    }
    let view = entry.get("resource").and_then(ResourceView::of);
    if let (Some((_, resource_type, id)), Some(view)) = (restful(&url), view) {
        if resource_type != view.resource_type {
            let text = format!(
                "the fullUrl is that of a {resource_type}, not of a {}",
                view.resource_type
            );
            return Err(refused(text, "fullUrl"));
        }
        let own = view.value.get("id").and_then(Value::text);
        if own.is_some_and(|own| own != id) {
            return Err(refused("the fullUrl ends in another id than the resource's", "fullUrl"));
        }
    }
    Ok(Some(url))
}

/// Root, type and id of the URL of a resource on a RESTful server:
/// `http://server/fhir`, `Patient` and `1` of `http://server/fhir/Patient/1`.
pub(crate) fn restful(url: &str) -> Option<(&str, ResourceType, &str)> {
    let (front, id) = url.rsplit_once('/')?;
    let (root, name) = front.rsplit_once('/')?;
    let resource_type = ResourceType::named(name)?;
    root.contains(':').then_some((root, resource_type, id))
}
