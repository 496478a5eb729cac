//! All expressions of a resource type as one tree of keys, and the walk over a resource.

use fhir_definitions::ResourceType;
use fhir_model::Value;

use super::composite::Composite;
use super::expression::Filter;
use super::extract::{Extract, text_at};
use crate::ParameterId;

/// Index into [`Trie::nodes`].
pub(crate) type NodeId = u32;

/// The expressions of a type. Node 0 is the resource itself.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    pub(crate) nodes: Vec<Node>,
    pub(crate) composites: Vec<Composite>,
    /// Parameters that are `true` or `false` for every resource; `false` without a row.
    pub(crate) existences: Vec<Leaf>,
    /// The parameters, ascending: [`Leaf::nth`] counts here.
    pub(crate) parameters: Vec<ParameterId>,
}

/// One place in a resource.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// What lies under it, sorted by [`signature`].
    pub(crate) children: Vec<Child>,
    /// The same place under a condition.
    pub(crate) filters: Vec<(Filter, NodeId)>,
    /// What is read here.
    pub(crate) leaves: Vec<Leaf>,
}

/// A member that something is read from.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) signature: u64,
    pub(crate) key: Box<str>,
    pub(crate) node: NodeId,
}

impl Node {
    /// Most members of a resource are of no interest; their signatures tell that in a few
    /// comparisons of numbers.
    pub(crate) fn child(&self, key: &str) -> Option<NodeId> {
        let wanted = signature(key);
        let mut at = self.children.partition_point(|child| child.signature < wanted);
        loop {
            let child = self.children.get(at).filter(|child| child.signature == wanted)?;
            if *child.key == *key {
                return Some(child.node);
            }
            at += 1;
        }
    }
}

/// A number by which keys nearly always differ: the first seven bytes and the length.
pub(crate) fn signature(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let start = match bytes.first_chunk::<8>() {
        Some(start) => u64::from_be_bytes(*start) & !0xff,
        None => bytes.iter().fold(0, |start, byte| (start | u64::from(*byte)) << 8),
    };
    start | (bytes.len() as u64 & 0xff)
}

/// A parameter's values at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The parameter; 0 where the value is none of its own: a part of a composite, a person.
    pub(crate) p: i32,
    /// The parameter's place in [`Trie::parameters`]; none where a value here does not say that
    /// the resource has one.
    pub(crate) nth: Option<u16>,
    pub(crate) extract: Extract,
}

/// What happens at the leaves.
pub(crate) trait Visit {
    fn leaf(&mut self, leaf: &Leaf, value: Value<'_>);

    /// What was kept of the last value does not hold for the next one: it stands elsewhere.
    fn forget(&mut self) {}

    /// The type that a reference says it points at.
    fn target_type(&mut self, reference: Value<'_>) -> Option<ResourceType>;
}

impl Trie {
    /// Visits every leaf under `node` that `value` reaches, each value once for each leaf.
    pub(crate) fn walk(&self, node: NodeId, value: Value<'_>, visit: &mut impl Visit) {
        self.visit(node, Place { value, position: 0 }, visit);
    }

    fn visit(&self, node: NodeId, place: Place<'_>, visit: &mut impl Visit) {
        let Some(node) = self.nodes.get(node as usize) else { return };
        for leaf in &node.leaves {
            visit.leaf(leaf, place.value);
        }
        for (filter, child) in &node.filters {
            if holds(filter, place, visit) {
                self.visit(*child, place, visit);
            }
        }
        if node.children.is_empty() {
            return;
        }
        for (key, member) in place.value.members() {
            let Some(child) = node.child(&key) else { continue };
            for (position, value) in member.items().enumerate() {
                self.visit(child, Place { value, position }, visit);
            }
        }
    }
}

/// A value and where it stands in its array.
#[derive(Clone, Copy)]
struct Place<'a> {
    value: Value<'a>,
    position: usize,
}

fn holds(filter: &Filter, place: Place<'_>, visit: &mut impl Visit) -> bool {
    match filter {
        Filter::Equals { member, text } => {
            text_at(place.value, member).is_some_and(|found| *found == **text)
        }
        Filter::ResolvesTo(wanted) => visit.target_type(place.value) == Some(*wanted),
        Filter::HasExtension(url) => place
            .value
            .get("extension")
            .into_iter()
            .flat_map(Value::items)
            .any(|extension| text_at(extension, "url").is_some_and(|found| *found == **url)),
        Filter::At(position) => place.position == *position,
    }
}
