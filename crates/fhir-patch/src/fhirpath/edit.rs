//! Changes of one object: a primitive's value and what stands beside it go together.

use fhir_definitions::{ElementDefinition, TypeDefinition};

use super::value::Built;
use super::{Refusal, refused};
use crate::tree::Tree;

/// Adds an element: to the end of its list, or as what was not there.
pub(super) fn add(
    object: &mut Tree,
    definition: &TypeDefinition,
    element: &ElementDefinition,
    built: Built,
) -> Result<(), Refusal> {
    if element.repeats {
        let end = List::of(object, element.key).length();
        return insert(object, definition, element, (end, built));
    }
    let is_rival = |other: &&ElementDefinition| {
        other.key == element.key || (other.group.is_some() && other.group == element.group)
    };
    let rivals = definition.elements.iter().filter(is_rival);
    for rival in rivals {
        if object.get(rival.key).is_some() || object.get(&beside(rival.key)).is_some() {
            let why = format!("{} is there already and does not repeat; replace it", rival.key);
            return refused("name", why);
        }
    }
    let Built { value, sibling } = built;
    if let Some(value) = value {
        set(object, definition, element.key, value);
    }
    if let Some(sibling) = sibling {
        set(object, definition, &beside(element.key), sibling);
    }
    Ok(())
}

/// Puts an element into a list.
pub(super) fn insert(
    object: &mut Tree,
    definition: &TypeDefinition,
    element: &ElementDefinition,
    (index, built): (usize, Built),
) -> Result<(), Refusal> {
    let mut list = List::of(object, element.key);
    if index > list.length() {
        let why = format!("there is no place {index} in a list of {}", list.length());
        return refused("index", why);
    }
    list.entries.insert(index, built);
    list.put(object, definition, element.key);
    Ok(())
}

/// Takes an element out.
pub(super) fn remove(object: &mut Tree, key: &str, index: Option<usize>) {
    let Some(index) = index else {
        object.take(key);
        object.take(&beside(key));
        return;
    };
    let mut list = List::of(object, key);
    if index < list.entries.len() {
        list.entries.remove(index);
    }
    list.put_back(object, key);
}

/// Puts another element in the place of one; of a choice, it may have another key.
pub(super) fn replace(
    object: &mut Tree,
    (key, index): (&str, Option<usize>),
    element: &ElementDefinition,
    built: Built,
) {
    if let Some(index) = index {
        let mut list = List::of(object, key);
        if let Some(place) = list.entries.get_mut(index) {
            *place = built;
        }
        return list.put_back(object, key);
    }
    let Tree::Object(members) = object else { return };
    let sibling_key = beside(key);
    let at = members
        .iter()
        .position(|(name, _)| name == key || *name == sibling_key)
        .unwrap_or(members.len());
    members.retain(|(name, _)| name != key && *name != sibling_key);
    let Built { value, sibling } = built;
    let mut fresh = Vec::with_capacity(2);
    fresh.extend(value.map(|value| (element.key.to_owned(), value)));
    fresh.extend(sibling.map(|sibling| (beside(element.key), sibling)));
    let at = at.min(members.len());
    members.splice(at..at, fresh);
}

/// Moves an element within its list.
pub(super) fn reorder(
    object: &mut Tree,
    key: &str,
    source: usize,
    destination: usize,
) -> Result<(), Refusal> {
    let mut list = List::of(object, key);
    let length = list.length();
    for (part, index) in [("source", source), ("destination", destination)] {
        if index >= length {
            return refused(part, format!("there is no place {index} in a list of {length}"));
        }
    }
    let moved = list.entries.remove(source);
    list.entries.insert(destination, moved);
    list.put_back(object, key);
    Ok(())
}

/// A list of elements, each with what stands beside it.
struct List {
    entries: Vec<Built>,
}

impl List {
    /// Takes the elements out of an object, whose members stay in their places.
    fn of(object: &Tree, key: &str) -> Self {
        let items = |key: &str| match object.get(key) {
            Some(Tree::Array(items)) => items.as_slice(),
            Some(Tree::Object(_) | Tree::String(_) | Tree::Literal(_) | Tree::Null) | None => &[],
        };
        let (values, siblings) = (items(key), items(&beside(key)));
        let there = |tree: Option<&Tree>| tree.filter(|tree| !tree.is_null()).cloned();
        let entries = (0..values.len().max(siblings.len()))
            .map(|at| Built { value: there(values.get(at)), sibling: there(siblings.get(at)) })
            .collect();
        Self { entries }
    }

    fn length(&self) -> usize {
        self.entries.len()
    }

    /// Writes the list, at its place in the order of the type where it is new.
    fn put(self, object: &mut Tree, definition: &TypeDefinition, key: &str) {
        if !self.entries.is_empty() && object.get(key).is_none() {
            set(object, definition, key, Tree::Null);
        }
        let has_siblings = self.entries.iter().any(|entry| entry.sibling.is_some());
        if has_siblings && object.get(&beside(key)).is_none() {
            set(object, definition, &beside(key), Tree::Null);
        }
        self.put_back(object, key);
    }

    /// Writes the list where it was; members with nothing in them go.
    fn put_back(self, object: &mut Tree, key: &str) {
        let or_null = |tree: Option<Tree>| tree.unwrap_or(Tree::Null);
        let (values, siblings): (Vec<Tree>, Vec<Tree>) = self
            .entries
            .into_iter()
            .map(|entry| (or_null(entry.value), or_null(entry.sibling)))
            .unzip();
        for (key, items) in [(key.to_owned(), values), (beside(key), siblings)] {
            if items.iter().all(Tree::is_null) {
                object.take(&key);
            } else {
                object.set(&key, Tree::Array(items));
            }
        }
    }
}

/// Sets a member that is new, at its place in the order of the type.
fn set(object: &mut Tree, definition: &TypeDefinition, key: &str, value: Tree) {
    let rank = |key: &str| {
        let bare = key.strip_prefix('_').unwrap_or(key);
        let at = definition.elements.iter().position(|element| element.key == bare);
        at.map_or(0, |at| at * 2 + 1 + usize::from(key.starts_with('_')))
    };
    let Tree::Object(members) = object else { return };
    let own = rank(key);
    let at = members.iter().position(|(name, _)| rank(name) > own).unwrap_or(members.len());
    members.insert(at, (key.to_owned(), value));
}

fn beside(key: &str) -> String {
    format!("_{key}")
}
