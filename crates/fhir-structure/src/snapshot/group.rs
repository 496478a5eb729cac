//! The elements below one element: each name with what is said of it, slices included.
//!
//! An element and its slices are one group. What a differential says of the element itself is laid
//! over it; what it says of a slice that the base has, over that slice; a new slice starts as the
//! element of the base, with what the differential says of those below the element.

use std::borrow::Cow;
use std::sync::Arc;

use super::choice;
use super::json::Json;
use super::make::Maker;
use super::merge::{code_of, reset_words};
use super::slicing;
use super::tree::{Node, Said};
use crate::model::Max;

/// What is said of one slice.
pub(super) struct SaidSlice<'d> {
    pub(super) name: Arc<str>,
    pub(super) said: &'d Said,
    /// The type that the name of the element tells: `valueQuantity`.
    pub(super) type_code: Option<String>,
}

impl Maker<'_> {
    /// The children of an element with what is said of them; what the base does not have is a
    /// fault.
    pub(super) fn children(&mut self, base: &[Node], said: &[Said]) -> Vec<Node> {
        let mut used = vec![false; said.len()];
        let made = self.groups(base, said, &mut used);
        for (said, _) in said.iter().zip(&used).filter(|(_, is_used)| !**is_used) {
            self.fault(said, "path", format!("the base has no element {} here", said.name));
        }
        made
    }

    /// The groups of the base with what is said of them.
    pub(super) fn groups(&mut self, base: &[Node], said: &[Said], used: &mut [bool]) -> Vec<Node> {
        let mut made = Vec::with_capacity(base.len());
        for group in base.chunk_by(|one, two| one.name == two.name) {
            let Some((main, slices)) = group.split_first() else { continue };
            let mut of_group = Vec::new();
            for (said, is_used) in said.iter().zip(used.iter_mut()) {
                if !*is_used && choice::is_name_of(&said.name, &main.name) {
                    *is_used = true;
                    of_group.push(said);
                }
            }
            if of_group.is_empty() {
                made.extend_from_slice(group);
            } else {
                let group = self.group(main, slices, &of_group);
                if !self.afford(&group) {
                    return made;
                }
                made.extend(group);
            }
        }
        made
    }

    /// One element, its slices, and what is said of them.
    fn group(&mut self, main: &Node, slices: &[Node], said: &[&Said]) -> Vec<Node> {
        let (of_main, of_slices) = self.sort(main, said);
        let of_main = of_main.as_deref();
        let mut group = vec![self.main(main, of_main, &of_slices)];
        for slice in slices {
            let said = of_slices.iter().find(|each| Some(&each.name) == slice.slice.as_ref());
            group.push(said.map_or_else(|| slice.clone(), |said| self.known_slice(slice, said)));
        }
        let is_closed = slicing::is_closed(&main.element) && !main.name.ends_with("[x]");
        for said in &of_slices {
            if slices.iter().any(|slice| slice.slice.as_ref() == Some(&said.name)) {
                continue;
            }
            let above = said.name.rsplit_once('/').map(|(above, _)| above);
            if is_closed && above.is_none() {
                let text = format!("the base has closed slices, and none named {}", said.name);
                self.fault(said.said, "sliceName", text);
            }
            let at = above.and_then(|above| {
                group.iter().position(|each| each.slice.as_deref() == Some(above))
            });
            match (above, at) {
                (Some(above), None) => {
                    let text = format!("there is no slice {above} to slice again");
                    self.fault(said.said, "sliceName", text);
                }
                (Some(above), Some(at)) => self.slice_again(&mut group, above, at, said),
                (None, _) => {
                    let slice = self.new_slice(main, &group, said);
                    group.push(slice);
                }
            }
        }
        self.after_slices(main, of_main, &of_slices, &mut group);
        group
    }

    /// Tells what is said of the element itself from what is said of its slices.
    fn sort<'d>(
        &mut self,
        main: &Node,
        said: &[&'d Said],
    ) -> (Option<Cow<'d, Said>>, Vec<SaidSlice<'d>>) {
        let mut of_main: Option<Cow<'d, Said>> = None;
        let mut of_slices: Vec<SaidSlice<'d>> = Vec::new();
        for said in said.iter().copied() {
            let type_code = self.type_in_name(main, &said.name);
            let name = match (&said.slice, &type_code) {
                (Some(slice), _) => Arc::clone(slice),
                (None, None) => {
                    of_main = Some(Cow::Borrowed(said));
                    continue;
                }
                (None, Some(code))
                    if !said.is_entry && is_only_type(main, of_main.as_deref(), code) =>
                {
                    // `valueQuantity.unit` where `value[x]` is nothing but a Quantity.
                    let whole = of_main.get_or_insert_with(|| {
                        Cow::Owned(Said::empty(&main.name, None, said.index))
                    });
                    whole.to_mut().children.extend(said.children.iter().cloned());
                    continue;
                }
                (None, Some(_)) => Arc::clone(&said.name),
            };
            if of_slices.iter().any(|each| each.name == name) {
                self.fault(said, "sliceName", format!("there are two slices named {name}"));
                continue;
            }
            of_slices.push(SaidSlice { name, said, type_code });
        }
        (of_main, of_slices)
    }

    /// The element itself.
    fn main(&mut self, base: &Node, said: Option<&Said>, of_slices: &[SaidSlice<'_>]) -> Node {
        let mut node = base.clone();
        let Some(said) = said else {
            if !of_slices.is_empty() && !node.element.has("slicing") {
                self.slice_unasked(&mut node, of_slices);
            }
            return node;
        };
        self.template(&mut node.element, said, base);
        self.constrain(&mut node.element, said, &base.name);
        if said.element.has("slicing") {
            self.slicing(&mut node.element, said);
        }
        if !of_slices.is_empty() && !node.element.has("slicing") {
            self.slice_unasked(&mut node, of_slices);
        }
        node.children = self.below(&mut node.element, &base.children, said);
        node
    }

    /// Slices are there, and nothing says how they are told apart: extensions by their URL, the
    /// types of a choice by type; all else is a fault.
    fn slice_unasked(&mut self, node: &mut Node, of_slices: &[SaidSlice<'_>]) {
        if matches!(&*node.name, "extension" | "modifierExtension") {
            reset_words(&mut node.element);
            node.element.set("slicing", slicing::by_url());
        } else if node.name.ends_with("[x]") {
            node.element.set("slicing", slicing::by_type());
        } else if let Some(first) = of_slices.first() {
            let text = "there are slices, and nothing says how they are told apart".to_owned();
            self.fault(first.said, "slicing", text);
        }
    }

    /// A slice of the base with what is said of it.
    fn known_slice(&mut self, slice: &Node, said: &SaidSlice<'_>) -> Node {
        let mut node = slice.clone();
        self.template(&mut node.element, said.said, slice);
        self.constrain(&mut node.element, said.said, &slice.name);
        if said.said.element.has("slicing") {
            self.slicing(&mut node.element, said.said);
        }
        node.children = self.below(&mut node.element, &slice.children, said.said);
        node
    }

    /// A slice that the base does not have.
    fn new_slice(&mut self, base: &Node, group: &[Node], said: &SaidSlice<'_>) -> Node {
        let main = group.first().unwrap_or(base);
        let mut node = Node { slice: Some(Arc::clone(&said.name)), ..base.clone() };
        node.children.clone_from(&main.children);
        node.element.remove("slicing");
        self.fill_slice(&mut node, base, said);
        if let (Some(Max::Times(most)), Some(max)) = (main.element.max(), node.element.max())
            && max > Max::Times(most)
        {
            node.element.set("max", Json::text_of(&most.to_string()));
        }
        node
    }

    /// A slice of a slice, after those that it has already.
    fn slice_again(&mut self, group: &mut Vec<Node>, above: &str, at: usize, said: &SaidSlice<'_>) {
        let Some(template) = group.get(at).cloned() else { return };
        let is_below = |node: &Node| {
            let rest = node.slice.as_deref().and_then(|name| name.strip_prefix(above));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let count = group.iter().skip(at + 1).take_while(|node| is_below(node)).count();
        let mut node = Node { slice: Some(Arc::clone(&said.name)), ..template.clone() };
        node.element.remove("slicing");
        self.fill_slice(&mut node, &template, said);
        group.insert(at + 1 + count, node);
    }

    fn fill_slice(&mut self, node: &mut Node, base: &Node, said: &SaidSlice<'_>) {
        let children = std::mem::take(&mut node.children);
        if let Some(code) = &said.type_code
            && !said.said.element.has("type")
        {
            choice::keep_type(&mut node.element, code);
        }
        self.template(&mut node.element, said.said, base);
        // Only what says so has to be there.
        let is_only_type = node.name.ends_with("[x]") && base.element.items("type").len() == 1;
        if !said.said.element.has("min") && !is_only_type {
            node.element.set("min", Json::count(0));
        }
        self.constrain(&mut node.element, said.said, &base.name);
        if said.said.element.has("slicing") {
            self.slicing(&mut node.element, said.said);
        }
        node.children = self.below(&mut node.element, &children, said.said);
    }
}

/// Whether the element itself has only this type, and no slices.
fn is_only_type(main: &Node, said: Option<&Said>, code: &str) -> bool {
    let said = said.map(|said| &said.element).filter(|said| said.has("type"));
    let types = said.unwrap_or(&main.element).items("type");
    matches!(types, [kind] if code_of(kind) == code) && !main.element.has("slicing")
}
