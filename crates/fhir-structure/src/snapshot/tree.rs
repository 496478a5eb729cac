//! The elements of a definition as a tree: each with its children, slices beside what they slice.

use std::sync::Arc;

use fhir_model::{Issue, IssueType, Value};

use super::element::Element;

/// Paths of more names than this are refused.
pub(super) const MOST_NAMES: usize = 48;

/// An element of a snapshot with all below it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The last name of its path; the root has the first.
    pub(crate) name: Arc<str>,
    /// Its slice name.
    pub(crate) slice: Option<Arc<str>>,
    /// Its members.
    pub(crate) element: Element,
    /// What is below it, slices right after what they slice.
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// The tree of a list of elements in the order of a snapshot.
    pub(crate) fn of_snapshot(list: Value<'_>) -> Result<Self, Issue> {
        let mut open: Vec<Self> = Vec::new();
        for (index, json) in list.items().enumerate() {
            let place = format!("StructureDefinition.snapshot.element[{index}].path");
            let fault = |text: &str| Issue::error(IssueType::Structure, text).at(place.clone());
            let path = json.get("path").and_then(Value::text).unwrap_or_default();
            let depth = path.split('.').count();
            if depth > MOST_NAMES || path.is_empty() {
                return Err(fault("expected a path of 1 to 48 names"));
            }
            if depth > open.len() + 1 || (depth == 1) != open.is_empty() {
                return Err(fault("expected an element below the one before it or beside it"));
            }
            close(&mut open, depth - 1);
            open.push(Self {
                name: path.rsplit('.').next().unwrap_or_default().into(),
                slice: json.get("sliceName").and_then(Value::text).map(Arc::from),
                element: Element::of(json),
                children: Vec::new(),
            });
        }
        close(&mut open, 1);
        open.pop().ok_or_else(|| {
            Issue::error(IssueType::Structure, "expected elements")
                .at("StructureDefinition.snapshot.element")
        })
    }

    /// The descendant of these names below the root, slices left aside.
    pub(crate) fn at<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Option<&Self> {
        names.try_fold(self, |node, name| {
            node.children.iter().find(|each| each.slice.is_none() && *each.name == *name)
        })
    }

    /// How many elements it has with all below.
    pub(crate) fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }

    /// Writes it and all below as items of `snapshot.element`.
    pub(crate) fn write(&self, id_above: &str, path_above: &str, out: &mut Vec<u8>) {
        let dot = if path_above.is_empty() { "" } else { "." };
        let path = format!("{path_above}{dot}{}", self.name);
        let mut id = format!("{id_above}{dot}{}", self.name);
        if let Some(slice) = &self.slice {
            id.push(':');
            id.push_str(slice);
        }
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        self.element.write(&id, &path, self.slice.as_deref(), out);
        for child in &self.children {
            child.write(&id, &path, out);
        }
    }
}

/// Puts the open nodes beyond `depth` into those above them.
fn close(open: &mut Vec<Node>, depth: usize) {
    while open.len() > depth {
        let Some(last) = open.pop() else { return };
        match open.last_mut() {
            Some(above) => above.children.push(last),
            None => {
                open.push(last);
                return;
            }
        }
    }
}

/// Differentials of more elements are refused.
const MOST_SAID: usize = 5_000;

/// What a differential says of one element and of those below it.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// The last name of its path, as the differential writes it: maybe `valueQuantity`.
    pub(super) name: Arc<str>,
    /// Its slice name.
    pub(super) slice: Option<Arc<str>>,
    /// Its members; empty for an element that only stands above others.
    pub(super) element: Element,
    /// Where it stands in the differential; where it does not, the first below it.
    pub(super) index: usize,
    /// Whether the differential has an entry for it.
    pub(super) is_entry: bool,
    /// What is said of those below.
    pub(super) children: Vec<Said>,
}

impl Said {
    /// The tree of a differential. Elements between may be missing; where elements have ids of the
    /// form of the specification, those tell which slice a child belongs to, else it belongs to
    /// the last element of the path above it.
    pub(super) fn of_differential(list: Value<'_>, root: &str) -> Result<Self, Vec<Issue>> {
        let mut tree = Self::empty(root, None, 0);
        let mut faults = Vec::new();
        if list.items().nth(MOST_SAID).is_some() {
            let text = format!("expected at most {MOST_SAID} elements");
            let place = "StructureDefinition.differential.element";
            return Err(vec![Issue::error(IssueType::TooLong, text).at(place)]);
        }
        for (index, json) in list.items().enumerate() {
            let place = format!("StructureDefinition.differential.element[{index}]");
            let mut fault = |text: String| {
                faults.push(Issue::error(IssueType::Structure, text).at(format!("{place}.path")));
            };
            let path = json.get("path").and_then(Value::text).unwrap_or_default();
            let names: Vec<&str> = path.split('.').collect();
            if names.len() > MOST_NAMES || names.iter().any(|name| name.is_empty()) {
                fault("expected a path of 1 to 48 names".to_owned());
                continue;
            }
            if names.first() != Some(&root) {
                fault(format!("expected a path that starts with {root}"));
                continue;
            }
            let id = json.get("id").and_then(Value::text);
            let slices = slices_of(id.as_deref().unwrap_or_default(), &names);
            let slice = json.get("sliceName").and_then(Value::text);
            let slice = slice.as_deref().or_else(|| slices.last().copied().flatten());
            let node = tree.open(&names, &slices, slice, index);
            if node.is_entry {
                fault("the element is constrained twice".to_owned());
                continue;
            }
            node.is_entry = true;
            node.index = index;
            node.element = Element::of(json);
        }
        if faults.is_empty() { Ok(tree) } else { Err(faults) }
    }

    pub(super) fn empty(name: &str, slice: Option<&str>, index: usize) -> Self {
        Self {
            name: name.into(),
            slice: slice.map(Arc::from),
            element: Element::default(),
            index,
            is_entry: false,
            children: Vec::new(),
        }
    }

    /// The node of a path, made where it is not there. `slices` has an entry per name: the slice
    /// that the id names, or `None`; it is empty without a usable id.
    fn open(
        &mut self,
        names: &[&str],
        slices: &[Option<&str>],
        slice: Option<&str>,
        index: usize,
    ) -> &mut Self {
        let mut node = self;
        for (depth, name) in names.iter().enumerate().skip(1) {
            let is_last = depth + 1 == names.len();
            let wanted = if is_last { Some(slice) } else { slices.get(depth).copied() };
            let is_same = |each: &Self| {
                *each.name == **name && wanted.is_none_or(|slice| each.slice.as_deref() == slice)
            };
            let at = node.children.iter().rposition(is_same).unwrap_or_else(|| {
                let slice = wanted.flatten();
                node.children.push(Self::empty(name, slice, index));
                node.children.len() - 1
            });
            // Proven by the lines above; the shape keeps the borrow checker content.
            #[expect(clippy::indexing_slicing, reason = "the position was just found or made")]
            {
                node = &mut node.children[at];
            }
        }
        node
    }
}

/// The slice names that an id tells, one for each name of the path; empty where the id has
/// another form, as in hand-written differentials.
fn slices_of<'a>(id: &'a str, names: &[&str]) -> Vec<Option<&'a str>> {
    let parts: Vec<&str> = id.split('.').collect();
    if parts.len() != names.len() {
        return Vec::new();
    }
    let mut slices = Vec::with_capacity(parts.len());
    for (part, name) in parts.iter().zip(names) {
        let (part_name, slice) =
            part.split_once(':').map_or((*part, None), |(name, slice)| (name, Some(slice)));
        if part_name == *name {
            slices.push(slice);
        } else if part_name.strip_suffix("[x]").is_some_and(|stem| name.starts_with(stem)) {
            // `value[x]:valueQuantity` for the path `valueQuantity`: the name tells it all.
            slices.push(None);
        } else {
            return Vec::new();
        }
    }
    slices
}
