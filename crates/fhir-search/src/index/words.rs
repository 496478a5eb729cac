//! The words of a resource for full-text search, in one walk along the element tables.
//!
//! Read are strings, markdown, codes and narratives, also those of extensions and of resources
//! inside; ids, URIs, binary data, numbers and dates are not. Words stand in the order of the
//! document and nothing parts the texts of neighbouring elements, so that a family name and a
//! given name are a phrase.
//! Spec: <https://hl7.org/fhir/R4/search.html#content>

use fhir_definitions::{
    Definitions, ElementDefinition, Primitive, ResourceType, TypeDefinition, ValueType, XmlForm,
};
use fhir_model::{ResourceView, Value};

use crate::fold::Words;
use crate::rows::TextRow;

/// Both kinds of words of a resource.
pub(crate) fn text(view: ResourceView<'_>, definitions: &Definitions) -> TextRow {
    let text = TextRow { narrative: String::new(), content: String::with_capacity(512) };
    let mut walk = Walk { definitions, text, depth: 0 };
    walk.resource(view.resource_type, view.value);
    walk.text
}

struct Walk<'d> {
    definitions: &'d Definitions,
    text: TextRow,
    /// Objects around what is read, the resource itself apart.
    depth: usize,
}

impl Walk<'_> {
    fn resource(&mut self, resource_type: ResourceType, value: Value<'_>) {
        self.object(self.definitions.resource(resource_type), value);
    }

    fn object(&mut self, definition: &TypeDefinition, value: Value<'_>) {
        for (key, member) in value.members() {
            match definition.element(&key) {
                Some(element) => self.element(element, member),
                None if key.starts_with('_') => self.extensions(member),
                None => {}
            }
        }
    }

    fn element(&mut self, element: &ElementDefinition, member: Value<'_>) {
        match element.value {
            ValueType::Primitive(Primitive::Xhtml) => {
                if let Some(div) = member.text() {
                    self.narrative(&div);
                }
            }
            ValueType::Primitive(primitive) => {
                // Attributes are the ids of elements and the URLs of extensions; the type of
                // `Reference.reference` is string, but what stands there is a URL.
                let is_link = element.xml == XmlForm::Attribute || element.key == "reference";
                if is_read(primitive) && !is_link {
                    for text in member.items().filter_map(Value::text) {
                        Words::new(&mut self.text.content).add(&text);
                    }
                }
            }
            ValueType::Complex(index) => {
                let definition = self.definitions.get(index);
                self.depth += 1;
                for item in member.items() {
                    self.object(definition, item);
                }
                self.depth -= 1;
            }
            ValueType::Resource => {
                self.depth += 1;
                for inner in member.items().filter_map(ResourceView::of) {
                    self.resource(inner.resource_type, inner.value);
                }
                self.depth -= 1;
            }
        }
    }

    /// Of the resource itself where it stands in `text`, right under it.
    fn narrative(&mut self, div: &str) {
        let start = self.text.content.len();
        xhtml(div, &mut self.text.content);
        if self.depth == 1 {
            let own = self.text.content.get(start..).unwrap_or_default();
            own.trim_start().clone_into(&mut self.text.narrative);
        }
    }

    /// What stands beside primitives.
    fn extensions(&mut self, member: Value<'_>) {
        let Some(index) = self.definitions.type_named("Extension") else { return };
        let definition = self.definitions.get(index);
        for beside in member.items() {
            for extension in beside.get("extension").into_iter().flat_map(Value::items) {
                self.object(definition, extension);
            }
        }
    }
}

const fn is_read(primitive: Primitive) -> bool {
    match primitive {
        Primitive::String | Primitive::Markdown | Primitive::Code => true,
        Primitive::Boolean
        | Primitive::Integer
        | Primitive::UnsignedInt
        | Primitive::PositiveInt
        | Primitive::Decimal
        | Primitive::Id
        | Primitive::Uri
        | Primitive::Url
        | Primitive::Canonical
        | Primitive::Oid
        | Primitive::Uuid
        | Primitive::Base64Binary
        | Primitive::Date
        | Primitive::DateTime
        | Primitive::Time
        | Primitive::Instant
        | Primitive::Xhtml => false,
    }
}

/// Elements in the middle of which a word may go on: `H<sub>2</sub>O`.
const INLINE: [&str; 20] = [
    "a", "abbr", "acronym", "b", "big", "cite", "code", "dfn", "em", "font", "i", "q", "s",
    "small", "span", "strong", "sub", "sup", "tt", "u",
];

/// The words of a narrative that has been checked, without tags and comments.
fn xhtml(div: &str, out: &mut String) {
    let mut words = Words::new(out);
    let mut rest = div;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'<' | b'&')) {
        let (before, markup) = rest.split_at_checked(at).unwrap_or((rest, ""));
        words.add(before);
        rest = if let Some(reference) = markup.strip_prefix('&') {
            let (name, after) = reference.split_once(';').unwrap_or((reference, ""));
            let mut bytes = [0; 4];
            words.add(character(name).encode_utf8(&mut bytes));
            after
        } else if let Some(comment) = markup.strip_prefix("<!--") {
            comment.split_once("-->").map_or("", |(_, after)| after)
        } else if let Some(data) = markup.strip_prefix("<![CDATA[") {
            let (data, after) = data.split_once("]]>").unwrap_or((data, ""));
            words.add(data);
            after
        } else {
            let (name, after) = tag(markup);
            if !INLINE.contains(&name) {
                words.end();
            }
            after
        };
    }
    words.add(rest);
}

/// The name of the tag that a text begins with, and what follows the tag.
fn tag(markup: &str) -> (&str, &str) {
    let inside = markup.trim_start_matches(['<', '/']);
    let name = inside.bytes().position(|byte| !byte.is_ascii_alphanumeric());
    let name = name.and_then(|end| inside.get(..end)).unwrap_or(inside);
    let mut quote = None;
    let end = inside.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        byte == b'>' && quote.is_none()
    });
    (name, end.and_then(|end| inside.get(end + 1..)).unwrap_or(""))
}

/// The character that a reference stands for; a space where it is none.
fn character(name: &str) -> char {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok();
    let found = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => name.strip_prefix('#').and_then(|digits| {
            char::from_u32(match digits.strip_prefix('x') {
                Some(hex) => number(hex, 16)?,
                None => number(digits, 10)?,
            })
        }),
    };
    found.unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(div: &str) -> String {
        let mut out = String::new();
        xhtml(div, &mut out);
        out
    }

    #[test]
    fn tags_part_words_unless_they_are_inline() {
        assert_eq!(words("<div><p>H<sub>2</sub>O</p><p>x</p></div>"), "h2o x");
        assert_eq!(words("<div><td>a</td><td>b</td>c<br/>d</div>"), "a b c d");
        assert_eq!(words("<div title=\"a > b\" class='>'>x</div >y"), "x y");
    }

    #[test]
    fn references_comments_and_data() {
        assert_eq!(words("<div>M&#228;ki&amp;J&#xE4;rvi&#160;1 &lt;b&gt;</div>"), "maki jarvi 1 b");
        assert_eq!(words("<div>a<!-- <b>no</b> -->b<![CDATA[<c>]]></div>"), "ab c");
        assert_eq!(words("<div>&#x110000;x &broken"), "x");
        assert_eq!(words("<div"), "");
    }
}
