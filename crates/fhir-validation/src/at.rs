//! A value of a resource with what is known of it from the tables of R4.

use fhir_definitions::{ElementDefinition, TypeDefinition, TypeIndex, ValueType};
use fhir_model::{Kind, ResourceView, Value};
use fhir_path::{Item, Node, Type};

/// A value, what stands beside it at `_key`, and its type.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) value: Option<Value<'a>>,
    pub(crate) beside: Option<Value<'a>>,
    pub(crate) kind: Type,
}

impl<'a> At<'a> {
    /// A resource.
    pub(crate) fn resource(view: ResourceView<'a>) -> Self {
        let kind = Type::of_resource(view.resource_type);
        Self { value: Some(view.value), beside: None, kind }
    }

    /// What FHIRPath knows as this value.
    pub(crate) fn item(&self) -> Item<'a> {
        Item::Node(Node::element(self.value, self.beside, self.kind))
    }

    /// Where it stands, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.value.or(self.beside).map_or(0, Value::offset)
    }

    /// The object with the members, and the type that they are elements of.
    pub(crate) fn object(&self) -> Option<(Value<'a>, TypeIndex)> {
        let (object, index) = match self.kind {
            Type::Complex(index) => (self.value?, index),
            Type::System(_)
            | Type::Primitive(_)
            | Type::Element
            | Type::BackboneElement
            | Type::Resource
            | Type::DomainResource => (self.beside?, crate::compile::element_index()?),
        };
        (object.kind() == Kind::Object).then_some((object, index))
    }

    /// Calls `each` with the children of a name until it says that it has seen enough.
    pub(crate) fn children(&self, name: &str, each: &mut dyn FnMut(At<'a>) -> bool) {
        let Some((object, index)) = self.object() else { return };
        let definition = fhir_definitions::r4().get(index);
        if let Some(element) = definition.element(name) {
            members(object, element, each);
            return;
        }
        let group = definition.groups.iter().position(|group| group.name == name);
        let Some(group) = group else { return };
        for element in &definition.elements {
            if element.group.map(usize::from) == Some(group) && members(object, element, each) {
                return;
            }
        }
    }

    /// The text of a member.
    pub(crate) fn text(&self, key: &str) -> Option<std::borrow::Cow<'a, str>> {
        self.value?.get(key)?.text()
    }
}

/// Calls `each` with what stands at an element of an object; `true` where it has seen enough.
fn members<'a>(
    object: Value<'a>,
    element: &ElementDefinition,
    each: &mut dyn FnMut(At<'a>) -> bool,
) -> bool {
    let is_sibling = |key: &str| key.strip_prefix('_') == Some(element.key);
    let beside = match element.value {
        ValueType::Primitive(_) => object.members().find(|(key, _)| is_sibling(key)),
        ValueType::Complex(_) | ValueType::Resource => None,
    };
    let mut pairs = Pairs::new(object.get(element.key), beside.map(|(_, value)| value));
    pairs.any(|(value, beside)| {
        kind_of(element, value).is_some_and(|kind| each(At { value, beside, kind }))
    })
}

/// The type of a value at an element.
pub(crate) fn kind_of(element: &ElementDefinition, value: Option<Value<'_>>) -> Option<Type> {
    match element.value {
        ValueType::Primitive(primitive) => Some(Type::Primitive(primitive)),
        ValueType::Complex(index) => Some(Type::Complex(index)),
        ValueType::Resource => {
            ResourceView::of(value?).map(|view| Type::of_resource(view.resource_type))
        }
    }
}

/// The name of an element as paths write it, and its type where it is one of a choice.
pub(crate) fn step_of(
    definition: &TypeDefinition,
    element: &ElementDefinition,
) -> (&'static str, Option<&'static str>) {
    let group = element.group.and_then(|group| definition.groups.get(usize::from(group)));
    let Some(group) = group else { return (element.key, None) };
    let choice = match element.value {
        ValueType::Primitive(primitive) => primitive.name(),
        ValueType::Complex(index) => fhir_definitions::r4().get(index).name,
        ValueType::Resource => "Resource",
    };
    (group.name, Some(choice))
}

/// The values of an element in step with what stands beside them; nulls are left out on either
/// side.
pub(crate) struct Pairs<'a> {
    values: Items<'a>,
    besides: Items<'a>,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(value: Option<Value<'a>>, beside: Option<Value<'a>>) -> Self {
        Self { values: Items::of(value), besides: Items::of(beside) }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Option<Value<'a>>, Option<Value<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let (value, beside) = (self.values.next(), self.besides.next());
        if value.is_none() && beside.is_none() {
            return None;
        }
        let there = |value: Option<Value<'a>>| value.filter(|value| !value.is_null());
        Some((there(value), there(beside)))
    }
}

/// The items of a list, or one value, without a box for the iterator.
struct Items<'a>(Option<Value<'a>>, Option<fhir_model::tape::Items<'a>>);

impl<'a> Items<'a> {
    fn of(value: Option<Value<'a>>) -> Self {
        match value {
            Some(list) if list.kind() == Kind::Array => Self(None, Some(list.list())),
            single => Self(single, None),
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match &mut self.1 {
            Some(list) => list.next(),
            None => self.0.take(),
        }
    }
}
