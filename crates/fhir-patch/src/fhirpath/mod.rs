//! FHIRPath Patch. Spec: <https://hl7.org/fhir/R4/fhirpatch.html>
//!
//! Each operation sees what the ones before it have made: the tree is written and read again for
//! its path.

mod edit;
mod place;
mod read;
mod value;

use fhir_definitions::TypeDefinition;
use fhir_model::{Failure, FailureKind, Limits, Resource, ResourceView};
use fhir_path::{Environment, Expression, Item, Node, Type};

use self::place::{Place, Spot};
use self::value::Given;
use crate::tree::Tree;

/// Steps that the evaluation of one path is granted.
const MAX_STEPS: u64 = 100_000;

/// Bytes that may be written and read again while one patch is applied.
const MAX_WORK_BYTES: usize = 256 * 1024 * 1024;

/// The operations of a FHIRPath Patch, in their order.
#[derive(Clone, Debug)]
pub(crate) struct FhirPathPatch {
    operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
struct Operation {
    /// Where the operation stands: `Parameters.parameter[2]`.
    at: String,
    path: Path,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Add { name: String, value: Given },
    Insert { index: usize, value: Given },
    Delete,
    Replace { value: Given },
    Move { source: usize, destination: usize },
}

/// A path, and for lists that may be empty what it says of them.
#[derive(Clone, Debug)]
struct Path {
    expression: Expression,
    /// The path before its last name, and that name: whose list it is, and which.
    list: Option<(Expression, String)>,
}

/// Why an operation cannot be applied, and what part of it says so.
struct Refusal {
    part: &'static str,
    why: String,
}

fn refused<T>(part: &'static str, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { part, why: why.into() })
}

impl FhirPathPatch {
    pub(crate) fn read(parameters: ResourceView<'_>) -> Result<Self, Failure> {
        read::operations(parameters).map(|operations| Self { operations })
    }

    /// Applies all operations to `tree`, or fails at one of them.
    pub(crate) fn apply(&self, tree: &mut Tree, limits: &Limits) -> Result<(), Failure> {
        let mut work = 0_usize;
        for operation in &self.operations {
            let source = tree.to_json();
            work = work.saturating_add(source.len());
            if work > MAX_WORK_BYTES.max(limits.max_bytes) {
                return Err(crate::too_costly().at(operation.at.clone()));
            }
            let resource = Resource::trusted(source)?;
            operation.apply(resource.view(), tree).map_err(|refusal| {
                let place = format!("{}.part.where(name='{}')", operation.at, refusal.part);
                Failure::new(FailureKind::Unprocessable, refusal.why).at(place)
            })?;
        }
        Ok(())
    }
}

impl Operation {
    /// Applies the operation to `tree`, which is the same as `resource`.
    fn apply(&self, resource: ResourceView<'_>, tree: &mut Tree) -> Result<(), Refusal> {
        match &self.action {
            Action::Add { name, value } => {
                let nodes = nodes(&self.path.expression, resource)?;
                let spot = Spot::of(single(&nodes)?, resource)?;
                if !spot.takes(name) {
                    return refused("name", format!("a primitive has no element {name}"));
                }
                let (element, built) = value.build_named(spot.definition, name)?;
                let Some(object) = spot.object_mut(tree) else { return refused("path", LOST) };
                edit::add(object, spot.definition, element, built)
            }
            Action::Insert { index, value } => {
                let (place, definition) = self.list(resource)?;
                let Some(element) = definition.element(&place.key) else {
                    return refused("path", LOST);
                };
                let built = value.build(element)?;
                let Some(object) = place.owner_mut(tree) else { return refused("path", LOST) };
                edit::insert(object, definition, element, (*index, built))
            }
            Action::Delete => {
                let nodes = nodes(&self.path.expression, resource)?;
                if nodes.is_empty() {
                    return Ok(());
                }
                let place = Place::of(single(&nodes)?)?;
                let Some(object) = place.owner_mut(tree) else { return refused("path", LOST) };
                edit::remove(object, &place.key, place.index);
                Ok(())
            }
            Action::Replace { value } => {
                let nodes = nodes(&self.path.expression, resource)?;
                let place = Place::of(single(&nodes)?)?;
                let definition = place.owner;
                let (element, built) = value.build_instead(definition, &place.key)?;
                let Some(object) = place.owner_mut(tree) else { return refused("path", LOST) };
                edit::replace(object, (&place.key, place.index), element, built);
                Ok(())
            }
            Action::Move { source, destination } => {
                let (place, _) = self.list(resource)?;
                let Some(object) = place.owner_mut(tree) else { return refused("path", LOST) };
                edit::reorder(object, &place.key, *source, *destination)
            }
        }
    }

    /// The list that the path leads to, which may have nothing in it yet.
    fn list(
        &self,
        resource: ResourceView<'_>,
    ) -> Result<(Place, &'static TypeDefinition), Refusal> {
        let nodes = nodes(&self.path.expression, resource)?;
        let Some(first) = nodes.first() else {
            let Some((owner, name)) = &self.path.list else {
                return refused("path", "the path leads to no list");
            };
            let owners = self::nodes(owner, resource)?;
            let spot = Spot::of(single(&owners)?, resource)?;
            return spot.empty_list(name);
        };
        let place = Place::of(first)?;
        for node in &nodes {
            let other = Place::of(node)?;
            if other.steps != place.steps || other.key != place.key {
                return refused("path", "the path leads to elements of several lists");
            }
        }
        if place.index.is_none() {
            return refused("path", "the path leads to an element that does not repeat");
        }
        let definition = place.owner;
        if place.length != nodes.len() {
            let why = format!(
                "the path leads to {} of the {} elements of a list; it must lead to the list",
                nodes.len(),
                place.length
            );
            return refused("path", why);
        }
        Ok((place, definition))
    }
}

/// What is told of a place that is in the text and not in the tree: it cannot be.
const LOST: &str = "the path leads to what cannot be changed";

/// The elements that a path leads to.
fn nodes<'a>(
    expression: &Expression,
    resource: ResourceView<'a>,
) -> Result<Vec<Node<'a>>, Refusal> {
    let base = Type::of_resource(resource.resource_type);
    if let Err(wrong) = expression.result_types(base) {
        return refused("path", wrong.to_string());
    }
    let environment = Environment::new(resource).with_max_steps(MAX_STEPS);
    let items = expression
        .evaluate(&environment, &[Item::resource(resource)])
        .or_else(|error| refused("path", error.to_string()))?;
    let mut nodes = Vec::with_capacity(items.len());
    for item in items {
        match item.node() {
            Some(node) if !node.is_unread() => nodes.push(*node),
            Some(_) => {
                return refused("path", "the path leads out of the resource");
            }
            None => {
                return refused("path", "the path computes a value; it must lead to an element");
            }
        }
    }
    Ok(nodes)
}

fn single<'n, 'a>(nodes: &'n [Node<'a>]) -> Result<&'n Node<'a>, Refusal> {
    match nodes {
        [node] => Ok(node),
        [] => refused("path", "the path leads to nothing"),
        several => {
            let why = format!("the path leads to {} elements; it must lead to one", several.len());
            refused("path", why)
        }
    }
}
