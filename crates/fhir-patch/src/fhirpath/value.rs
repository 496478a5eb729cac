//! The value of an operation: typed, in parts, or a resource; and how it becomes an element.

use fhir_definitions::{ElementDefinition, Primitive, TypeDefinition, TypeIndex, ValueType};

use super::{Refusal, refused};
use crate::tree::Tree;

/// A value as the patch gives it.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// `value[x]`.
    Typed { kind: ValueType, built: Built },
    /// The members of an element whose type has no name of its own.
    Parts(Vec<(String, Given)>),
    /// `resource`.
    Resource(Tree),
}

/// An element: its value, and what stands beside a primitive.
#[derive(Clone, Debug, Default)]
pub(super) struct Built {
    pub(super) value: Option<Tree>,
    pub(super) sibling: Option<Tree>,
}

impl Given {
    /// The element for a place of this kind.
    pub(super) fn build(&self, element: &ElementDefinition) -> Result<Built, Refusal> {
        match (self, element.value) {
            (Self::Typed { kind, built }, wanted) if fits(*kind, wanted) => Ok(built.clone()),
            (Self::Parts(parts), ValueType::Complex(index)) => {
                let object = of_parts(parts, fhir_definitions::r4().get(index))?;
                Ok(Built { value: Some(object), sibling: None })
            }
            (Self::Resource(tree), ValueType::Resource) => {
                Ok(Built { value: Some(tree.clone()), sibling: None })
            }
            (Self::Typed { .. } | Self::Parts(_) | Self::Resource(_), wanted) => {
                let why =
                    format!("{} takes {}, found {}", element.key, name_of(wanted), self.name());
                refused("value", why)
            }
        }
    }

    /// The element of this name in a type: also `value` for `value[x]`.
    pub(super) fn build_named<'d>(
        &self,
        definition: &'d TypeDefinition,
        name: &str,
    ) -> Result<(&'d ElementDefinition, Built), Refusal> {
        if let Some(element) = definition.element(name) {
            return Ok((element, self.build(element)?));
        }
        let group = definition.groups.iter().position(|group| group.name == name);
        match group {
            Some(group) => self.choice(definition, group),
            None => refused("name", format!("a {} has no element {name}", definition.name)),
        }
    }

    /// The element that takes the place of another: of a choice, any of its types.
    pub(super) fn build_instead<'d>(
        &self,
        definition: &'d TypeDefinition,
        key: &str,
    ) -> Result<(&'d ElementDefinition, Built), Refusal> {
        match definition.element(key) {
            Some(ElementDefinition { group: Some(group), .. }) => {
                self.choice(definition, usize::from(*group))
            }
            Some(element) => Ok((element, self.build(element)?)),
            None => refused("path", super::LOST),
        }
    }

    fn choice<'d>(
        &self,
        definition: &'d TypeDefinition,
        group: usize,
    ) -> Result<(&'d ElementDefinition, Built), Refusal> {
        let is_member =
            |element: &&ElementDefinition| element.group.map(usize::from) == Some(group);
        let members = || definition.elements.iter().filter(is_member);
        // The type itself comes before those that it is a kind of: a code is a string, too.
        let own = |element: &&ElementDefinition| matches!(self, Self::Typed { kind, .. } if *kind == element.value);
        let found =
            members().find(own).map(|element| (element, self.build(element))).or_else(|| {
                members()
                    .map(|element| (element, self.build(element)))
                    .find(|(_, built)| built.is_ok())
            });
        if let Some((element, built)) = found {
            return Ok((element, built?));
        }
        let name = definition.groups.get(group).map_or("it", |group| group.name);
        let kinds: Vec<&str> = members().map(|element| name_of(element.value)).collect();
        let why = format!("{name}[x] takes {}, found {}", kinds.join(", "), self.name());
        refused("value", why)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Typed { kind, .. } => name_of(*kind),
            Self::Parts(_) => "parts",
            Self::Resource(_) => "a resource",
        }
    }
}

/// An object of its members; the name of one that repeats may come often.
fn of_parts(parts: &[(String, Given)], definition: &TypeDefinition) -> Result<Tree, Refusal> {
    let mut object = Tree::Object(Vec::new());
    for (name, given) in parts {
        let (element, built) = given.build_named(definition, name).map_err(|refusal| Refusal {
            part: "value",
            why: format!("in {}: {}", definition.name, refusal.why),
        })?;
        super::edit::add(&mut object, definition, element, built)
            .map_err(|refusal| Refusal { part: "value", ..refusal })?;
    }
    Ok(object)
}

fn name_of(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Primitive(primitive) => primitive.name(),
        ValueType::Complex(index) => fhir_definitions::r4().get(index).name,
        ValueType::Resource => "a resource",
    }
}

/// Whether a value of one type can stand where another is wanted.
fn fits(given: ValueType, wanted: ValueType) -> bool {
    match (given, wanted) {
        (ValueType::Primitive(given), ValueType::Primitive(wanted)) => {
            let is_kind =
                std::iter::successors(Some(given), |kind| kind.parent()).any(|kind| kind == wanted);
            // No parameter holds XHTML: the narrative comes as a string.
            is_kind || (wanted == Primitive::Xhtml && given == Primitive::String)
        }
        (ValueType::Complex(given), ValueType::Complex(wanted)) => {
            given == wanted || is_kind_of_quantity(given, wanted)
        }
        (ValueType::Primitive(_) | ValueType::Complex(_) | ValueType::Resource, _) => false,
    }
}

fn is_kind_of_quantity(given: TypeIndex, wanted: TypeIndex) -> bool {
    let name = |index| fhir_definitions::r4().get(index).name;
    let kinds = ["Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity"];
    name(wanted) == "Quantity" && kinds.contains(&name(given))
}
