//! The least resource of each type that keeps the element tables: what must stand, and nothing
//! else.

use fhir_definitions::{
    ElementDefinition, Primitive, ResourceType, TypeDefinition, TypeKind, ValueType, r4,
};
use serde_json::{Map, Value, json};

/// The least resource of a type; its texts mean nothing.
pub fn resource(resource_type: ResourceType) -> Value {
    let mut found = required(r4().resource(resource_type));
    found.insert("resourceType".to_owned(), resource_type.as_str().into());
    match resource_type.as_str() {
        // What would ask the server to send something, or to run something, is no mere resource.
        "Subscription" => found.insert("status".to_owned(), "off".into()),
        "Bundle" => found.insert("type".to_owned(), "collection".into()),
        _ => None,
    };
    Value::Object(found)
}

fn required(of: &TypeDefinition) -> Map<String, Value> {
    let mut found = Map::new();
    let mut add = |element: &ElementDefinition| {
        let value = sample(element);
        let value = if element.repeats { json!([value]) } else { value };
        found.insert(element.key.to_owned(), value);
    };
    of.elements.iter().filter(|element| element.min > 0).for_each(&mut add);
    for (at, _) in of.groups.iter().enumerate().filter(|(_, group)| group.min > 0) {
        let is_member =
            |element: &&ElementDefinition| element.group.is_some_and(|it| usize::from(it) == at);
        add(of.elements.iter().find(is_member).expect("a group has members"));
    }
    if found.is_empty() && of.kind != TypeKind::Resource {
        // No object is empty.
        let is_plain = |element: &&ElementDefinition| {
            element.key != "id" && matches!(element.value, ValueType::Primitive(_))
        };
        let element = of.elements.iter().find(is_plain).expect("a type has a plain element");
        let value = sample(element);
        let value = if element.repeats { json!([value]) } else { value };
        found.insert(element.key.to_owned(), value);
    }
    found
}

fn sample(element: &ElementDefinition) -> Value {
    if let Some(codes) = r4().codes_of(element) {
        let code = codes.systems.iter().flat_map(|system| &system.codes).next();
        return (*code.unwrap_or(&"a")).into();
    }
    match element.value {
        ValueType::Primitive(primitive) => plain(primitive),
        ValueType::Complex(index) => Value::Object(required(r4().get(index))),
        ValueType::Resource => json!({"resourceType": "Basic", "code": {"text": "a"}}),
    }
}

fn plain(primitive: Primitive) -> Value {
    match primitive {
        Primitive::Boolean => json!(true),
        Primitive::Integer
        | Primitive::UnsignedInt
        | Primitive::PositiveInt
        | Primitive::Decimal => json!(1),
        Primitive::String | Primitive::Markdown | Primitive::Code | Primitive::Id => json!("a"),
        Primitive::Uri | Primitive::Url | Primitive::Canonical => json!("http://example.org/a"),
        Primitive::Oid => json!("urn:oid:1.2.3"),
        Primitive::Uuid => json!("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        Primitive::Base64Binary => json!("YQ=="),
        Primitive::Date | Primitive::DateTime => json!("2026-01-01"),
        Primitive::Time => json!("12:00:00"),
        Primitive::Instant => json!("2026-01-01T00:00:00Z"),
        Primitive::Xhtml => json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
    }
}
