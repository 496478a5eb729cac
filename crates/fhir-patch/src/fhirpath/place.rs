//! From a node of the document to the same place in the tree.

use fhir_definitions::{TypeDefinition, ValueType};
use fhir_model::{Kind, ResourceView, Value};
use fhir_path::{Node, Type};

use super::{LOST, Refusal, refused};
use crate::tree::Tree;

/// One step down: a member, and the item where the member is a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    key: String,
    index: Option<usize>,
}

/// Where an element stands in its owner.
#[derive(Debug)]
pub(super) struct Place {
    /// From the root to the owner.
    pub(super) steps: Vec<Step>,
    /// The definition of the owner's type.
    pub(super) owner: &'static TypeDefinition,
    /// The key in the owner, without the underscore of what stands beside a primitive.
    pub(super) key: String,
    pub(super) index: Option<usize>,
    /// How many elements the list has that it stands in.
    pub(super) length: usize,
}

impl Place {
    pub(super) fn of(node: &Node<'_>) -> Result<Self, Refusal> {
        let Some((mut steps, owner)) = node.value().or(node.beside()).and_then(way) else {
            return refused("path", LOST);
        };
        let length = length_of_list(node, &steps);
        let Some(Step { mut key, index }) = steps.pop() else {
            let why = "the path leads to the whole resource; patches change what is inside";
            return refused("path", why);
        };
        if matches!(node.type_of(), Type::Primitive(_))
            && let Some(bare) = key.strip_prefix('_')
        {
            key = bare.to_owned();
        }
        Ok(Self { steps, owner, key, index, length })
    }

    pub(super) fn owner_mut<'t>(&self, tree: &'t mut Tree) -> Option<&'t mut Tree> {
        follow(tree, &self.steps)
    }
}

/// An element that others can be added to.
#[derive(Debug)]
pub(super) struct Spot {
    steps: Vec<Step>,
    /// What can be inside.
    pub(super) definition: &'static TypeDefinition,
    /// A primitive: what is added stands beside it.
    beside: Option<(String, Option<usize>)>,
}

impl Spot {
    pub(super) fn of(node: &Node<'_>, resource: ResourceView<'_>) -> Result<Self, Refusal> {
        let definitions = fhir_definitions::r4();
        match node.type_of() {
            Type::Complex(index) => {
                let Some((steps, _)) = node.value().and_then(way) else {
                    return refused("path", LOST);
                };
                Ok(Self { steps, definition: definitions.get(index), beside: None })
            }
            Type::Primitive(_) => {
                let Place { steps, key, index, .. } = Place::of(node)?;
                let Some(definition) = extension() else { return refused("path", LOST) };
                Ok(Self { steps, definition, beside: Some((key, index)) })
            }
            Type::System(_)
            | Type::Element
            | Type::BackboneElement
            | Type::Resource
            | Type::DomainResource => {
                let why = format!("nothing can be added here to a {}", resource.resource_type);
                refused("path", why)
            }
        }
    }

    /// Whether `name` can be added: beside a primitive only id and extensions stand.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.beside.is_none() || matches!(name, "id" | "extension")
    }

    /// The object to add to.
    pub(super) fn object_mut<'t>(&self, tree: &'t mut Tree) -> Option<&'t mut Tree> {
        let owner = follow(tree, &self.steps)?;
        let Some((key, index)) = &self.beside else { return Some(owner) };
        let key = format!("_{key}");
        if owner.get(&key).is_none() {
            owner.set(&key, Tree::Null);
        }
        let mut place = owner.get_mut(&key)?;
        if let Some(index) = *index {
            if place.is_null() {
                *place = Tree::Array(Vec::new());
            }
            let Tree::Array(items) = place else { return None };
            while items.len() <= index {
                items.push(Tree::Null);
            }
            place = items.get_mut(index)?;
        }
        if place.is_null() {
            *place = Tree::Object(Vec::new());
        }
        Some(place)
    }

    /// The list of this name, in which nothing is yet.
    pub(super) fn empty_list(
        self,
        name: &str,
    ) -> Result<(Place, &'static TypeDefinition), Refusal> {
        let definition = self.definition;
        match definition.element(name) {
            Some(element) if element.repeats && self.beside.is_none() => {
                let place = Place {
                    steps: self.steps,
                    owner: definition,
                    key: name.to_owned(),
                    index: None,
                    length: 0,
                };
                Ok((place, definition))
            }
            Some(_) => refused("path", "the path leads to an element that does not repeat"),
            None => refused("path", format!("a {} has no list {name}", definition.name)),
        }
    }
}

/// The steps from the root to a value, and the definition of what its last step starts from.
fn way(value: Value<'_>) -> Option<(Vec<Step>, &'static TypeDefinition)> {
    let wanted = value.offset();
    let mut at = value.root();
    let mut definition = definition_of(at)?;
    let mut owner = definition;
    let mut steps = Vec::new();
    while at.offset() != wanted || at.kind() != value.kind() {
        let (key, member) = at.members().find(|(_, member)| contains(*member, wanted))?;
        let element = definition.element(key.strip_prefix('_').unwrap_or(&key));
        owner = definition;
        at = member;
        let mut index = None;
        if at.kind() == Kind::Array {
            let found = at.items().enumerate().find(|(_, item)| contains(*item, wanted))?;
            (index, at) = (Some(found.0), found.1);
        }
        steps.push(Step { key: key.into_owned(), index });
        definition = match element.map(|element| element.value) {
            Some(ValueType::Complex(index)) => fhir_definitions::r4().get(index),
            Some(ValueType::Resource) => definition_of(at)?,
            Some(ValueType::Primitive(_)) | None => extension()?,
        };
    }
    Some((steps, owner))
}

/// What stands beside a primitive is read like an extension without its value.
fn extension() -> Option<&'static TypeDefinition> {
    let definitions = fhir_definitions::r4();
    Some(definitions.get(definitions.type_named("Extension")?))
}

fn definition_of(resource: Value<'_>) -> Option<&'static TypeDefinition> {
    let view = ResourceView::of(resource)?;
    Some(fhir_definitions::r4().resource(view.resource_type))
}

fn contains(value: Value<'_>, offset: usize) -> bool {
    (value.offset()..value.offset() + value.raw().len()).contains(&offset)
}

/// How many elements stand in the list that the steps end in.
fn length_of_list(node: &Node<'_>, steps: &[Step]) -> usize {
    let root = node.value().or(node.beside()).map(Value::root);
    let Some((root, (last, before))) = root.zip(steps.split_last()) else { return 0 };
    let owner = before.iter().try_fold(root, |at, step| {
        let member = at.get(&step.key)?;
        match step.index {
            Some(index) => member.items().nth(index),
            None => Some(member),
        }
    });
    let bare = last.key.strip_prefix('_').unwrap_or(&last.key);
    let count =
        |key: &str| owner.and_then(|owner| owner.get(key)).map_or(0, |list| list.items().count());
    count(bare).max(count(&format!("_{bare}")))
}

fn follow<'t>(tree: &'t mut Tree, steps: &[Step]) -> Option<&'t mut Tree> {
    steps.iter().try_fold(tree, |at, step| {
        let member = at.get_mut(&step.key)?;
        match (step.index, member) {
            (None, member) => Some(member),
            (Some(index), Tree::Array(items)) => items.get_mut(index),
            (Some(_), _) => None,
        }
    })
}
