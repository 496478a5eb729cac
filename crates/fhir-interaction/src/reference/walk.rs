//! All references of a resource with their places, by the element tables.

use std::collections::BTreeMap;

use fhir_definitions::{ResourceType, TypeIndex, ValueType, r4};
use fhir_model::{Id, Kind, ResourceView, Value};

/// A reference that has a text.
pub(super) struct Found<'a> {
    /// FHIRPath of the Reference: `Observation.performer[1]`.
    pub(super) place: String,
    /// `Reference.reference`.
    pub(super) text: String,
    /// `Reference.type`.
    pub(super) named: Option<String>,
    /// The types that the element takes; empty is any.
    pub(super) targets: &'a [&'static str],
}

/// One step of a path; paths are written out only where a reference is found.
struct Step<'p> {
    before: Option<&'p Step<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl Step<'_> {
    fn write(&self, out: &mut String) {
        if let Some(before) = self.before {
            before.write(out);
            out.push('.');
        }
        out.push_str(self.name);
        if let Some(index) = self.index {
            out.push_str(&format!("[{index}]"));
        }
    }
}

/// All references of a resource, those of contained resources and of extensions too.
pub(super) fn references(view: ResourceView<'_>) -> Vec<Found<'static>> {
    let mut found = Vec::new();
    let name = view.resource_type.as_str();
    let step = Step { before: None, name, index: None };
    object(view.value, Some(TypeIndex(view.resource_type.index())), &step, &mut found);
    found
}

/// The local ids of contained resources with their types.
pub(super) fn contained(view: ResourceView<'_>) -> BTreeMap<String, Option<ResourceType>> {
    let contained = view.value.get("contained").into_iter().flat_map(Value::items);
    contained
        .filter_map(|each| {
            let id = each.get("id").and_then(Value::text)?.into_owned();
            Some((id, ResourceView::of(each).map(|view| view.resource_type)))
        })
        .collect()
}

/// The type that the URL of another server's resource names.
pub(super) fn named_type(url: &str) -> Option<ResourceType> {
    let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
    let mut segments = url.rsplit('/');
    segments.next().filter(|id| Id::is_valid(id))?;
    ResourceType::named(segments.next()?)
}

fn object(
    value: Value<'_>,
    table: Option<TypeIndex>,
    place: &Step<'_>,
    found: &mut Vec<Found<'static>>,
) {
    let Some(table) = table else { return };
    let owner = r4().get(table);
    for (key, member) in value.members() {
        let sibling = key.strip_prefix('_');
        let Some(element) = owner.element(sibling.unwrap_or(&key)) else { continue };
        let group = element.group.and_then(|group| owner.groups.get(usize::from(group)));
        let name = group.map_or(element.key, |group| group.name);
        let next = match element.value {
            ValueType::Primitive(_) if sibling.is_some() => r4().type_named("Element"),
            ValueType::Primitive(_) => None,
            ValueType::Complex(index) => Some(index),
            ValueType::Resource => None,
        };
        let is_resource = element.value == ValueType::Resource;
        let items = (member.kind() == Kind::Array).then(|| member.items().enumerate());
        let single = (member.kind() != Kind::Array).then_some((None, member));
        let items = items.into_iter().flatten().map(|(at, item)| (Some(at), item));
        for (index, item) in single.into_iter().chain(items) {
            let step = Step { before: Some(place), name, index };
            let next = if is_resource {
                ResourceView::of(item).map(|view| TypeIndex(view.resource_type.index()))
            } else {
                next
            };
            let Some(next) = next else { continue };
            if r4().get(next).name == "Reference" {
                reference(item, &element.targets, &step, found);
            }
            object(item, Some(next), &step, found);
        }
    }
}

fn reference(
    value: Value<'_>,
    targets: &'static [&'static str],
    place: &Step<'_>,
    found: &mut Vec<Found<'static>>,
) {
    let text = |name: &str| value.get(name).and_then(Value::text).map(|text| text.into_owned());
    let Some(reference) = text("reference") else { return };
    let mut written = String::new();
    place.write(&mut written);
    found.push(Found { place: written, text: reference, named: text("type"), targets });
}
