//! Elements below one that the base does not unfold: those of its type, of the profile on its
//! type, or of what its content reference names.

use std::sync::Arc;

use super::element::Element;
use super::json::Json;
use super::make::{Definition, Maker};
use super::merge::{code_of, work_code};
use super::tree::{Node, Said};

impl Maker<'_> {
    /// What is below an element with what is said of it. The element loses a content reference
    /// that is followed.
    pub(super) fn below(&mut self, element: &mut Element, base: &[Node], said: &Said) -> Vec<Node> {
        if said.children.is_empty() || !base.is_empty() {
            return if said.children.is_empty() {
                base.to_vec()
            } else {
                self.children(base, &said.children)
            };
        }
        let children = if element.has("contentReference") {
            self.referred(element)
        } else {
            self.definition_below(element).map(|definition| definition.root.children.clone())
        };
        let Some(children) = children else {
            let text = "nothing says what is below this element".to_owned();
            self.fault(said, "path", text);
            return Vec::new();
        };
        self.children(&children, &said.children)
    }

    /// The definition of what is below an element: of its only type or profile; where there are
    /// several types, what they have in common.
    fn definition_below(&mut self, element: &Element) -> Option<Arc<Definition>> {
        let types = element.items("type");
        let first = types.first()?;
        if types.iter().any(|kind| code_of(kind) != code_of(first)) {
            return self.definition_of_type("Element");
        }
        if let ([kind], [profile]) = (types, first.items_at("profile"))
            && let Some(definition) = profile.text().and_then(|profile| self.definition(profile))
            && definition.type_name == code_of(kind)
        {
            return Some(definition);
        }
        self.definition_of_type(work_code(first))
    }

    /// What a content reference names: in the base of what is being made, or in the definition of
    /// the type that it starts with.
    fn referred(&mut self, element: &mut Element) -> Option<Vec<Node>> {
        let (url, path) = element.text("contentReference")?.split_once('#')?;
        let (url, path) = (url.to_owned(), path.to_owned());
        let (type_name, rest) = path.split_once('.')?;
        let base = self
            .base
            .clone()
            .filter(|base| *base.root.name == *type_name && (url.is_empty() || base.url == url));
        let base = match base {
            Some(base) => base,
            None if url.is_empty() => self.definition_of_type(type_name)?,
            None => self.definition(&url)?,
        };
        let target = base.root.at(rest.split('.'))?;
        element.remove("contentReference");
        element.take("type", &target.element);
        Some(target.children.clone())
    }

    /// Where one type with one profile is said, an extension or a resource becomes the root of
    /// that profile: its words, constraints and, with extensions, its numbers.
    pub(super) fn template(&mut self, element: &mut Element, said: &Said, base: &Node) {
        let [kind] = said.element.items("type") else { return };
        let Some(profile) = kind.items_at("profile").first().and_then(Json::text) else { return };
        let has_it =
            |old: &Json| old.items_at("profile").first().and_then(Json::text) == Some(profile);
        let old_types = base.element.items("type");
        let [old] = old_types else { return };
        if has_it(old) || !matches!(code_of(old), "Extension" | "Resource") {
            return;
        }
        let Some(definition) = self.definition(profile) else { return };
        let usage = std::mem::take(element);
        *element = definition.root.element.clone();
        element.remove("slicing");
        // `%resource` means another thing in a resource that stands inside of another one: whoever
        // validates it holds it to its own constraints.
        if definition.kind == "resource" {
            element.remove("constraint");
        }
        if definition.type_name != "Extension" {
            element.take("min", &usage);
            element.take("max", &usage);
        }
        fill(element, &usage);
        for key in ["base", "type"] {
            element.take(key, &usage);
        }
    }
}

/// What the usage says and the profile's root does not.
fn fill(element: &mut Element, usage: &Element) {
    for key in [
        "label",
        "definition",
        "short",
        "comment",
        "requirements",
        "min",
        "max",
        "example",
        "maxLength",
        "mustSupport",
        "binding",
        "slicing",
    ] {
        if !element.has(key) {
            element.take(key, usage);
        }
    }
    for start in ["fixed", "pattern", "minValue", "maxValue"] {
        if element.typed_key(start).is_none()
            && let Some(key) = usage.typed_key(start)
        {
            element.take(key, usage);
        }
    }
    let lists = [("alias", ""), ("code", ""), ("constraint", "key"), ("extension", "url")];
    for (list, told_by) in lists {
        for item in usage.items(list) {
            let is_same = |old: &Json| {
                if told_by.is_empty() { old == item } else { old.get(told_by) == item.get(told_by) }
            };
            if !element.items(list).iter().any(is_same) {
                element.push(list, item.clone());
            }
        }
    }
}
