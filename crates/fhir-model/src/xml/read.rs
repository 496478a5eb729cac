//! From elements to JSON in schema order, driven by the element table.
//!
//! Faults of the XML form (unknown names, wrong order, stray text) are told here with their
//! FHIRPath and don't stop the walk; what the resulting JSON must hold to beyond that is left to
//! the check of the JSON, which every resource passes.

use std::fmt::Write as _;

use fhir_definitions::{
    Definitions, ElementDefinition, Primitive, ResourceType, TypeDefinition, TypeIndex, ValueType,
    XmlForm, r4,
};

use crate::check::MAX_FAULTS;
use crate::check::names::nearest;
use crate::failure::{Issue, IssueType};
use crate::json::{self, Limits};
use crate::write as json_write;

use super::position::Positions;
use super::tag::local_name;
use super::tree::{self, Namespace, Node};
use super::{FHIR, Fault, shown};

/// What became of an XML document.
#[derive(Clone, Debug)]
pub struct XmlResource {
    /// The resource as minified JSON in schema order, not yet checked.
    pub json: Vec<u8>,
    /// Where its values stand in the XML.
    pub positions: Positions,
    /// What is wrong with its form as FHIR XML. Where this isn't empty the JSON lacks what
    /// couldn't be read, and serves only to find more faults.
    pub faults: Vec<Issue>,
}

/// Reads FHIR XML into JSON.
///
/// # Errors
/// The one fault that makes the text no XML, no UTF-8, no resource, or too large.
pub fn read(source: &[u8], limits: &Limits) -> Result<XmlResource, Vec<Issue>> {
    let issue = |told: String| vec![Issue::error(IssueType::Structure, told)];
    if source.len() > limits.max_bytes {
        return Err(issue(format!("expected at most {} bytes", limits.max_bytes)));
    }
    if matches!(source, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b'<', ..] | [b'<', 0, ..]) {
        return Err(issue("expected UTF-8, found UTF-16 or UTF-32".to_owned()));
    }
    let source = source.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source);
    let source = json::utf8(source).map_err(|fault| vec![fault])?;
    let positions = Positions::new(source);
    let located = |fault: Fault, positions: &Positions| {
        let (line, column) = positions.of_xml(fault.offset);
        let issue = Issue::error(IssueType::Structure, fault.told);
        vec![issue.rule(fault.rule).position(line, column)]
    };
    let nodes = match tree::parse(source, limits) {
        Ok(nodes) => nodes,
        Err(fault) => return Err(located(fault, &positions)),
    };
    let mut reader = Reader {
        nodes: &nodes,
        definitions: r4(),
        out: Vec::with_capacity(source.len()),
        positions,
        path: String::new(),
        faults: Vec::new(),
    };
    let outcome = reader.document();
    let Reader { out: json, positions, mut faults, .. } = reader;
    faults.sort_by_key(|fault| (fault.line, fault.column));
    match outcome {
        Ok(()) => Ok(XmlResource { json, positions, faults }),
        Err(fault) => Err(located(fault, &positions)),
    }
}

pub(super) struct Reader<'n, 'a> {
    pub(super) nodes: &'n [Node<'a>],
    pub(super) definitions: &'static Definitions,
    pub(super) out: Vec<u8>,
    pub(super) positions: Positions,
    pub(super) path: String,
    faults: Vec<Issue>,
}

/// What stands for a member: an attribute of the element or a child of it.
#[derive(Clone, Copy)]
enum Item<'n> {
    Attribute(&'n str),
    Child(usize),
}

impl<'n> Reader<'n, '_> {
    fn document(&mut self) -> Result<(), Fault> {
        let Some(root) = self.nodes.first() else {
            return Err(Fault::new(0, "well-formed XML", "expected a resource"));
        };
        if root.namespace != Namespace::Fhir {
            let told = format!("expected a resource in the namespace {FHIR}");
            return Err(Fault::new(root.offset, "namespaces", told));
        }
        if ResourceType::named(root.name).is_none() {
            let told = format!("expected a resource type of R4, found {}", shown(root.name));
            return Err(Fault::new(root.offset, "resource type", told));
        }
        root.name.clone_into(&mut self.path);
        self.resource(0);
        Ok(())
    }

    /// Writes the resource at a node; the caller has set the path.
    fn resource(&mut self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        let Some(resource_type) = ResourceType::named(node.name) else {
            let told = format!("expected a resource type of R4, found {}", shown(node.name));
            self.fault(node.offset, "resource type", told);
            self.out.extend_from_slice(b"{}");
            return;
        };
        self.positions.mark(self.out.len(), node.offset);
        self.out.extend_from_slice(b"{\"resourceType\":\"");
        self.out.extend_from_slice(node.name.as_bytes());
        self.out.push(b'"');
        self.members(index, self.definitions.resource(resource_type), false);
        self.out.push(b'}');
    }

    /// Writes the element at a node as an object.
    pub(super) fn object(&mut self, index: usize, type_index: TypeIndex) {
        self.out.push(b'{');
        self.members(index, self.definitions.get(type_index), true);
        self.out.push(b'}');
    }

    /// Writes the members of an object, in the order of the element table.
    fn members(&mut self, index: usize, definition: &TypeDefinition, is_first: bool) {
        let Some(node) = self.nodes.get(index) else { return };
        self.check_text(node);
        let mut items = self.attributes(index, node, definition);
        self.children(index, definition, &mut items);
        if items.is_empty() && is_first {
            self.fault(node.offset, "no empty elements", "expected content, found none");
        }
        items.sort_by_key(|(position, _)| *position);
        let mut is_first = is_first;
        for group in items.chunk_by(|one, other| one.0 == other.0) {
            let Some((position, _)) = group.first() else { continue };
            let Some(element) = definition.elements.get(*position) else { continue };
            let start = self.out.len();
            if !is_first {
                self.out.push(b',');
            }
            let before = self.out.len();
            let step = path_step(self.definitions, definition, element);
            self.member(node, element, &step, group);
            // A member that couldn't be read leaves nothing, not even its comma.
            if self.out.len() == before {
                self.out.truncate(start);
            } else {
                is_first = false;
            }
        }
    }

    fn attributes(
        &mut self,
        index: usize,
        node: &'n Node<'_>,
        definition: &TypeDefinition,
    ) -> Vec<(usize, Item<'n>)> {
        let mut items = Vec::new();
        for (name, value) in &node.attributes {
            let position = definition.position(name);
            let element = position.and_then(|position| definition.elements.get(position));
            match (position, element) {
                (Some(position), Some(element)) if element.xml == XmlForm::Attribute => {
                    items.push((position, Item::Attribute(value)));
                }
                // Says where the schema lies; the specification's own examples have it.
                _ if index == 0 && local_name(name) == "schemaLocation" && name.contains(':') => {}
                _ => self.unknown_attribute(node, name),
            }
        }
        items
    }

    pub(super) fn unknown_attribute(&mut self, node: &Node<'_>, name: &str) {
        let told = format!("found the attribute {}, which isn't known here", shown(name));
        self.fault(node.offset, "known attributes", told);
    }

    fn children(
        &mut self,
        index: usize,
        definition: &TypeDefinition,
        items: &mut Vec<(usize, Item<'n>)>,
    ) {
        let mut latest: Option<(usize, &str)> = None;
        let mut told_of = None;
        for child in children_of(self.nodes, index) {
            let Some(node) = self.nodes.get(child) else { continue };
            let Some(position) = self.position(node, definition) else { continue };
            match latest {
                Some((before, name)) if position < before => {
                    // Once is enough for all that repeat.
                    if told_of.replace(position) != Some(position) {
                        let told = format!(
                            "expected {} before {name}: R4 fixes the order of elements in XML",
                            node.name
                        );
                        let below = format!(".{}", node.name);
                        self.fault_at(&below, node.offset, "element order", told);
                    }
                }
                _ => latest = Some((position, node.name)),
            }
            items.push((position, Item::Child(child)));
        }
    }

    /// The place of a child in the element table; faults where it has none.
    fn position(&mut self, node: &Node<'_>, definition: &TypeDefinition) -> Option<usize> {
        let position = definition.position(node.name);
        let form = position.and_then(|at| definition.elements.get(at)).map(|element| element.xml);
        let (rule, told) = match (form, node.namespace) {
            (Some(XmlForm::Element), Namespace::Fhir) => return position,
            (Some(XmlForm::Xhtml), Namespace::Xhtml) if node.div.is_some() => return position,
            (Some(XmlForm::Xhtml), _) => {
                ("narrative", format!("expected div in the namespace {}", super::XHTML))
            }
            (Some(XmlForm::Attribute), _) => {
                ("known elements", format!("expected {} as an attribute", node.name))
            }
            (Some(XmlForm::Element), _) => {
                ("namespaces", format!("expected {} in the namespace {FHIR}", node.name))
            }
            // Looking for near names costs; nobody would see them.
            (None, _) if self.faults.len() >= MAX_FAULTS => return None,
            (None, _) => {
                let near = nearest(node.name, definition.elements.iter().map(|each| each.key));
                let hint = match near.as_slice() {
                    [] => String::new(),
                    near => format!(" (perhaps {})", near.join(" or ")),
                };
                let (name, owner) = (shown(node.name), definition.name);
                ("known elements", format!("found {name}, which {owner} doesn't have{hint}"))
            }
        };
        self.fault_at(&format!(".{}", shown(node.name)), node.offset, rule, told);
        None
    }

    fn member(
        &mut self,
        parent: &Node<'_>,
        element: &ElementDefinition,
        step: &str,
        items: &[(usize, Item<'_>)],
    ) {
        let parent_path = self.path.len();
        self.path.push_str(step);
        let mut indices: Vec<usize> = Vec::with_capacity(items.len());
        for (_, item) in items {
            match item {
                Item::Child(index) => indices.push(*index),
                Item::Attribute(value) => {
                    self.positions.mark(self.out.len(), parent.offset);
                    self.key("", element.key);
                    json_write::string(value, &mut self.out);
                }
            }
        }
        if let (false, Some(second)) = (element.repeats, indices.get(1)) {
            let offset = self.nodes.get(*second).map_or(0, |node| node.offset);
            let told = format!("expected at most one, found {}", indices.len());
            self.fault(offset, "cardinality", told);
            indices.truncate(1);
        }
        match element.value {
            _ if indices.is_empty() => {}
            ValueType::Primitive(Primitive::Xhtml) => self.narrative(element, &indices),
            ValueType::Primitive(primitive) => self.primitives(element, primitive, &indices),
            ValueType::Complex(type_index) => {
                self.list(element, &indices, |reader, index| reader.object(index, type_index));
            }
            ValueType::Resource => self.list(element, &indices, Self::held_resource),
        }
        self.path.truncate(parent_path);
    }

    fn narrative(&mut self, element: &ElementDefinition, indices: &[usize]) {
        let node = indices.first().and_then(|index| self.nodes.get(*index));
        if let Some((node, div)) = node.and_then(|node| Some((node, node.div.as_ref()?))) {
            self.positions.mark(self.out.len(), node.offset);
            self.key("", element.key);
            json_write::string(div, &mut self.out);
        }
    }

    /// Writes a member whose values `write` writes one by one.
    fn list(
        &mut self,
        element: &ElementDefinition,
        indices: &[usize],
        write: impl Fn(&mut Self, usize),
    ) {
        let path = self.path.len();
        for (number, index) in indices.iter().enumerate() {
            let offset = self.nodes.get(*index).map_or(0, |node| node.offset);
            if number == 0 {
                self.positions.mark(self.out.len(), offset);
                self.key("", element.key);
            }
            if element.repeats {
                self.out.push(if number == 0 { b'[' } else { b',' });
                self.push_index(number);
            }
            self.positions.mark(self.out.len(), offset);
            write(self, *index);
            self.path.truncate(path);
        }
        if element.repeats {
            self.out.push(b']');
        }
    }

    /// Writes the resource inside of `contained` or `resource`.
    fn held_resource(&mut self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        self.check_text(node);
        for (name, _) in &node.attributes {
            self.unknown_attribute(node, name);
        }
        let held: Vec<usize> = children_of(self.nodes, index).collect();
        match held.as_slice() {
            [one] if self.nodes.get(*one).is_some_and(|n| n.namespace == Namespace::Fhir) => {
                self.resource(*one);
            }
            _ => {
                let found = held.len();
                let told = format!("expected one resource in the namespace {FHIR}, found {found}");
                self.fault(node.offset, "one resource in each element", told);
                self.out.extend_from_slice(b"{}");
            }
        }
    }

    /// Adds the position in a list to the path.
    pub(super) fn push_index(&mut self, number: usize) {
        self.path.push('[');
        // A String never refuses.
        let _ = write!(self.path, "{number}]");
    }

    pub(super) fn key(&mut self, prefix: &str, key: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(super) fn check_text(&mut self, node: &Node<'_>) {
        if let Some(offset) = node.stray_text {
            self.fault(offset, "no text in elements", "expected elements only, found text");
        }
    }

    pub(super) fn fault(&mut self, offset: usize, rule: &'static str, told: impl Into<String>) {
        self.fault_at("", offset, rule, told);
    }

    fn fault_at(
        &mut self,
        below: &str,
        offset: usize,
        rule: &'static str,
        told: impl Into<String>,
    ) {
        // Enough to mend a document by; more would only cost.
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        let (line, column) = self.positions.of_xml(offset);
        let issue = Issue::error(IssueType::Structure, told).rule(rule);
        self.faults.push(issue.at(format!("{}{below}", self.path)).position(line, column));
    }
}

/// What an element adds to a FHIRPath: `.name`, or `.value.ofType(Quantity)` for a choice.
fn path_step(
    definitions: &Definitions,
    owner: &TypeDefinition,
    element: &ElementDefinition,
) -> String {
    let group = element.group.and_then(|group| owner.groups.get(usize::from(group)));
    let Some(group) = group else { return format!(".{}", element.key) };
    let choice = match element.value {
        ValueType::Primitive(primitive) => primitive.name(),
        ValueType::Complex(type_index) => definitions.get(type_index).name,
        ValueType::Resource => "Resource",
    };
    format!(".{}.ofType({choice})", group.name)
}

/// The direct children of a node.
pub(super) fn children_of(nodes: &[Node<'_>], index: usize) -> impl Iterator<Item = usize> {
    let end = nodes.get(index).map_or(0, |node| node.end);
    let next = move |at: usize| Some(at).filter(|at| *at < end);
    std::iter::successors(next(index + 1), move |at| next(nodes.get(*at)?.end))
}
