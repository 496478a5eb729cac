//! From text to elements: well-formedness, namespaces and limits.
//!
//! The event reader underneath finds the tags; what it leaves open (names, characters, white
//! space, declarations, one root) is checked here. The result is flat, in document order, each
//! element with the index after its last descendant, so no depth of nesting costs stack.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, Event};

use crate::json::Limits;

use super::narrative::{self, Div};
use super::tag::{Scopes, Tag, local_name, undeclared};
use super::{FHIR, Fault, XHTML, shown, text};

/// More attributes than any element of R4 has.
const MAX_ATTRIBUTES: usize = 16;

/// One element that isn't part of a narrative, or a narrative as a whole.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The name without prefix.
    pub(super) name: &'a str,
    pub(super) namespace: Namespace,
    /// Where its tag starts.
    pub(super) offset: usize,
    /// Index of the node after the last descendant.
    pub(super) end: usize,
    /// Names as written, with values; without namespace declarations.
    pub(super) attributes: Vec<(&'a str, Cow<'a, str>)>,
    /// The text of a narrative with its `div`.
    pub(super) div: Option<Cow<'a, str>>,
    /// Where characters stand that no element of FHIR holds.
    pub(super) stray_text: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    Fhir,
    Xhtml,
    Other,
    None,
}

/// Parses the document into nodes; the first is the root.
pub(super) fn parse<'a>(source: &'a str, limits: &Limits) -> Result<Vec<Node<'a>>, Fault> {
    if let Some(offset) = text::illegal_character(source) {
        return Err(Fault::new(offset, "characters", "found a character that XML can't carry"));
    }
    let mut parser = Parser {
        source,
        reader: reader(source),
        nodes: Vec::new(),
        open: Vec::new(),
        scopes: Scopes::default(),
        limits,
    };
    while parser.step()? {}
    Ok(parser.nodes)
}

/// A reader that checks what it can.
pub(super) fn reader(source: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(source);
    reader.config_mut().enable_all_checks(true);
    reader
}

/// Where the reader stands.
pub(super) fn place(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// What the event reader found, in words that show nothing of the text.
pub(super) fn ill_formed(offset: usize, fault: &quick_xml::Error) -> Fault {
    use quick_xml::errors::IllFormedError as I;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's words do for the others")]
    let told = match fault {
        quick_xml::Error::IllFormed(I::MismatchedEndTag { expected, found }) => {
            format!("expected the end of {}, found that of {}", shown(expected), shown(found))
        }
        quick_xml::Error::IllFormed(I::UnmatchedEndTag(found)) => {
            format!("found the end of {} without its start", shown(found))
        }
        quick_xml::Error::IllFormed(I::UnclosedReference) => {
            "expected &amp; for a plain ampersand".to_owned()
        }
        other => other.to_string(),
    };
    Fault::new(offset, "well-formed XML", told)
}

struct Parser<'a, 'l> {
    source: &'a str,
    reader: Reader<&'a [u8]>,
    nodes: Vec<Node<'a>>,
    /// Indices of the elements that haven't ended.
    open: Vec<usize>,
    scopes: Scopes<'a>,
    limits: &'l Limits,
}

impl<'a> Parser<'a, '_> {
    /// Handles one event; false at the end of the document.
    fn step(&mut self) -> Result<bool, Fault> {
        let offset = place(&self.reader);
        let event = self.reader.read_event().map_err(|fault| ill_formed(offset, &fault))?;
        match event {
            Event::Start(tag) => {
                let tag = Tag::new(self.source, offset, place(&self.reader), tag.name().0.len())?;
                self.element(tag, false)?;
            }
            Event::Empty(tag) => {
                let tag = Tag::new(self.source, offset, place(&self.reader), tag.name().0.len())?;
                self.element(tag, true)?;
            }
            Event::End(_) => self.close(),
            Event::Text(found) if text::is_blank(&found) => {}
            Event::Text(found) if found.contains("]]>") => {
                return Err(Fault::new(offset, "well-formed XML", "found ]]> in text"));
            }
            Event::Text(_) | Event::CData(_) => self.stray_text(offset)?,
            Event::GeneralRef(reference) => {
                text::resolve(&reference)
                    .map_err(|told| Fault::new(offset, "well-formed XML", told))?;
                self.stray_text(offset)?;
            }
            Event::Comment(_) => {}
            Event::PI(instruction) if instruction.target().eq_ignore_ascii_case("xml") => {
                return Err(Fault::new(offset, "well-formed XML", MISPLACED_DECLARATION));
            }
            Event::PI(_) => {}
            Event::Decl(declaration) => check_declaration(offset, &declaration)?,
            Event::DocType(_) => {
                return Err(Fault::new(
                    offset,
                    "no DOCTYPE",
                    "found a document type declaration; FHIR XML has none",
                ));
            }
            Event::Eof => return self.finish(offset).map(|()| false),
        }
        Ok(true)
    }

    fn finish(&self, offset: usize) -> Result<(), Fault> {
        match self.open.last().and_then(|index| self.nodes.get(*index)) {
            Some(node) => {
                let name = shown(node.name);
                let told = format!("the text ends inside of the element {name}");
                Err(Fault::new(offset, "well-formed XML", told))
            }
            None if self.nodes.is_empty() => {
                Err(Fault::new(offset, "well-formed XML", "expected a resource, found no element"))
            }
            None => Ok(()),
        }
    }

    fn element(&mut self, tag: Tag<'a>, is_empty: bool) -> Result<(), Fault> {
        let offset = tag.offset;
        if self.open.is_empty() && !self.nodes.is_empty() {
            let told = "expected the end of the text, found a second outermost element";
            return Err(Fault::new(offset, "well-formed XML", told));
        }
        let limits = self.limits;
        if self.open.len() >= limits.max_depth {
            let told = format!("expected at most {} levels of elements", limits.max_depth);
            return Err(Fault::new(offset, "depth", told));
        }
        // An element takes the memory of four values of JSON.
        let max_elements = limits.max_nodes / 4;
        if self.nodes.len() >= max_elements {
            let told = format!("expected at most {max_elements} elements");
            return Err(Fault::new(offset, "count of elements", told));
        }
        let depth = self.open.len() + 1;
        let attributes = tag.attributes(MAX_ATTRIBUTES, depth, &mut self.scopes)?;
        let namespace = match self.scopes.of_element(tag.name) {
            Some(FHIR) => Namespace::Fhir,
            Some(XHTML) => Namespace::Xhtml,
            Some("") => Namespace::None,
            Some(_) => Namespace::Other,
            None => return Err(undeclared(offset, tag.name)),
        };
        let index = self.nodes.len();
        let name = local_name(tag.name);
        let div = if namespace == Namespace::Xhtml && name == "div" {
            self.scopes.leave(depth);
            let div = Div { source: self.source, outer: &self.scopes };
            Some(narrative::capture(&mut self.reader, &div, &tag, is_empty)?)
        } else {
            None
        };
        let is_closed = is_empty || div.is_some();
        let end = index + 1;
        self.nodes.push(Node { name, namespace, offset, end, attributes, div, stray_text: None });
        if is_closed {
            self.scopes.leave(depth);
        } else {
            self.open.push(index);
        }
        Ok(())
    }

    fn close(&mut self) {
        self.scopes.leave(self.open.len());
        let end = self.nodes.len();
        if let Some(node) = self.open.pop().and_then(|index| self.nodes.get_mut(index)) {
            node.end = end;
        }
    }

    fn stray_text(&mut self, offset: usize) -> Result<(), Fault> {
        match self.open.last().and_then(|index| self.nodes.get_mut(*index)) {
            Some(node) => {
                node.stray_text.get_or_insert(offset);
                Ok(())
            }
            None => {
                let told = "expected nothing but a resource, found text outside of it";
                Err(Fault::new(offset, "well-formed XML", told))
            }
        }
    }
}

const MISPLACED_DECLARATION: &str = "expected the XML declaration at the very start";

fn check_declaration(offset: usize, declaration: &BytesDecl<'_>) -> Result<(), Fault> {
    let refuse = |told: String| Err(Fault::new(offset, "XML declaration", told));
    if offset != 0 {
        return refuse(MISPLACED_DECLARATION.to_owned());
    }
    match declaration.version() {
        Ok(version) if version == "1.0" => {}
        Ok(_) | Err(_) => return refuse("expected version 1.0".to_owned()),
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(Ok(name)) => refuse(format!("expected the encoding UTF-8, found {}", shown(&name))),
        Some(Err(_)) => refuse("expected encoding=\"UTF-8\"".to_owned()),
    }
}
