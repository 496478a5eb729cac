//! From the span tape to XML, in the order of the element table.

use fhir_definitions::{
    Definitions, ElementDefinition, Primitive, TypeDefinition, TypeIndex, ValueType, XmlForm, r4,
};

use crate::resource::ResourceView;
use crate::tape::Value;

use super::narrative::check_narrative;
use super::{FHIR, XHTML, text};

/// Writes a resource as XML in UTF-8 with its declaration; `pretty` puts each element on a line
/// of its own and leaves the narrative as it is.
///
/// Members that the element table doesn't know are left out; a checked resource has none.
/// Characters that XML can't carry become U+FFFD.
#[must_use]
pub fn write(view: ResourceView<'_>, pretty: bool) -> Vec<u8> {
    let out = Vec::with_capacity(view.value.raw().len() * 3 / 2 + 128);
    let mut writer = Writer { definitions: r4(), out, pretty, depth: 0 };
    writer.out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    writer.resource(view, true);
    if pretty {
        writer.out.push(b'\n');
    }
    writer.out
}

struct Writer {
    definitions: &'static Definitions,
    out: Vec<u8>,
    pretty: bool,
    depth: usize,
}

/// A member with its place in the element table.
struct Member<'a, 'd> {
    position: usize,
    element: &'d ElementDefinition,
    value: Option<Value<'a>>,
    /// What stands under the underscore.
    beside: Option<Value<'a>>,
}

impl Writer {
    fn resource(&mut self, view: ResourceView<'_>, is_root: bool) {
        let name = view.resource_type.as_str();
        self.start(name);
        if is_root {
            self.attribute("xmlns", FHIR);
        }
        self.content(name, view.value, self.definitions.resource(view.resource_type));
    }

    fn object(&mut self, name: &str, value: Value<'_>, type_index: TypeIndex) {
        self.start(name);
        self.content(name, value, self.definitions.get(type_index));
    }

    /// Writes the rest of an element whose start tag is open, up to its end.
    fn content(&mut self, name: &str, value: Value<'_>, definition: &TypeDefinition) {
        let members = members(value, definition);
        for member in &members {
            if let (XmlForm::Attribute, Some(value)) = (member.element.xml, member.value) {
                self.attribute(member.element.key, &shown(value));
            }
        }
        if members.iter().all(|member| member.element.xml == XmlForm::Attribute) {
            self.out.extend_from_slice(b"/>");
            return;
        }
        self.out.push(b'>');
        self.depth += 1;
        for member in &members {
            self.member(member);
        }
        self.depth -= 1;
        self.end(name);
    }

    fn member(&mut self, member: &Member<'_, '_>) {
        let key = member.element.key;
        let values = || member.value.into_iter().flat_map(Value::items);
        match (member.element.xml, member.element.value) {
            (XmlForm::Attribute, _) => {}
            (XmlForm::Xhtml, _) | (_, ValueType::Primitive(Primitive::Xhtml)) => {
                values().for_each(|value| self.narrative(value));
            }
            (XmlForm::Element, ValueType::Primitive(_)) => self.primitives(key, member),
            (XmlForm::Element, ValueType::Complex(type_index)) => {
                values().for_each(|value| self.object(key, value, type_index));
            }
            (XmlForm::Element, ValueType::Resource) => {
                for view in values().filter_map(ResourceView::of) {
                    self.start(key);
                    self.out.push(b'>');
                    self.depth += 1;
                    self.resource(view, false);
                    self.depth -= 1;
                    self.end(key);
                }
            }
        }
    }

    /// Writes each primitive with the id and extensions that stand at the same index.
    fn primitives(&mut self, key: &str, member: &Member<'_, '_>) {
        let mut values = member.value.into_iter().flat_map(Value::items);
        let mut beside = member.beside.into_iter().flat_map(Value::items);
        loop {
            let (value, beside) = (values.next(), beside.next());
            if value.is_none() && beside.is_none() {
                break;
            }
            let [value, beside] = [value, beside].map(|item| item.filter(|item| !item.is_null()));
            if value.is_some() || beside.is_some() {
                self.primitive(key, value, beside);
            }
        }
    }

    fn primitive(&mut self, key: &str, value: Option<Value<'_>>, beside: Option<Value<'_>>) {
        self.start(key);
        if let Some(id) = beside.and_then(|beside| beside.get("id")) {
            self.attribute("id", &shown(id));
        }
        if let Some(value) = value {
            self.attribute("value", &shown(value));
        }
        let extensions = beside.and_then(|beside| beside.get("extension"));
        let (Some(extensions), Some(extension)) =
            (extensions, self.definitions.type_named("Extension"))
        else {
            self.out.extend_from_slice(b"/>");
            return;
        };
        self.out.push(b'>');
        self.depth += 1;
        for value in extensions.items() {
            self.object("extension", value, extension);
        }
        self.depth -= 1;
        self.end(key);
    }

    /// Writes the narrative as it stands. What would break the document around it, which a
    /// checked resource doesn't have, is written as plain text.
    fn narrative(&mut self, value: Value<'_>) {
        let div = shown(value);
        self.line();
        if check_narrative(&div).is_ok() {
            self.out.extend_from_slice(div.as_bytes());
            return;
        }
        self.out.extend_from_slice(format!("<div xmlns=\"{XHTML}\">").as_bytes());
        text::escaped(&div, &mut self.out);
        self.out.extend_from_slice(b"</div>");
    }

    /// Opens a start tag; attributes may follow.
    fn start(&mut self, name: &str) {
        self.line();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        text::escaped(value, &mut self.out);
        self.out.push(b'"');
    }

    fn end(&mut self, name: &str) {
        self.line();
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    fn line(&mut self) {
        if self.pretty {
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', 2 * self.depth));
        }
    }
}

/// The members of an object that the table knows, in its order.
fn members<'a, 'd>(value: Value<'a>, definition: &'d TypeDefinition) -> Vec<Member<'a, 'd>> {
    let mut members: Vec<Member<'a, 'd>> = Vec::new();
    for (key, value) in value.members() {
        let (name, is_beside) = match key.strip_prefix('_') {
            Some(name) => (name, true),
            None => (&*key, false),
        };
        let Some(position) = definition.position(name) else { continue };
        let Some(element) = definition.elements.get(position) else { continue };
        let known = members.iter_mut().find(|member| member.position == position);
        let (value, beside) = if is_beside { (None, Some(value)) } else { (Some(value), None) };
        match known {
            Some(member) => {
                member.value = member.value.or(value);
                member.beside = member.beside.or(beside);
            }
            None => members.push(Member { position, element, value, beside }),
        }
    }
    members.sort_by_key(|member| member.position);
    members
}

/// The text of a primitive.
fn shown(value: Value<'_>) -> std::borrow::Cow<'_, str> {
    value.text().or_else(|| value.literal().map(Into::into)).unwrap_or_default()
}
