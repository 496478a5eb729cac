//! Expressions into the trie, along the element tables: a path must exist, and a choice becomes
//! its typed keys.

use fhir_definitions::{Definitions, Primitive, ResourceType, TypeDefinition, ValueType};

use super::composite::{Composite, Part, Shape};
use super::evaluated::Evaluated;
use super::expression::{Branch, Expressions, Filter, Root, Step};
use super::extract::{self, Extract};
use super::reads::Reads;
use super::trie::{Child, Leaf, Node, NodeId, Trie, signature};
use crate::parameter::BIRTH_ORDER;
use crate::{ParameterKind, SearchParameter};

/// Why a parameter has no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncompiled {
    /// The resource type.
    pub base: ResourceType,
    /// The parameter's code.
    pub code: String,
    /// What is wrong, in words.
    pub reason: String,
}

/// The parameters of one type, ready to be read.
pub(crate) struct Compiled {
    pub(crate) trie: Trie,
    /// Those that fit no trie.
    pub(crate) evaluated: Vec<Evaluated>,
    pub(crate) failures: Vec<Uncompiled>,
}

/// Compiles the parameters of one type, into the trie where they fit; what cannot be compiled is
/// listed. `people` are the reference parameters that may name whose data a resource is, best
/// first.
pub(crate) fn compile<'p>(
    definitions: &Definitions,
    expressions: &mut Expressions,
    base: ResourceType,
    parameters: impl Iterator<Item = &'p SearchParameter>,
    people: &[&SearchParameter],
) -> Compiled {
    let mut compiler = Compiler::new(definitions, expressions, base);
    let mut failures = Vec::new();
    let mut evaluated = Vec::new();
    let parameters: Vec<&SearchParameter> = parameters.collect();
    compiler.number(&parameters);
    compiler.contained();
    for parameter in parameters.iter().filter(|parameter| !parameter.is_contained()) {
        if compiler.parameter(parameter).is_ok() {
            continue;
        }
        match Evaluated::compile(parameter, compiler.nth(parameter)) {
            Ok(parameter) => evaluated.push(parameter),
            Err(misfit) => {
                let reason = misfit.reason;
                failures.push(Uncompiled { base, code: parameter.code.clone(), reason });
            }
        }
    }
    compiler.people(people);
    Compiled { trie: compiler.finish(), evaluated, failures }
}

/// Only where parameters may name a person, best first.
pub(crate) fn people(
    definitions: &Definitions,
    expressions: &mut Expressions,
    base: ResourceType,
    people: &[&SearchParameter],
) -> Trie {
    let mut compiler = Compiler::new(definitions, expressions, base);
    compiler.people(people);
    compiler.finish()
}

/// What the elements of a parameter hold.
pub(crate) fn reads(parameter: &SearchParameter) -> Reads {
    let definitions = fhir_definitions::r4();
    let mut expressions = Expressions::default();
    let mut compiler = Compiler::new(definitions, &mut expressions, parameter.base);
    let Ok(branches) = compiler.branches(parameter) else { return Reads::unknown() };
    let mut reads = Reads::default();
    for branch in &branches {
        let Ok(places) = compiler.follow(vec![compiler.root()], &branch.steps) else {
            return Reads::unknown();
        };
        for place in places {
            let element = place.element.and_then(|(owner, key)| owner.element(key));
            reads.add(definitions, place.value, element);
        }
    }
    reads
}

struct Compiler<'d, 'e> {
    definitions: &'d Definitions,
    expressions: &'e mut Expressions,
    base: ResourceType,
    trie: Trie,
    /// Conditions on the target's type are left out: a reference that doesn't name its target's
    /// type may name a person all the same.
    is_any_target: bool,
}

/// A node with what stands there.
#[derive(Clone, Copy)]
struct Place<'d> {
    node: NodeId,
    value: ValueType,
    /// The key by which it was reached and the type that has it.
    element: Option<(&'d TypeDefinition, &'d str)>,
}

impl<'d, 'e> Compiler<'d, 'e> {
    fn new(
        definitions: &'d Definitions,
        expressions: &'e mut Expressions,
        base: ResourceType,
    ) -> Self {
        let trie = Trie { nodes: vec![Node::default()], ..Trie::default() };
        Self { definitions, expressions, base, trie, is_any_target: false }
    }

    fn finish(mut self) -> Trie {
        for node in &mut self.trie.nodes {
            node.children.sort_by(|one, other| {
                (one.signature, &one.key).cmp(&(other.signature, &other.key))
            });
        }
        self.trie
    }

    /// Gives the parameters their places in the list of those that a resource has values for.
    fn number(&mut self, parameters: &[&SearchParameter]) {
        let mut ids: Vec<_> = parameters.iter().map(|parameter| parameter.id).collect();
        ids.sort_unstable();
        self.trie.parameters = ids;
    }

    /// Of a composite nothing is said: its element is often the whole resource.
    fn nth(&self, parameter: &SearchParameter) -> Option<u16> {
        if parameter.kind == ParameterKind::Composite {
            return None;
        }
        let at = self.trie.parameters.binary_search(&parameter.id).ok()?;
        u16::try_from(at).ok()
    }

    fn parameter(&mut self, parameter: &SearchParameter) -> Result<(), String> {
        let branches = self.branches(parameter)?;
        let mut places = Vec::new();
        for branch in &branches {
            let found = self.follow(vec![self.root()], &branch.steps)?;
            if branch.is_existence {
                return self.existence(parameter, &found);
            }
            places.extend(found);
        }
        if places.is_empty() {
            return Err(format!("no part of its expression is about {}", self.base));
        }
        if parameter.kind == ParameterKind::Composite {
            return self.composite(parameter, &places);
        }
        let nth = self.nth(parameter);
        if parameter.url == BIRTH_ORDER {
            for place in &places {
                let leaf = Leaf { p: parameter.id.0, nth, extract: Extract::TokenTruth };
                self.node(place.node).leaves.push(leaf);
            }
            return Ok(());
        }
        self.leaves((parameter.id.0, nth), parameter.kind, &places)
    }

    /// Where the resources inside stand.
    fn contained(&mut self) {
        let mut places = Vec::new();
        self.members(self.root(), "contained", &mut places);
        for place in places {
            let leaf = Leaf { p: 0, nth: None, extract: Extract::Contained };
            self.node(place.node).leaves.push(leaf);
        }
    }

    fn people(&mut self, people: &[&SearchParameter]) {
        self.is_any_target = true;
        for (rank, parameter) in (1..).zip(people) {
            self.person(rank, parameter);
        }
    }

    /// Where a parameter may name a person. What cannot be followed was told before.
    fn person(&mut self, rank: i32, parameter: &SearchParameter) {
        for branch in self.branches(parameter).unwrap_or_default() {
            let places = self.follow(vec![self.root()], &branch.steps).unwrap_or_default();
            for place in places {
                if self.extract(ParameterKind::Reference, place) == Some(Extract::Reference) {
                    let leaf = Leaf { p: 0, nth: None, extract: Extract::Person(rank) };
                    self.node(place.node).leaves.push(leaf);
                }
            }
        }
    }

    /// The branches of a parameter that are about this type.
    fn branches(&mut self, parameter: &SearchParameter) -> Result<Vec<Branch>, String> {
        let text = parameter.expression.as_deref().ok_or("it has no expression")?;
        self.expressions.of(text, self.base).map_err(|error| error.to_string())
    }

    fn root(&self) -> Place<'d> {
        let index = fhir_definitions::TypeIndex(self.base.index());
        Place { node: 0, value: ValueType::Complex(index), element: None }
    }

    fn follow(&mut self, from: Vec<Place<'d>>, steps: &[Step]) -> Result<Vec<Place<'d>>, String> {
        let mut places = from;
        for step in steps {
            let mut next = Vec::new();
            for place in &places {
                match step {
                    Step::Member(name) => self.members(*place, name, &mut next),
                    Step::As(name) => {
                        if self.is_type(place.value, name) {
                            next.push(*place);
                        }
                    }
                    Step::Where(Filter::ResolvesTo(_)) if self.is_any_target => next.push(*place),
                    Step::Where(filter) => next.push(self.filtered(*place, filter)),
                }
            }
            if next.is_empty() {
                return Err(match step {
                    Step::Member(name) => format!("there is no element {name}"),
                    Step::As(name) => format!("the element cannot be a {name}"),
                    Step::Where(_) => "the condition stands nowhere".to_owned(),
                });
            }
            places = next;
        }
        Ok(places)
    }

    /// The children of this name: one key, or all keys of a choice.
    fn members(&mut self, place: Place<'d>, name: &str, out: &mut Vec<Place<'d>>) {
        let definitions = self.definitions;
        let ValueType::Complex(index) = place.value else { return };
        let definition = definitions.get(index);
        let group = definition.groups.iter().position(|group| group.name == name);
        for element in &definition.elements {
            let is_choice = group.is_some() && element.group.map(usize::from) == group;
            if element.key == name || is_choice {
                let node = self.child(place.node, element.key);
                let element_of = Some((definition, element.key));
                out.push(Place { node, value: element.value, element: element_of });
            }
        }
    }

    fn child(&mut self, parent: NodeId, key: &str) -> NodeId {
        let known = self.node(parent).children.iter().find(|child| &*child.key == key);
        if let Some(child) = known {
            return child.node;
        }
        let node = self.push();
        let child = Child { signature: signature(key), key: key.into(), node };
        self.node(parent).children.push(child);
        node
    }

    fn filtered(&mut self, place: Place<'d>, filter: &Filter) -> Place<'d> {
        let known = self.node(place.node).filters.iter().find(|(other, _)| other == filter);
        if let Some((_, node)) = known {
            return Place { node: *node, ..place };
        }
        let node = self.push();
        self.node(place.node).filters.push((filter.clone(), node));
        Place { node, ..place }
    }

    fn push(&mut self) -> NodeId {
        self.trie.nodes.push(Node::default());
        NodeId::try_from(self.trie.nodes.len() - 1).unwrap_or(NodeId::MAX)
    }

    #[expect(clippy::indexing_slicing, reason = "node numbers come from push")]
    fn node(&mut self, node: NodeId) -> &mut Node {
        &mut self.trie.nodes[node as usize]
    }

    /// Whether a cast to `name` lets the value through, as types and their descendants do:
    /// a canonical is a uri. Expressions write primitives in either case.
    fn is_type(&self, value: ValueType, name: &str) -> bool {
        match value {
            ValueType::Primitive(primitive) => {
                let ancestor = primitive.parent().unwrap_or(primitive).name();
                primitive.name().eq_ignore_ascii_case(name) || ancestor.eq_ignore_ascii_case(name)
            }
            ValueType::Complex(index) => {
                let own = self.definitions.get(index).name;
                own == name
                    || (name == "Quantity"
                        && matches!(own, "Age" | "Count" | "Distance" | "Duration"))
            }
            ValueType::Resource => name == "Resource",
        }
    }

    fn extract(&self, kind: ParameterKind, place: Place<'_>) -> Option<Extract> {
        if let Some((owner, "family")) = place.element
            && owner.name == "HumanName"
            && kind == ParameterKind::String
        {
            return Some(Extract::StringFamily);
        }
        if let Some(set) = self.code_set(place).filter(|_| kind == ParameterKind::Token) {
            return Some(Extract::TokenCode(set));
        }
        match place.value {
            ValueType::Primitive(primitive) => extract::of_primitive(kind, primitive),
            ValueType::Complex(index) => extract::of_type(kind, self.definitions.get(index).name),
            ValueType::Resource => {
                (kind == ParameterKind::Reference).then_some(Extract::ReferenceResource)
            }
        }
    }

    /// The required binding of a code.
    fn code_set(&self, place: Place<'_>) -> Option<u16> {
        let (owner, key) = place.element?;
        let set = owner.element(key)?.required_codes?;
        let is_known = self.definitions.code_sets.get(usize::from(set)).is_some();
        (is_known && place.value == ValueType::Primitive(Primitive::Code)).then_some(set)
    }

    fn leaves(
        &mut self,
        (p, nth): (i32, Option<u16>),
        kind: ParameterKind,
        places: &[Place<'d>],
    ) -> Result<(), String> {
        let mut is_readable = false;
        for place in places {
            if let Some(extract) = self.extract(kind, *place) {
                is_readable = true;
                let leaf = Leaf { p, nth, extract };
                let leaves = &mut self.node(place.node).leaves;
                if !leaves.contains(&leaf) {
                    leaves.push(leaf);
                }
            }
        }
        let unreadable = || format!("no type at its elements can be read as {}", kind.as_str());
        is_readable.then_some(()).ok_or_else(unreadable)
    }

    fn existence(
        &mut self,
        parameter: &SearchParameter,
        places: &[Place<'d>],
    ) -> Result<(), String> {
        if parameter.kind != ParameterKind::Token {
            return Err("a condition can only be a token".to_owned());
        }
        let nth = self.nth(parameter);
        let leaf = Leaf { p: parameter.id.0, nth, extract: Extract::TokenExistence };
        for place in places {
            self.node(place.node).leaves.push(leaf);
        }
        self.trie.existences.push(leaf);
        Ok(())
    }

    fn composite(
        &mut self,
        parameter: &SearchParameter,
        places: &[Place<'d>],
    ) -> Result<(), String> {
        let kinds: Vec<_> = parameter.components.iter().map(|component| component.kind).collect();
        let shape = Shape::of(&kinds).ok_or("there is no table for its components")?;
        // Components of elements of several types (Observation and its components) may be read
        // differently, so every place has parts of its own.
        for place in places {
            let mut parts = Vec::new();
            for component in &parameter.components {
                parts.push(self.part(*place, &component.expression, component.kind)?);
            }
            let at = u32::try_from(self.trie.composites.len()).unwrap_or(u32::MAX);
            self.trie.composites.push(Composite { shape, parts });
            let leaf = Leaf { p: parameter.id.0, nth: None, extract: Extract::Composite(at) };
            self.node(place.node).leaves.push(leaf);
        }
        Ok(())
    }

    fn part(&mut self, place: Place<'d>, text: &str, kind: ParameterKind) -> Result<Part, String> {
        let branches = self.expressions.of(text, self.base).map_err(|error| error.to_string())?;
        let from_resource = branches.iter().all(|branch| branch.root == Root::Resource);
        let origin = if from_resource { self.root() } else { place };
        let start = Place { node: self.push(), ..origin };
        let mut found = Vec::new();
        for branch in &branches {
            found.extend(self.follow(vec![start], &branch.steps)?);
        }
        self.leaves((0, None), kind, &found)?;
        Ok(Part { node: start.node, from_resource })
    }
}
