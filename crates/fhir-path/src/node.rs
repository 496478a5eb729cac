//! Elements of a resource: a value of the tape with its type from the element table.

mod location;

use std::borrow::Cow;

use fhir_definitions::{ElementDefinition, Primitive, ResourceType, ValueType};
use fhir_model::{Kind, ResourceView, Value};

use crate::item::Item;
use crate::moment::Moment;
use crate::quantity::Quantity;
use crate::types::Type;

/// An element of a resource, or a resource.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    value: Option<Value<'a>>,
    /// What stands at `_key`: id and extensions of a primitive.
    sibling: Option<Value<'a>>,
    kind: Type,
}

impl<'a> Node<'a> {
    /// A resource.
    #[must_use]
    pub fn resource(view: ResourceView<'a>) -> Self {
        Self::new(Some(view.value), None, Type::of_resource(view.resource_type))
    }

    /// An element, as whoever walks a resource beside its definitions knows it: its value, what
    /// stands at `_key` beside a primitive, and its type.
    #[must_use]
    pub const fn element(value: Option<Value<'a>>, beside: Option<Value<'a>>, kind: Type) -> Self {
        Self::new(value, beside, kind)
    }

    /// A resource that is named by a reference and has not been read: it has a type, no content.
    pub(crate) const fn unread(resource_type: ResourceType) -> Self {
        Self::new(None, None, Type::of_resource(resource_type))
    }

    const fn new(value: Option<Value<'a>>, sibling: Option<Value<'a>>, kind: Type) -> Self {
        Self { value, sibling, kind }
    }

    /// The value on the tape; none for a primitive with nothing but extensions, and for a
    /// resource that has not been read.
    #[must_use]
    pub const fn value(&self) -> Option<Value<'a>> {
        self.value
    }

    /// What stands at `_key` beside a primitive: its id and extensions.
    #[must_use]
    pub const fn beside(&self) -> Option<Value<'a>> {
        self.sibling
    }

    /// The type, always one of FHIR.
    #[must_use]
    pub const fn type_of(&self) -> Type {
        self.kind
    }

    /// The resource, where this is a whole one.
    #[must_use]
    pub fn as_resource(&self) -> Option<ResourceView<'a>> {
        if self.kind.is_resource() { ResourceView::of(self.value?) } else { None }
    }

    /// Whether this is the placeholder of a resource that has not been read.
    #[must_use]
    pub const fn is_unread(&self) -> bool {
        self.value.is_none() && self.sibling.is_none()
    }

    /// The FHIRPath of this node from the root of its document, such as
    /// `Patient.name[0].given[1]`.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        location::of(self.value.or(self.sibling)?)
    }

    /// The value of a primitive as one of FHIRPath's own types; nothing for other types and for
    /// primitives without a value.
    #[must_use]
    pub fn primitive(&self) -> Option<Item<'a>> {
        let Type::Primitive(primitive) = self.kind else { return None };
        let value = self.value?;
        if let Some(literal) = value.literal() {
            return Some(match value.kind() {
                Kind::True => Item::Boolean(true),
                Kind::False => Item::Boolean(false),
                Kind::Number | Kind::String | Kind::Object | Kind::Array | Kind::Null => {
                    match literal.parse() {
                        Ok(whole) if primitive != Primitive::Decimal => Item::Integer(whole),
                        _ => Item::Decimal(literal.parse().ok()?),
                    }
                }
            });
        }
        let text = value.text()?;
        let moment = match primitive {
            Primitive::Date => Moment::date(&text).map(Item::Date),
            Primitive::DateTime | Primitive::Instant => {
                Moment::date_time(&text).map(Item::DateTime)
            }
            Primitive::Time => Moment::time(&text).map(Item::Time),
            Primitive::Boolean
            | Primitive::Integer
            | Primitive::UnsignedInt
            | Primitive::PositiveInt
            | Primitive::Decimal
            | Primitive::String
            | Primitive::Markdown
            | Primitive::Code
            | Primitive::Id
            | Primitive::Uri
            | Primitive::Url
            | Primitive::Canonical
            | Primitive::Oid
            | Primitive::Uuid
            | Primitive::Base64Binary
            | Primitive::Xhtml => None,
        };
        Some(moment.unwrap_or(Item::String(text)))
    }

    /// A Quantity of FHIR as one of FHIRPath: its value with the code of the unit, or with the
    /// unit's text where there is no code. One that is only a bound (`<5`) is none.
    pub(crate) fn quantity(&self) -> Option<Quantity> {
        let value =
            self.value.filter(|_| Type::fhir("Quantity").is_some_and(|q| self.kind.is_a(q)))?;
        if value.get("comparator").is_some() {
            return None;
        }
        let number = value.get("value")?.literal()?.parse().ok()?;
        let text = |key: &str| value.get(key).and_then(Value::text);
        let unit = text("code").or_else(|| text("unit")).unwrap_or(Cow::Borrowed("1"));
        Some(Quantity::new(number, &unit))
    }

    /// Whether both are the same place of the same document.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let place = |node: &Self| {
            let value = node.value.or(node.sibling)?;
            Some((value.source().as_ptr(), value.offset(), value.kind()))
        };
        self.kind == other.kind && place(self).is_some_and(|own| Some(own) == place(other))
    }

    /// The children of each element of the type, in the order of the element table; nothing for
    /// primitives.
    pub(crate) fn by_element(self) -> impl Iterator<Item = Vec<Item<'a>>> {
        let elements = self.kind.definition().map_or(&[][..], |found| &found.elements[..]);
        elements.iter().map(move |element| {
            let mut found = Vec::new();
            if let Some(value) = self.value {
                children(value, element, &mut found);
            }
            found
        })
    }

    /// The text of a member, for members that are single strings: `reference`, `url`.
    pub(crate) fn text_at(&self, key: &str) -> Option<Cow<'a, str>> {
        self.value?.get(key)?.text()
    }

    /// The children of this name, in order.
    pub(crate) fn members(&self, name: &str, out: &mut Vec<Item<'a>>) {
        let Some(definition) = self.kind.definition() else {
            return self.of_primitive(name, out);
        };
        let Some(value) = self.value else { return };
        if let Some(element) = definition.element(name) {
            return children(value, element, out);
        }
        let Some(group) = definition.groups.iter().position(|group| group.name == name) else {
            return;
        };
        for element in &definition.elements {
            if element.group.map(usize::from) == Some(group) {
                children(value, element, out);
            }
        }
    }

    /// All children, in the order of the element table.
    pub(crate) fn all_members(&self, out: &mut Vec<Item<'a>>) {
        let Some(definition) = self.kind.definition() else {
            self.of_primitive("id", out);
            return self.of_primitive("extension", out);
        };
        let Some(value) = self.value else { return };
        for element in &definition.elements {
            children(value, element, out);
        }
    }

    /// Members of a primitive: its id and extensions stand at `_key`.
    fn of_primitive(&self, name: &str, out: &mut Vec<Item<'a>>) {
        match name {
            "value" => out.extend(self.primitive()),
            "extension" => {
                let Some(kind) = Type::fhir("Extension") else { return };
                let list = self.sibling.and_then(|sibling| sibling.get("extension"));
                for extension in list.into_iter().flat_map(Value::items) {
                    out.push(Item::Node(Node::new(Some(extension), None, kind)));
                }
            }
            "id" => {
                if let Some(id) = self.sibling.and_then(|sibling| sibling.get("id")) {
                    let kind = Type::Primitive(Primitive::String);
                    out.push(Item::Node(Node::new(Some(id), None, kind)));
                }
            }
            _ => {}
        }
    }
}

/// What stands at an element of an object.
fn children<'a>(object: Value<'a>, element: &ElementDefinition, out: &mut Vec<Item<'a>>) {
    let found = object.get(element.key);
    match element.value {
        ValueType::Primitive(primitive) => {
            let kind = Type::Primitive(primitive);
            primitives(found, sibling(object, element.key), kind, out);
        }
        ValueType::Complex(index) => {
            let kind = Type::Complex(index);
            let nodes = found.into_iter().flat_map(Value::items);
            out.extend(nodes.map(|value| Item::Node(Node::new(Some(value), None, kind))));
        }
        ValueType::Resource => {
            let resources = found.into_iter().flat_map(Value::items).filter_map(ResourceView::of);
            out.extend(resources.map(Item::resource));
        }
    }
}

/// The member whose key is `key` after an underscore.
fn sibling<'a>(object: Value<'a>, key: &str) -> Option<Value<'a>> {
    let is_sibling = |found: &str| found.strip_prefix('_') == Some(key);
    object.members().find(|(found, _)| is_sibling(found)).map(|(_, value)| value)
}

/// A primitive, or a list of them, each with what stands beside it at `_key`.
fn primitives<'a>(
    found: Option<Value<'a>>,
    sibling: Option<Value<'a>>,
    kind: Type,
    out: &mut Vec<Item<'a>>,
) {
    let is_there = |value: &Value<'a>| !value.is_null();
    let mut values = found.into_iter().flat_map(Value::items);
    let mut siblings = sibling.into_iter().flat_map(Value::items);
    loop {
        let (value, sibling) = (values.next(), siblings.next());
        if value.is_none() && sibling.is_none() {
            return;
        }
        let (value, sibling) = (value.filter(is_there), sibling.filter(is_there));
        if value.is_some() || sibling.is_some() {
            out.push(Item::Node(Node::new(value, sibling, kind)));
        }
    }
}
