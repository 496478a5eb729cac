//! Primitive elements of XML: a `value` attribute with, beside it, an id and extensions.

use std::borrow::Cow;

use fhir_definitions::{ElementDefinition, Primitive};

use crate::check::form;
use crate::decimal::Decimal;
use crate::write as json_write;

use super::read::{Reader, children_of};
use super::shown;
use super::tree::Namespace;

/// How a value is written in JSON.
#[derive(Debug, PartialEq, Eq)]
enum Literal<'a> {
    /// As a string.
    String,
    /// As this text, a number or `true` or `false`.
    Bare(&'a str),
    /// Not at all: it isn't of its type. The stand-in keeps the rest of the resource checkable.
    Wrong { expected: &'static str, stand_in: &'static str },
}

/// The JSON form of the text of a `value` attribute.
fn literal(primitive: Primitive, value: &str) -> Literal<'_> {
    use Primitive as P;
    match primitive {
        P::Boolean if matches!(value, "true" | "false") => Literal::Bare(value),
        P::Boolean => Literal::Wrong { expected: "true or false", stand_in: "false" },
        P::Integer | P::UnsignedInt | P::PositiveInt => {
            // XML allows a plus sign, which JSON has no place for.
            let signless = value.strip_prefix('+').filter(|rest| !rest.starts_with(['-', '0']));
            let number = signless.unwrap_or(value);
            let digits = number.strip_prefix('-').unwrap_or(number);
            let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit())
                && !digits.is_empty()
                && (digits == "0" || !digits.starts_with('0'));
            if is_whole {
                Literal::Bare(number)
            } else {
                Literal::Wrong { expected: "a whole number", stand_in: "1" }
            }
        }
        P::Decimal if value.parse::<Decimal>().is_ok() => Literal::Bare(value),
        P::Decimal => {
            Literal::Wrong { expected: "a decimal such as 5, -0.40 or 1.0e2", stand_in: "1" }
        }
        P::String
        | P::Markdown
        | P::Code
        | P::Id
        | P::Uri
        | P::Url
        | P::Canonical
        | P::Oid
        | P::Uuid
        | P::Base64Binary
        | P::Date
        | P::DateTime
        | P::Time
        | P::Instant
        | P::Xhtml => Literal::String,
    }
}

/// The parts of a primitive element.
struct Parts<'n, 'a> {
    value: Option<&'n Cow<'a, str>>,
    id: Option<&'n Cow<'a, str>>,
    /// Indices of the extensions.
    extensions: Vec<usize>,
}

impl Parts<'_, '_> {
    /// Whether JSON needs the member with the underscore.
    fn has_element(&self) -> bool {
        self.id.is_some() || !self.extensions.is_empty()
    }
}

impl<'n> Reader<'n, '_> {
    /// Writes primitives: their values, and their ids and extensions under the underscore.
    pub(super) fn primitives(
        &mut self,
        element: &ElementDefinition,
        primitive: Primitive,
        indices: &[usize],
    ) {
        let path = self.path.len();
        let mut parts = Vec::with_capacity(indices.len());
        for (number, index) in indices.iter().enumerate() {
            if element.repeats {
                self.push_index(number);
            }
            parts.extend(self.parts(*index).map(|parts| (*index, parts)));
            self.path.truncate(path);
        }
        let has_values = parts.iter().any(|(_, parts)| parts.value.is_some());
        let has_elements = parts.iter().any(|(_, parts)| parts.has_element());
        if has_values {
            self.each(element, "", &parts, |reader, index, parts| match parts.value {
                Some(value) => reader.value(index, primitive, value),
                None => reader.out.extend_from_slice(b"null"),
            });
        }
        if has_values && has_elements {
            self.out.push(b',');
        }
        if has_elements {
            self.each(element, "_", &parts, |reader, _, parts| reader.element(parts));
        }
    }

    fn each<'p>(
        &mut self,
        element: &ElementDefinition,
        prefix: &str,
        parts: &[(usize, Parts<'p, 'p>)],
        write: impl Fn(&mut Self, usize, &Parts<'p, 'p>),
    ) {
        let path = self.path.len();
        for (number, (index, parts)) in parts.iter().enumerate() {
            let offset = self.nodes.get(*index).map_or(0, |node| node.offset);
            self.positions.mark(self.out.len(), offset);
            if number == 0 {
                self.key(prefix, element.key);
            }
            if element.repeats {
                self.out.push(if number == 0 { b'[' } else { b',' });
                self.positions.mark(self.out.len(), offset);
                self.push_index(number);
            }
            write(self, *index, parts);
            self.path.truncate(path);
        }
        if element.repeats {
            self.out.push(b']');
        }
    }

    fn value(&mut self, index: usize, primitive: Primitive, value: &str) {
        match literal(primitive, value) {
            Literal::String => json_write::string(value, &mut self.out),
            Literal::Bare(text) => self.out.extend_from_slice(text.as_bytes()),
            Literal::Wrong { expected, stand_in } => {
                let offset = self.nodes.get(index).map_or(0, |node| node.offset);
                let told =
                    format!("expected {expected}, found one of the form \"{}\"", form(value));
                self.fault(offset, "form of the value", told);
                self.out.extend_from_slice(stand_in.as_bytes());
            }
        }
    }

    /// Writes id and extensions of a primitive as an object.
    fn element(&mut self, parts: &Parts<'_, '_>) {
        if !parts.has_element() {
            self.out.extend_from_slice(b"null");
            return;
        }
        self.out.push(b'{');
        if let Some(id) = parts.id {
            self.key("", "id");
            json_write::string(id, &mut self.out);
        }
        let Some(extension) = self.definitions.type_named("Extension") else { return };
        let path = self.path.len();
        for (number, index) in parts.extensions.iter().enumerate() {
            if number == 0 {
                if parts.id.is_some() {
                    self.out.push(b',');
                }
                self.key("", "extension");
            }
            self.out.push(if number == 0 { b'[' } else { b',' });
            let offset = self.nodes.get(*index).map_or(0, |node| node.offset);
            self.positions.mark(self.out.len(), offset);
            self.path.push_str(".extension");
            self.push_index(number);
            self.object(*index, extension);
            self.path.truncate(path);
        }
        if !parts.extensions.is_empty() {
            self.out.push(b']');
        }
        self.out.push(b'}');
    }

    /// Takes a primitive element apart; `None`, with a fault, where it is empty.
    fn parts(&mut self, index: usize) -> Option<Parts<'n, 'n>> {
        let nodes = self.nodes;
        let node = nodes.get(index)?;
        self.check_text(node);
        let mut parts = Parts { value: None, id: None, extensions: Vec::new() };
        for (name, value) in &node.attributes {
            match *name {
                "value" => parts.value = Some(value),
                "id" => parts.id = Some(value),
                _ => self.unknown_attribute(node, name),
            }
        }
        for child in children_of(nodes, index) {
            let Some(found) = nodes.get(child) else { continue };
            if found.name == "extension" && found.namespace == Namespace::Fhir {
                parts.extensions.push(child);
            } else {
                let told = format!("found {}, which a primitive doesn't have", shown(found.name));
                self.fault(found.offset, "known elements", told);
            }
        }
        if parts.value.is_none() && !parts.has_element() {
            let told = "expected a value attribute or extensions, found neither";
            self.fault(node.offset, "no empty elements", told);
            return None;
        }
        Some(parts)
    }
}
