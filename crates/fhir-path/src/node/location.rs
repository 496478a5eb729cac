//! Where a value stands in its document, found by going down from the root.

use std::fmt::Write;

use fhir_definitions::{ElementDefinition, TypeDefinition, ValueType};
use fhir_model::{Kind, ResourceView, Value};

/// The FHIRPath of a value. Documents do not say where their parts come from; the offset leads
/// there, one object at a time.
pub(super) fn of(value: Value<'_>) -> Option<String> {
    let wanted = value.offset();
    let mut at = value.root();
    let mut definition = definition_of(at)?;
    let mut out = definition.name.to_owned();
    while at.offset() != wanted || at.kind() != value.kind() {
        let (key, member) = at.members().find(|(_, member)| contains(*member, wanted))?;
        let element = definition.element(key.strip_prefix('_').unwrap_or(&key));
        write_step(&mut out, definition, element, &key);
        at = member;
        if at.kind() == Kind::Array {
            let (index, item) = at.items().enumerate().find(|(_, item)| contains(*item, wanted))?;
            let _ = write!(out, "[{index}]");
            at = item;
        }
        let next = match element.map(|element| element.value) {
            Some(ValueType::Complex(index)) => Some(fhir_definitions::r4().get(index)),
            Some(ValueType::Resource) => definition_of(at),
            Some(ValueType::Primitive(_)) | None => type_named("Element"),
        };
        match next {
            Some(next) => definition = next,
            None if at.offset() == wanted => break,
            None => return None,
        }
    }
    Some(out)
}

fn contains(value: Value<'_>, offset: usize) -> bool {
    (value.offset()..value.offset() + value.raw().len()).contains(&offset)
}

fn definition_of(resource: Value<'_>) -> Option<&'static TypeDefinition> {
    let view = ResourceView::of(resource)?;
    Some(fhir_definitions::r4().resource(view.resource_type))
}

/// What stands at `_key` is read like an extension: `id` and `extension` are all that is there.
fn type_named(name: &str) -> Option<&'static TypeDefinition> {
    let definitions = fhir_definitions::r4();
    let index = definitions.type_named(name).or_else(|| definitions.type_named("Extension"))?;
    Some(definitions.get(index))
}

fn write_step(
    out: &mut String,
    definition: &TypeDefinition,
    element: Option<&ElementDefinition>,
    key: &str,
) {
    let name = key.strip_prefix('_').unwrap_or(key);
    let group = element
        .and_then(|element| element.group)
        .and_then(|group| definition.groups.get(usize::from(group)));
    let Some((group, element)) = group.zip(element) else {
        let _ = write!(out, ".{name}");
        return;
    };
    let kind = match element.value {
        ValueType::Primitive(primitive) => primitive.name(),
        ValueType::Complex(index) => fhir_definitions::r4().get(index).name,
        ValueType::Resource => "Resource",
    };
    let _ = write!(out, ".{}.ofType({kind})", group.name);
}
