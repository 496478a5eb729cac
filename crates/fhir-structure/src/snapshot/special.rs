//! New types: what the base has comes first, what the differential adds comes after it.

use super::json::Json;
use super::make::{Maker, base_of};
use super::merge::code_of;
use super::tree::{Node, Said};

impl Maker<'_> {
    /// The children of a new type, or of an element that it adds.
    pub(super) fn specialize(&mut self, base: &[Node], said: &[Said], path: &str) -> Vec<Node> {
        let mut used = vec![false; said.len()];
        let mut made = self.groups(base, said, &mut used);
        for (said, _) in said.iter().zip(&used).filter(|(_, is_used)| !**is_used) {
            let node = self.added(said, path);
            if !self.afford(std::slice::from_ref(&node)) {
                break;
            }
            made.push(node);
        }
        made
    }

    /// An element that the base does not have.
    fn added(&mut self, said: &Said, path: &str) -> Node {
        let path = format!("{path}.{}", said.name);
        let mut element = said.element.clone();
        if !said.is_entry {
            self.fault(said, "path", format!("expected an element {path} above this one"));
        }
        if !element.has("base") {
            let base = base_of(&element, &path);
            element.set("base", base);
        }
        let mut children = Vec::new();
        let codes: Vec<String> =
            element.items("type").iter().map(|kind| code_of(kind).to_owned()).collect();
        let mut definitions = Vec::new();
        // What any element must be holds for it, and what any extension must be for extensions;
        // all else that its type asks, the type asks itself.
        let is_element = |code: &String| self.is_kind_of(code, "Element");
        if element.has("contentReference") || codes.first().is_some_and(is_element) {
            definitions.extend(self.definition_of_type("Element"));
        }
        if let [code] = codes.as_slice()
            && (!said.children.is_empty() || code == "Extension")
            && let Some(definition) = self.definition_of_type(code)
        {
            if !said.children.is_empty() {
                children.clone_from(&definition.root.children);
            }
            definitions.push(definition);
        }
        for definition in definitions {
            for constraint in definition.root.element.items("constraint") {
                let is_same = |old: &Json| old.get("key") == constraint.get("key");
                if !element.items("constraint").iter().any(is_same) {
                    element.push("constraint", constraint.clone());
                }
            }
        }
        let children = self.specialize(&children, &said.children, &path);
        Node { name: said.name.clone(), slice: said.slice.clone(), element, children }
    }
}
