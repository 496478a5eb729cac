//! The span tape: a flat list of positions over the text of a JSON document.
//!
//! Numbers and strings stay text in the source; nothing is copied or converted before somebody
//! asks for it. [`crate::json::parse`] makes tapes, [`Value`] is a cursor on one.

use std::borrow::Cow;

use crate::scan;

/// What a value is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 8259")]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl Kind {
    /// The kind in words, with an article.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::True | Self::False => "a boolean",
            Self::Null => "null",
        }
    }
}

/// One value of the document; 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// First byte of the value, for strings the one after the quote.
    pub(crate) start: u32,
    /// Byte after the value, for strings the closing quote.
    pub(crate) end: u32,
    /// Index of the node after the subtree.
    pub(crate) next: u32,
    /// First byte of the key after its quote; meaningless outside objects.
    pub(crate) key: u32,
    /// Length of the key in the source.
    pub(crate) key_length: u16,
    pub(crate) kind: Kind,
    /// Whether the string has escapes.
    pub(crate) is_escaped: bool,
    /// Whether the key has escapes.
    pub(crate) key_is_escaped: bool,
}

/// The positions of all values of one JSON document, in document order.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub(crate) nodes: Vec<Node>,
    /// Whether there is white space between tokens.
    pub(crate) is_spaced: bool,
}

impl Tape {
    /// The document's outermost value. `source` must be the text that the tape was made from.
    #[must_use]
    pub fn root<'a>(&'a self, source: &'a str) -> Value<'a> {
        Value { source, tape: self, index: 0 }
    }

    /// How many values the document has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing was parsed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

const NOTHING: Node = Node {
    start: 0,
    end: 0,
    next: 0,
    key: 0,
    key_length: 0,
    kind: Kind::Null,
    is_escaped: false,
    key_is_escaped: false,
};

/// A cursor on one value: cheap to copy, borrows source and tape.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    source: &'a str,
    tape: &'a Tape,
    index: u32,
}

impl<'a> Value<'a> {
    #[inline]
    pub(crate) fn node(self) -> Node {
        self.tape.nodes.get(self.index as usize).copied().unwrap_or(NOTHING)
    }

    #[inline]
    fn at(self, index: u32) -> Self {
        Self { index, ..self }
    }

    #[inline]
    fn span(self, start: u32, end: u32) -> &'a str {
        self.source.get(start as usize..end as usize).unwrap_or_default()
    }

    /// What the value is.
    #[inline]
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The member of this key, `None` for anything but objects.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.children(Kind::Object).find(|child| child.has_key(key))
    }

    /// The members of an object in document order; nothing for other kinds.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.children(Kind::Object).map(|child| (child.key(), child))
    }

    /// The elements of an array; a value that is no array yields itself once.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.list()
    }

    /// As [`Value::items`], as a type with a name.
    #[must_use]
    pub fn list(self) -> Items<'a> {
        let node = self.node();
        let (first, end) = match node.kind {
            Kind::Array => (self.index + 1, node.next),
            Kind::Object | Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                (self.index, node.next)
            }
        };
        Items(Children { value: self.at(first), end })
    }

    /// The members of an object without their keys, see [`Value::key`].
    #[inline]
    pub(crate) fn children(self, kind: Kind) -> Children<'a> {
        let node = self.node();
        let end = if node.kind == kind { node.next } else { 0 };
        Children { value: self.at(self.index + 1), end }
    }

    /// The key of this member of an object; meaningless for array elements and the root.
    #[inline]
    #[must_use]
    pub fn key(self) -> Cow<'a, str> {
        let node = self.node();
        let raw = self.span(node.key, node.key + u32::from(node.key_length));
        if node.key_is_escaped { unescape(raw) } else { Cow::Borrowed(raw) }
    }

    /// The key as it stands in the source, with its escapes.
    #[inline]
    pub(crate) fn raw_key(self) -> &'a str {
        let node = self.node();
        self.span(node.key, node.key + u32::from(node.key_length))
    }

    #[inline]
    fn has_key(self, key: &str) -> bool {
        if self.node().key_is_escaped { self.key() == key } else { self.raw_key() == key }
    }

    /// The text of a string without its escapes; `None` for other kinds.
    #[inline]
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        let node = self.node();
        if node.kind != Kind::String {
            return None;
        }
        let raw = self.span(node.start, node.end);
        Some(if node.is_escaped { unescape(raw) } else { Cow::Borrowed(raw) })
    }

    /// The source of a string inside its quotes, escapes as they stand.
    #[inline]
    pub(crate) fn raw_text(self) -> &'a str {
        let node = self.node();
        self.span(node.start, node.end)
    }

    /// The text of a number, `true` or `false` as it stands; `None` for other kinds.
    #[inline]
    #[must_use]
    pub fn literal(self) -> Option<&'a str> {
        let node = self.node();
        matches!(node.kind, Kind::Number | Kind::True | Kind::False)
            .then(|| self.span(node.start, node.end))
    }

    /// The exact source of the value, strings with their quotes.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        let node = self.node();
        if node.kind == Kind::String {
            self.span(node.start.saturating_sub(1), node.end + 1).as_bytes()
        } else {
            self.span(node.start, node.end).as_bytes()
        }
    }

    /// Where the value starts in the source, in bytes.
    #[must_use]
    pub fn offset(self) -> usize {
        let node = self.node();
        let quote = u32::from(node.kind == Kind::String);
        node.start.saturating_sub(quote) as usize
    }

    /// Where the key of this member starts in the source (its quote), in bytes.
    #[must_use]
    pub fn key_offset(self) -> usize {
        self.node().key.saturating_sub(1) as usize
    }

    /// The document's outermost value.
    #[must_use]
    pub fn root(self) -> Self {
        self.at(0)
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The whole document that the value belongs to.
    #[must_use]
    pub fn source(self) -> &'a str {
        self.source
    }

    pub(crate) fn is_spaced(self) -> bool {
        self.tape.is_spaced
    }
}

/// The elements of an array.
pub struct Items<'a>(Children<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        self.0.next()
    }
}

/// Iterates over the direct children of a container.
pub(crate) struct Children<'a> {
    value: Value<'a>,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        if self.value.index >= self.end {
            return None;
        }
        let current = self.value;
        self.value = current.at(current.node().next);
        Some(current)
    }
}

/// Resolves the escapes of a string that the parser has accepted.
#[must_use]
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    let slash = |text: &str| scan::find(text.as_bytes(), 0, b'\\', b'\\');
    let mut end = slash(raw);
    if end == raw.len() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while end < rest.len() {
        let (clean, escaped) = rest.split_at(end);
        out.push_str(clean);
        let mut characters = escaped.chars();
        characters.next();
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                rest = unicode(characters.as_str(), &mut out);
                end = slash(rest);
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = characters.as_str();
        end = slash(rest);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Reads the four digits after `\u`, and those of the low surrogate where they are half a pair.
fn unicode<'a>(digits: &'a str, out: &mut String) -> &'a str {
    let unit = |text: &str| text.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let after = digits.get(4..).unwrap_or_default();
    let high = unit(digits).unwrap_or(0xFFFD);
    let low = after.strip_prefix("\\u").and_then(unit);
    if let (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) = (high, low) {
        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return after.get(6..).unwrap_or_default();
    }
    out.push(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
    after
}
