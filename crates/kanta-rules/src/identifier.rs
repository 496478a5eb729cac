//! Where identifiers stand in a resource: whatever rules look at, they look at it everywhere, in
//! contained resources and logical references too.

use fhir_model::{Kind, ResourceView, Value};

/// Calls `found` with system, value and path of each identifier, where the text of the resource has
/// `marker` at all: most resources name no such system, and one look at their text spares the
/// walk. A text with escapes may hide it and is walked.
pub(crate) fn each(view: ResourceView<'_>, marker: &str, found: &mut dyn FnMut(&str, &str, &str)) {
    let may_have = std::str::from_utf8(view.value.raw())
        .is_ok_and(|text| text.contains(marker) || text.contains("\\u"));
    if may_have {
        walk(view.value, view.resource_type.as_str(), found);
    }
}

/// An object with a system and a value that is a text: identifiers, and nothing else that a
/// national register numbers.
fn walk(value: Value<'_>, path: &str, found: &mut dyn FnMut(&str, &str, &str)) {
    if value.kind() != Kind::Object {
        return;
    }
    let text = |key: &str| {
        let member = value.get(key).filter(|member| member.kind() == Kind::String);
        member.and_then(Value::text)
    };
    if let (Some(system), Some(text)) = (text("system"), text("value")) {
        found(&system, &text, &format!("{path}.value"));
    }
    for (key, member) in value.members() {
        match member.kind() {
            Kind::Object => walk(member, &format!("{path}.{key}"), found),
            Kind::Array => {
                for (index, item) in member.items().enumerate() {
                    walk(item, &format!("{path}.{key}[{index}]"), found);
                }
            }
            Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {}
        }
    }
}
