//! The narrative: an XHTML `div` that is kept to the character.
//!
//! In XML it is cut out of the document as it stands; only where its elements carry a prefix, or
//! take their namespace from outside, it is changed so that it stands alone as JSON needs it.
//!
//! Spec: <https://hl7.org/fhir/R4/narrative.html>

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::tag::{Scopes, Tag, local_name, undeclared};
use super::tree::{ill_formed, place, reader};
use super::{Fault, XHTML, shown, text};

/// More attributes than any element of XHTML needs.
const MAX_ATTRIBUTES: usize = 64;
/// The deepest element below the `div`.
const MAX_DEPTH: usize = 128;
/// More elements than anybody reads.
const MAX_ELEMENTS: usize = 1_000_000;

/// Why a text is no narrative; shows nothing of the text but names of elements and entities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{told}")]
pub struct InvalidNarrative {
    /// The byte in the text where the fault stands.
    pub offset: usize,
    /// What was expected and what stood there.
    pub told: String,
}

/// Checks that a text is what JSON holds as `div`: one well-formed `div` element in the XHTML
/// namespace, without document type, processing instructions and entities other than XML's own.
/// Which elements and attributes it may use is left to the invariants of Narrative.
///
/// # Errors
/// `InvalidNarrative` with the first fault.
pub fn check_narrative(narrative: &str) -> Result<(), InvalidNarrative> {
    check(narrative).map_err(|Fault { offset, told, .. }| InvalidNarrative { offset, told })
}

fn check(narrative: &str) -> Result<(), Fault> {
    if let Some(offset) = text::illegal_character(narrative) {
        return Err(Fault::new(offset, "narrative", "found a character that XML can't carry"));
    }
    let mut reader = reader(narrative);
    let first = reader.read_event().map_err(|fault| ill_formed(0, &fault))?;
    let (name_len, is_empty) = match first {
        Event::Start(tag) => (tag.name().0.len(), false),
        Event::Empty(tag) => (tag.name().0.len(), true),
        Event::End(_)
        | Event::Text(_)
        | Event::CData(_)
        | Event::Comment(_)
        | Event::Decl(_)
        | Event::PI(_)
        | Event::DocType(_)
        | Event::GeneralRef(_)
        | Event::Eof => {
            return Err(Fault::new(0, "narrative", "expected <div at the start"));
        }
    };
    let tag = Tag::new(narrative, 0, place(&reader), name_len)?;
    let outer = Scopes::default();
    let div = Div { source: narrative, outer: &outer };
    if tag.name != "div" {
        return Err(Fault::new(0, "narrative", "expected <div at the start"));
    }
    capture(&mut reader, &div, &tag, is_empty)?;
    let end = place(&reader);
    if end == narrative.len() {
        Ok(())
    } else {
        Err(Fault::new(end, "narrative", "expected the end of the text after </div>"))
    }
}

/// What surrounds a `div`.
pub(super) struct Div<'a, 's> {
    pub(super) source: &'a str,
    /// The namespaces declared outside of it.
    pub(super) outer: &'s Scopes<'a>,
}

/// Reads up to the end of the `div` whose start tag has just been read, and gives its text.
pub(super) fn capture<'a>(
    reader: &mut Reader<&'a [u8]>,
    div: &Div<'a, '_>,
    tag: &Tag<'a>,
    is_empty: bool,
) -> Result<Cow<'a, str>, Fault> {
    let inner = Scopes::default();
    let mut scan = Scan { div, inner, edits: Vec::new(), open: Vec::new(), count: 0 };
    scan.element(tag, is_empty)?;
    while !scan.open.is_empty() {
        let offset = place(reader);
        let event = reader.read_event().map_err(|fault| ill_formed(offset, &fault))?;
        let tag = |len| Tag::new(div.source, offset, place(reader), len);
        match &event {
            Event::Start(start) => scan.element(&tag(start.name().0.len())?, false)?,
            Event::Empty(start) => scan.element(&tag(start.name().0.len())?, true)?,
            Event::End(_) => scan.close(offset),
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_)
            | Event::Eof => {
                check_content(offset, &event)?;
            }
        }
    }
    let end = place(reader);
    Ok(scan.text(tag.offset, end))
}

/// Checks what isn't a tag.
fn check_content(offset: usize, event: &Event<'_>) -> Result<(), Fault> {
    let refuse = |told: &str| Err(Fault::new(offset, "narrative", told));
    match event {
        Event::Text(found) if found.contains("]]>") => refuse("found ]]> in text"),
        Event::Text(_) | Event::CData(_) | Event::Comment(_) => Ok(()),
        Event::GeneralRef(reference) => match text::resolve(reference) {
            Ok(_) => Ok(()),
            Err(told) => refuse(&told),
        },
        Event::PI(_) => refuse("found a processing instruction in the narrative"),
        Event::Decl(_) | Event::DocType(_) => refuse("found a declaration in the narrative"),
        Event::Eof => refuse("the text ends inside of the narrative"),
        Event::Start(_) | Event::Empty(_) | Event::End(_) => Ok(()),
    }
}

struct Scan<'a, 's> {
    div: &'s Div<'a, 's>,
    /// The namespaces declared inside of it.
    inner: Scopes<'a>,
    /// What to change so that the text stands alone, in order.
    edits: Vec<Edit>,
    /// The length of the prefix, with its colon, to take from the end tag of each open element.
    open: Vec<usize>,
    /// How many elements have started.
    count: usize,
}

struct Edit {
    offset: usize,
    removed_len: usize,
    inserted: &'static str,
}

impl<'a> Scan<'a, '_> {
    fn element(&mut self, tag: &Tag<'a>, is_empty: bool) -> Result<(), Fault> {
        let depth = self.open.len() + 1;
        if depth > MAX_DEPTH {
            let told = format!("expected at most {MAX_DEPTH} levels of elements");
            return Err(Fault::new(tag.offset, "narrative", told));
        }
        self.count += 1;
        if self.count > MAX_ELEMENTS {
            let told = format!("expected at most {MAX_ELEMENTS} elements");
            return Err(Fault::new(tag.offset, "narrative", told));
        }
        let attributes = tag.attributes(MAX_ATTRIBUTES, depth, &mut self.inner)?;
        for (name, _) in &attributes {
            let prefix = name.split_once(':').map(|(prefix, _)| prefix);
            if prefix
                .is_some_and(|prefix| prefix != "xml" && self.inner.of_prefix(prefix).is_none())
            {
                return Err(undeclared(tag.offset, name));
            }
        }
        let prefix = tag.name.split_once(':').map_or("", |(prefix, _)| prefix);
        let (namespace, is_inner) = match self.inner.of_prefix(prefix) {
            Some(namespace) => (namespace, true),
            None => (self.div.outer.of_prefix(prefix).unwrap_or_default(), false),
        };
        let is_xhtml = namespace == XHTML;
        if !is_xhtml && (!is_inner || depth == 1) {
            let name = shown(local_name(tag.name));
            let told = format!("expected {name} in the namespace {XHTML}");
            return Err(Fault::new(tag.offset, "narrative", told));
        }
        let removed_len = if is_xhtml && !prefix.is_empty() { prefix.len() + 1 } else { 0 };
        let name_offset = tag.offset + 1;
        if removed_len > 0 {
            self.edits.push(Edit { offset: name_offset, removed_len, inserted: "" });
        }
        if depth == 1 && (removed_len > 0 || !is_inner) {
            self.insert_namespace(tag)?;
        }
        if is_empty {
            self.inner.leave(depth);
        } else {
            self.open.push(removed_len);
        }
        Ok(())
    }

    /// Makes XHTML the default namespace of the outermost element.
    fn insert_namespace(&mut self, tag: &Tag<'a>) -> Result<(), Fault> {
        match self.inner.of_prefix("") {
            Some(XHTML) => {}
            Some(_) => {
                let told = "expected XHTML as the default namespace of a div with a prefix";
                return Err(Fault::new(tag.offset, "narrative", told));
            }
            None => {
                let offset = tag.offset + 1 + tag.name.len();
                let inserted = " xmlns=\"http://www.w3.org/1999/xhtml\"";
                self.edits.push(Edit { offset, removed_len: 0, inserted });
            }
        }
        Ok(())
    }

    fn close(&mut self, offset: usize) {
        self.inner.leave(self.open.len());
        if let Some(removed_len @ 1..) = self.open.pop() {
            self.edits.push(Edit { offset: offset + 2, removed_len, inserted: "" });
        }
    }

    fn text(&self, start: usize, end: usize) -> Cow<'a, str> {
        let part = |from: usize, to: usize| self.div.source.get(from..to).unwrap_or_default();
        if self.edits.is_empty() {
            return Cow::Borrowed(part(start, end));
        }
        let mut text = String::with_capacity(end - start + 64);
        let mut done = start;
        for edit in &self.edits {
            text.push_str(part(done, edit.offset));
            text.push_str(edit.inserted);
            done = edit.offset + edit.removed_len;
        }
        text.push_str(part(done, end));
        Cow::Owned(text)
    }
}
