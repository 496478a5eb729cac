//! Making a snapshot: what stands on what, and the result as a resource.

use std::collections::HashMap;
use std::sync::Arc;

use fhir_model::{Issue, IssueType, Resource, Value, write};

use super::element::Element;
use super::extensions;
use super::json::Json;
use super::links;
use super::tree::{Node, Said};
use crate::model::{Derivation, StructureDefinition};
use crate::{Canonical, Structures, r4, type_url};

/// A snapshot that costs more is refused; elements count once for each level that they lie below.
const MOST_ELEMENTS: usize = 50_000;
/// Definitions that stand on each other.
const MOST_BASES: usize = 32;

const BASE: &str = "http://hl7.org/fhir/StructureDefinition/Base";

/// A definition as others stand on it.
pub(super) struct Definition {
    pub(super) url: String,
    pub(super) type_name: String,
    pub(super) kind: String,
    /// Its snapshot, each element with its base and the sources of its constraints.
    pub(super) root: Node,
}

/// Makes snapshots; keeps the definitions that it has read.
pub(super) struct Maker<'s> {
    structures: &'s dyn Structures,
    known: HashMap<String, Option<Arc<Definition>>>,
    /// URLs of those that are being made, the outermost first.
    making: Vec<String>,
    pub(super) faults: Vec<Issue>,
    /// How many elements may still be made.
    left: usize,
    /// What the definition being made stands on: content references lead into it.
    pub(super) base: Option<Arc<Definition>>,
}

impl<'s> Maker<'s> {
    pub(super) fn new(structures: &'s dyn Structures) -> Self {
        let (known, making, faults) = (HashMap::new(), Vec::new(), Vec::new());
        Self { structures, known, making, faults, left: MOST_ELEMENTS, base: None }
    }

    /// The definition with its snapshot made anew; `None` where the faults say why not.
    pub(super) fn make(&mut self, resource: &Resource) -> Option<Resource> {
        let tree = self.tree(resource)?;
        let mut list = b"[".to_vec();
        tree.write("", "", &mut list);
        list.push(b']');
        Resource::trusted(with_list(resource.view().value, &list)).ok()
    }

    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        self.structures.find(canonical).or_else(|| r4().find(canonical))
    }

    /// A definition to stand on; made where it has no snapshot. `None` where nobody has it, or
    /// where it is being made just now.
    pub(super) fn definition(&mut self, canonical: &str) -> Option<Arc<Definition>> {
        if let Some(known) = self.known.get(canonical) {
            return known.clone();
        }
        let definition = match self.find(canonical) {
            Some(resource) => self.read(&resource).map(Arc::new),
            None if canonical == BASE => Some(Arc::new(base_of_all())),
            None => None,
        };
        self.known.insert(canonical.to_owned(), definition.clone());
        definition
    }

    /// The definition of a type: `HumanName`, or the URL of a logical model.
    pub(super) fn definition_of_type(&mut self, name: &str) -> Option<Arc<Definition>> {
        if name.contains(':') { self.definition(name) } else { self.definition(&type_url(name)) }
    }

    fn read(&mut self, resource: &Resource) -> Option<Definition> {
        let head = StructureDefinition::read(resource.view()).ok()?;
        let root = match head.json.get("snapshot").and_then(|view| view.get("element")) {
            Some(list) => Node::of_snapshot(list).ok()?,
            None => {
                let outer = (std::mem::take(&mut self.faults), self.left, self.base.take());
                let tree = self.tree(resource);
                (self.faults, self.left, self.base) = outer;
                tree?
            }
        };
        let (url, type_name) = (head.url.into_owned(), head.type_name.into_owned());
        let kind = head.kind.code().to_owned();
        let mut definition = Definition { url, type_name, kind, root };
        if r4().head(&definition.url).is_some() {
            links::absolute(&mut definition.root);
        }
        let mut path = definition.root.name.to_string();
        prepare(&mut definition.root, &mut path, &definition.url);
        Some(definition)
    }

    /// The tree of a snapshot made from the differential.
    fn tree(&mut self, resource: &Resource) -> Option<Node> {
        let head = match StructureDefinition::read(resource.view()) {
            Ok(head) => head,
            Err(faults) => {
                self.faults.extend(faults);
                return None;
            }
        };
        let url = head.url.to_string();
        if self.making.contains(&url) || self.making.len() > MOST_BASES {
            return self.refuse("baseDefinition", format!("{url} stands on itself"));
        }
        self.making.push(url);
        let tree = self.tree_on_base(&head);
        self.making.pop();
        tree
    }

    fn tree_on_base(&mut self, head: &StructureDefinition<'_>) -> Option<Node> {
        let Some(list) = head.json.get("differential").and_then(|view| view.get("element")) else {
            return self.refuse("differential", "expected a differential".to_owned());
        };
        let Some(canonical) = head.base.as_deref() else {
            return self.refuse("baseDefinition", "expected what it stands on".to_owned());
        };
        let base_url = Canonical::of(canonical).url;
        if self.making.iter().any(|url| url == base_url) {
            return self.refuse("baseDefinition", format!("{base_url} stands on itself"));
        }
        let Some(base) = self.definition(canonical) else {
            return self.refuse("baseDefinition", format!("no snapshot of {canonical} can be had"));
        };
        let is_new_type = head.derivation == Some(Derivation::Specialization);
        if !is_new_type && base.type_name != head.type_name {
            let text = format!("the base is of type {}, not {}", base.type_name, head.type_name);
            return self.refuse("type", text);
        }
        let name = head.type_name.rsplit('/').next().unwrap_or_default();
        let said = match Said::of_differential(list, name) {
            Ok(said) => said,
            Err(faults) => {
                self.faults.extend(faults);
                return None;
            }
        };
        let mut root = base.root.clone();
        root.name = name.into();
        self.base = Some(base);
        self.constrain(&mut root.element, &said, name);
        root.element.remove("requirements");
        root.children = if is_new_type {
            self.specialize(&root.children, &said.children, name)
        } else {
            self.children(&root.children, &said.children)
        };
        (self.left > 0).then_some(root)
    }

    fn refuse<T>(&mut self, member: &str, text: String) -> Option<T> {
        let place = format!("StructureDefinition.{member}");
        self.faults.push(Issue::error(IssueType::BusinessRule, text).at(place));
        None
    }

    /// Counts elements against what one snapshot may cost; `false`, and a fault, when it is used
    /// up.
    pub(super) fn afford(&mut self, nodes: &[Node]) -> bool {
        let count: usize = nodes.iter().map(Node::count).sum();
        let is_enough = count <= self.left;
        if !is_enough && self.left > 0 {
            self.refuse::<()>("differential", "the snapshot would be too large".to_owned());
        }
        self.left = if is_enough { self.left - count } else { 0 };
        is_enough
    }

    /// Whether a type is another one or stands on it.
    pub(super) fn is_kind_of(&self, code: &str, ancestor: &str) -> bool {
        let mut code = code.to_owned();
        for _ in 0..MOST_BASES {
            if code == ancestor {
                return true;
            }
            let url = if code.contains(':') { code } else { type_url(&code) };
            let Some(resource) = self.find(&url) else { return false };
            let Ok(head) = StructureDefinition::read(resource.view()) else { return false };
            let Some(base) = head.base else { return false };
            code = Canonical::of(&base).url.rsplit('/').next().unwrap_or_default().to_owned();
        }
        false
    }
}

/// Logical models stand on it, and R4 does not define it.
fn base_of_all() -> Definition {
    let mut element = Element::default();
    element.set("min", Json::count(0));
    element.set("max", Json::text_of("*"));
    element.set("base", base_of(&element, "Base"));
    element.set("isModifier", Json::flag(false));
    let root = Node { name: "Base".into(), slice: None, element, children: Vec::new() };
    let (type_name, kind) = ("Base".to_owned(), "logical".to_owned());
    Definition { url: BASE.to_owned(), type_name, kind, root }
}

/// Makes elements such that others can stand on them: each says what it was where it was first
/// defined, each constraint where it comes from.
fn prepare(node: &mut Node, path: &mut String, url: &str) {
    let element = &mut node.element;
    extensions::thin(element);
    if !element.has("base") {
        element.set("base", base_of(element, path));
    }
    let is_sourced = |constraint: &Json| constraint.get("source").is_some();
    if !element.items("constraint").iter().all(is_sourced) {
        element.change("constraint", |list| {
            if let Json::List(constraints) = list {
                for constraint in constraints.iter_mut().filter(|each| !is_sourced(each)) {
                    constraint.set("source", Json::text_of(url));
                }
            }
        });
    }
    let length = path.len();
    for child in &mut node.children {
        path.push('.');
        path.push_str(&child.name);
        prepare(child, path, url);
        path.truncate(length);
    }
}

/// What an element is where it is first defined.
pub(super) fn base_of(element: &Element, path: &str) -> Json {
    let max = element.text("max").unwrap_or("*");
    Json::object([
        ("path", Json::text_of(path)),
        ("min", Json::count(element.min().unwrap_or_default())),
        ("max", Json::text_of(max)),
    ])
}

/// The resource with this list as `snapshot.element`.
fn with_list(root: Value<'_>, list: &[u8]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    let mut is_written = false;
    let member = |key: &str, value: &[u8], out: &mut Vec<u8>| {
        if out.len() > 1 {
            out.push(b',');
        }
        write::string(key, out);
        out.push(b':');
        out.extend_from_slice(value);
    };
    let snapshot = [b"{\"element\":", list, b"}"].concat();
    for (key, value) in root.members() {
        if key == "snapshot" {
            continue;
        }
        if key == "differential" && !is_written {
            member("snapshot", &snapshot, &mut out);
            is_written = true;
        }
        member(&key, value.raw(), &mut out);
    }
    if !is_written {
        member("snapshot", &snapshot, &mut out);
    }
    out.push(b'}');
    out
}
