//! Writes values of a tape again: minified, with some members left out and some texts replaced.

use fhir_definitions::{Primitive, TypeIndex, ValueType, r4};

use crate::resource::ResourceView;
use crate::tape::{Kind, Value};
use crate::write;

/// Where a text that may be replaced stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `Reference.reference`.
    Reference,
    /// A uri, url, oid or uuid, or a link of the narrative. A canonical is none: it names what is
    /// published, not what is stored.
    Uri,
}

/// Gives the text to write instead of a reference or uri, `None` to keep it.
pub type Replace<'a> = &'a dyn Fn(Link, &str) -> Option<String>;

/// Writes the members of `meta` that are stored.
pub(crate) fn meta_members(meta: Value<'_>, replace: Option<Replace<'_>>, out: &mut Vec<u8>) {
    let skipped = ["versionId", "lastUpdated"];
    members(meta, r4().type_named("Meta"), &skipped, replace, out);
}

/// Writes the members of a resource that are stored, apart from `meta`.
pub(crate) fn resource_members(
    view: ResourceView<'_>,
    replace: Option<Replace<'_>>,
    out: &mut Vec<u8>,
) {
    let skipped = ["resourceType", "id", "meta"];
    let table = Some(TypeIndex(view.resource_type.index()));
    members(view.value, table, &skipped, replace, out);
}

fn members(
    object: Value<'_>,
    table: Option<TypeIndex>,
    skipped: &[&str],
    replace: Option<Replace<'_>>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    for member in object.children(Kind::Object) {
        let key = member.key();
        if skipped.contains(&key.as_ref()) {
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        write::string(&key, out);
        out.push(b':');
        match replace {
            None => minified(member, out),
            Some(replace) => {
                let next = table.map_or(Next::Nothing, |table| next(table, &key));
                replaced(member, next, replace, out);
            }
        }
    }
}

/// Writes a value without the white space between its tokens.
pub fn minified(value: Value<'_>, out: &mut Vec<u8>) {
    if !value.is_spaced() {
        out.extend_from_slice(value.raw());
        return;
    }
    match value.kind() {
        Kind::Object => {
            let mut separator = b'{';
            for child in value.children(Kind::Object) {
                out.extend_from_slice(&[separator, b'"']);
                out.extend_from_slice(child.raw_key().as_bytes());
                out.extend_from_slice(b"\":");
                minified(child, out);
                separator = b',';
            }
            out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
        }
        Kind::Array => {
            let mut separator = b'[';
            for child in value.children(Kind::Array) {
                out.push(separator);
                minified(child, out);
                separator = b',';
            }
            out.extend_from_slice(if separator == b'[' { b"[]" } else { b"]" });
        }
        Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
            out.extend_from_slice(value.raw());
        }
    }
}

/// What a replacing walk does with the value of a key.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Text(Link),
    Narrative,
    Object(TypeIndex),
    Resource,
}

fn next(table: TypeIndex, key: &str) -> Next {
    let definitions = r4();
    let owner = definitions.get(table);
    if let Some(sibling) = key.strip_prefix('_') {
        let is_primitive = |value| matches!(value, ValueType::Primitive(_));
        return match owner.element(sibling) {
            Some(element) if is_primitive(element.value) => {
                definitions.type_named("Element").map_or(Next::Nothing, Next::Object)
            }
            _ => Next::Nothing,
        };
    }
    let Some(element) = owner.element(key) else { return Next::Nothing };
    match element.value {
        ValueType::Complex(index) => Next::Object(index),
        ValueType::Resource => Next::Resource,
        ValueType::Primitive(Primitive::Xhtml) => Next::Narrative,
        ValueType::Primitive(
            Primitive::Uri | Primitive::Url | Primitive::Oid | Primitive::Uuid,
        ) => Next::Text(Link::Uri),
        ValueType::Primitive(Primitive::String)
            if owner.name == "Reference" && key == "reference" =>
        {
            Next::Text(Link::Reference)
        }
        ValueType::Primitive(_) => Next::Nothing,
    }
}

fn replaced(value: Value<'_>, next: Next, replace: Replace<'_>, out: &mut Vec<u8>) {
    match (value.kind(), next) {
        (_, Next::Nothing) => minified(value, out),
        (Kind::Array, _) => {
            let mut separator = b'[';
            for child in value.children(Kind::Array) {
                out.push(separator);
                replaced(child, next, replace, out);
                separator = b',';
            }
            out.extend_from_slice(if separator == b'[' { b"[]" } else { b"]" });
        }
        (Kind::String, Next::Text(link)) => {
            match value.text().and_then(|text| replace(link, &text)) {
                Some(new) => write::string(&new, out),
                None => minified(value, out),
            }
        }
        (Kind::String, Next::Narrative) => {
            match value.text().and_then(|text| links(&text, replace)) {
                Some(new) => write::string(&new, out),
                None => minified(value, out),
            }
        }
        (Kind::Object, Next::Object(table)) => {
            out.push(b'{');
            members(value, Some(table), &[], Some(replace), out);
            out.push(b'}');
        }
        (Kind::Object, Next::Resource) => {
            let table = ResourceView::of(value).map(|view| TypeIndex(view.resource_type.index()));
            out.push(b'{');
            members(value, table, &[], Some(replace), out);
            out.push(b'}');
        }
        _ => minified(value, out),
    }
}

/// The narrative with its `href` and `src` values replaced; `None` where nothing changes.
fn links(narrative: &str, replace: Replace<'_>) -> Option<String> {
    let mut out = String::new();
    let mut rest = narrative;
    let mut is_changed = false;
    while let Some(equals) = rest.find('=') {
        let (before, from_equals) = rest.split_at(equals);
        let name = before.trim_ascii_end();
        let is_link = ["href", "src"].iter().any(|link| {
            name.strip_suffix(link)
                .is_some_and(|lead| lead.ends_with(|c: char| c.is_ascii_whitespace()))
        });
        let after = from_equals.get(1..).unwrap_or_default();
        let value = after.trim_ascii_start();
        let quote = value.chars().next().filter(|quote| is_link && matches!(quote, '"' | '\''));
        let found =
            quote.and_then(|quote| value.get(1..)?.split_once(quote).map(|pair| (quote, pair)));
        out.push_str(before);
        let Some((quote, (link, tail))) = found else {
            out.push('=');
            rest = after;
            continue;
        };
        let new = replace(Link::Uri, &link.replace("&amp;", "&")).map(|new| attribute(&new));
        is_changed |= new.is_some();
        out.push('=');
        out.push(quote);
        out.push_str(new.as_deref().unwrap_or(link));
        out.push(quote);
        rest = tail;
    }
    out.push_str(rest);
    is_changed.then_some(out)
}

/// A text as it stands between the quotes of an attribute.
fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
