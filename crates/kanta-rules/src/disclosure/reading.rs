//! Small readings that declarations and relationships share.

use fhir_model::{Instant, ResourceKey, ResourceView, Value};

use super::item::codings;
use super::settings::{Settings, bare};

/// The text of a member.
pub(super) fn text(value: Value<'_>, member: &str) -> Option<String> {
    value.get(member)?.text().map(std::borrow::Cow::into_owned)
}

/// The items of a list.
pub(super) fn items<'a>(value: Value<'a>, member: &str) -> impl Iterator<Item = Value<'a>> {
    value.get(member).into_iter().flat_map(Value::items)
}

/// Systems and codes of a CodeableConcept.
pub(super) fn codes_of(concept: Value<'_>) -> Vec<(String, String)> {
    codings(concept.get("coding")).collect()
}

/// The OID (or other value) of a Reference's identifier.
pub(super) fn oid_of(reference: Value<'_>) -> Option<String> {
    let value = text(reference.get("identifier")?, "value")?;
    Some(bare(&value).to_owned())
}

/// The resource of a literal Reference.
pub(super) fn key_of(reference: Value<'_>) -> Option<ResourceKey> {
    let own = text(reference, "reference")?;
    let (of, id) = own.split_once('/')?;
    Some(ResourceKey::new(of.parse().ok()?, id.parse().ok()?))
}

/// The OIDs by which a Reference names an organisation: its identifier, or those of the contained
/// resource and of the one that this is part of.
pub(super) fn oids(resource: ResourceView<'_>, reference: Value<'_>) -> Vec<String> {
    let mut all: Vec<String> = oid_of(reference).into_iter().collect();
    let local = text(reference, "reference");
    if let Some(id) = local.as_deref().and_then(|own| own.strip_prefix('#')) {
        let is_own = |each: &ResourceView<'_>| text(each.value, "id").as_deref() == Some(id);
        for own in resource.contained().filter(is_own) {
            let identifiers = items(own.value, "identifier");
            let values = identifiers.filter_map(|each| text(each, "value"));
            all.extend(values.map(|value| bare(&value).to_owned()));
            for member in ["partOf", "providedBy", "managingOrganization"] {
                all.extend(own.value.get(member).and_then(oid_of));
            }
        }
    }
    all
}

/// Whether a Period holds now; one that isn't there always does.
pub(super) fn in_force(period: Option<Value<'_>>, settings: &Settings, now: Instant) -> bool {
    in_force_within(period, settings, now, 0, 0)
}

/// As [`in_force`], with some days before and after.
pub(super) fn in_force_within(
    period: Option<Value<'_>>,
    settings: &Settings,
    now: Instant,
    before_days: u32,
    after_days: u32,
) -> bool {
    let Some(period) = period else { return true };
    let days = |days: u32| i64::from(days) * 86_400_000_000;
    let start = text(period, "start").and_then(|date| settings.start_us(&date));
    let end = text(period, "end").and_then(|date| settings.end_us(&date));
    start.is_none_or(|start| start - days(before_days) <= now.0)
        && end.is_none_or(|end| now.0 < end + days(after_days))
}
