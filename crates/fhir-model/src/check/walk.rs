//! The walk of a tape beside the element table.

use std::borrow::Cow;

use fhir_definitions::{
    Definitions, ElementDefinition, Primitive, ResourceType, TypeDefinition, TypeIndex, ValueType,
    XmlForm, r4,
};

use super::faults::{
    ARRAYS_IN_STEP, CHOICE, CONTAINED, DUPLICATE_KEY, EMPTY, Fault, JSON_TYPE, MINIMUM, NULL,
    RESOURCE_TYPE, Rule, UNKNOWN_ELEMENT, shape, shown,
};
use super::path::Path;
use super::{MAX_FAULTS, names, primitive};
use crate::failure::Issue;
use crate::tape::{Children, Kind, Value};

/// Walks a document; gives its type, where it has one, and the faults in no order.
pub(super) fn run(root: Value<'_>) -> (Option<ResourceType>, Vec<Fault>) {
    let definitions = r4();
    let element = definitions.type_named("Element").unwrap_or(TypeIndex(0));
    let mut walk = Walk { definitions, element, faults: Vec::new() };
    let start = Path { parent: None, name: "Resource", choice: None, index: None };
    let resource_type = walk.type_of(root, &start);
    if let Some(resource_type) = resource_type {
        let path = Path { name: resource_type.as_str(), ..start };
        walk.object(root, TypeIndex(resource_type.index()), &path, Place::Resource);
    }
    (resource_type, walk.faults)
}

/// Where an object stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Element,
    Resource,
    Contained,
}

struct Walk {
    definitions: &'static Definitions,
    element: TypeIndex,
    faults: Vec<Fault>,
}

/// What has been seen of an object: bits by position of the element.
#[derive(Default)]
struct Seen {
    values: [u64; 4],
    extensions: [u64; 4],
    /// By choice: the position of its value, plus one.
    choices: [u16; 8],
}

impl Seen {
    /// Marks an element; false where it was marked before.
    #[inline]
    fn mark(bits: &mut [u64; 4], position: usize) -> bool {
        let Some(word) = bits.get_mut(position / 64) else { return true };
        let bit = 1 << (position % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

impl Walk {
    fn fault(
        &mut self,
        rule: Rule,
        offset: usize,
        path: &Path<'_>,
        told: impl FnOnce() -> (Cow<'static, str>, Cow<'static, str>),
    ) {
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        let (expected, found) = told();
        let issue = Issue::error(rule.code, format!("expected {expected}, found {found}"))
            .rule(rule.name)
            .at(path.expression());
        self.faults.push(Fault { offset, issue });
    }

    fn json_type(&mut self, expected: &'static str, value: Value<'_>, path: &Path<'_>) {
        let rule = if value.is_null() { NULL } else { JSON_TYPE };
        self.fault(rule, value.offset(), path, || (expected.into(), shape(value)));
    }

    /// The type that an object claims to be; a fault where it claims none.
    fn type_of(&mut self, value: Value<'_>, path: &Path<'_>) -> Option<ResourceType> {
        if value.kind() != Kind::Object {
            self.json_type("a resource: an object", value, path);
            return None;
        }
        let Some(name) = value.get("resourceType") else {
            let told = || ("resourceType".into(), "none".into());
            self.fault(RESOURCE_TYPE, value.offset(), path, told);
            return None;
        };
        let Some(text) = name.text() else {
            self.json_type("the name of a resource type: a string", name, path);
            return None;
        };
        let found = ResourceType::named(&text);
        if found.is_none() {
            self.fault(RESOURCE_TYPE, name.offset(), path, || {
                let all = ResourceType::all().map(ResourceType::as_str);
                let nearest = names::nearest(&text, all);
                let expected = with_nearest("the name of a resource type of R4", &nearest);
                (expected.into(), format!("\"{}\"", shown(&text)).into())
            });
        }
        found
    }

    fn object(&mut self, object: Value<'_>, table: TypeIndex, path: &Path<'_>, place: Place) {
        let owner = self.definitions.get(table);
        let mut seen = Seen::default();
        let mut is_empty = true;
        let mut has_type = false;
        for member in object.children(Kind::Object) {
            is_empty = false;
            let unescaped;
            let key = if member.node().key_is_escaped {
                unescaped = member.key();
                unescaped.as_ref()
            } else {
                member.raw_key()
            };
            if place != Place::Element && key == "resourceType" {
                if has_type {
                    self.duplicate(member, key, path);
                }
                has_type = true;
                continue;
            }
            self.member(object, member, key, &mut seen, &Owner { definition: owner, path, place });
        }
        if is_empty {
            let told = || ("an object with members".into(), "{}".into());
            self.fault(EMPTY, object.offset(), path, told);
            return;
        }
        self.missing(object, owner, &seen, path);
    }

    #[inline]
    fn member(
        &mut self,
        object: Value<'_>,
        member: Value<'_>,
        key: &str,
        seen: &mut Seen,
        owner: &Owner<'_>,
    ) {
        let (name, is_sibling) = match key.strip_prefix('_') {
            Some(name) => (name, true),
            None => (key, false),
        };
        let position = owner.definition.position(name);
        let known = position.and_then(|at| Some((at, owner.definition.elements.get(at)?)));
        let Some((position, element)) =
            known.filter(|(_, element)| !is_sibling || has_sibling(element))
        else {
            self.unknown(member, key, owner);
            return;
        };
        let group = element.group.and_then(|group| owner.definition.groups.get(usize::from(group)));
        let step = Path {
            parent: Some(owner.path),
            name: group.map_or(element.key, |group| group.name),
            choice: group.map(|_group| type_name(self.definitions, element)),
            index: None,
        };
        let bits = if is_sibling { &mut seen.extensions } else { &mut seen.values };
        if !Seen::mark(bits, position) {
            self.duplicate(member, key, owner.path);
            return;
        }
        if let (Some(group), Some(name)) = (element.group, group) {
            self.choice(member, (position, group), seen, owner, name.name);
        }
        if owner.place == Place::Contained && element.key == "contained" {
            let told = || ("no contained resources here".into(), "some".into());
            self.fault(CONTAINED, member.key_offset(), &step, told);
        }
        if is_sibling {
            self.sibling(object, member, element, &step);
        } else {
            self.element(object, member, element, &step);
        }
    }

    fn choice(
        &mut self,
        member: Value<'_>,
        (position, group): (usize, u8),
        seen: &mut Seen,
        owner: &Owner<'_>,
        name: &'static str,
    ) {
        let Some(slot) = seen.choices.get_mut(usize::from(group)) else { return };
        let number = u16::try_from(position + 1).unwrap_or(u16::MAX);
        if *slot == 0 || *slot == number {
            *slot = number;
            return;
        }
        let key_at = |at: usize| owner.definition.elements.get(at).map_or("", |each| each.key);
        let (first, second) = (key_at(usize::from(*slot) - 1), key_at(position));
        let path = Path { parent: Some(owner.path), name, choice: None, index: None };
        self.fault(CHOICE, member.key_offset(), &path, || {
            (format!("one of {name}[x]").into(), format!("{first} and {second}").into())
        });
    }

    #[cold]
    fn unknown(&mut self, member: Value<'_>, key: &str, owner: &Owner<'_>) {
        let path = Path { parent: Some(owner.path), name: key, choice: None, index: None };
        let definition = owner.definition;
        self.fault(UNKNOWN_ELEMENT, member.key_offset(), &path, || {
            let keys = definition.elements.iter().map(|element| element.key);
            let nearest = names::nearest(key.strip_prefix('_').unwrap_or(key), keys);
            let expected = with_nearest(&format!("an element of {}", definition.name), &nearest);
            (expected.into(), format!("\"{}\"", shown(key)).into())
        });
    }

    #[cold]
    fn duplicate(&mut self, member: Value<'_>, key: &str, path: &Path<'_>) {
        let path = Path { parent: Some(path), name: key, choice: None, index: None };
        let told = || ("each key once".into(), "it again".into());
        self.fault(DUPLICATE_KEY, member.key_offset(), &path, told);
    }

    #[inline]
    fn missing(&mut self, object: Value<'_>, owner: &TypeDefinition, seen: &Seen, path: &Path<'_>) {
        let present = seen.values.iter().zip(seen.extensions);
        for (word, (required, (values, extensions))) in
            owner.required().iter().zip(present).enumerate()
        {
            let mut missing = required & !(values | extensions);
            while missing != 0 {
                let position = word * 64 + missing.trailing_zeros() as usize;
                missing &= missing - 1;
                let name = owner.elements.get(position).map_or("", |element| element.key);
                self.absent(object, name, path);
            }
        }
        for (group, chosen) in owner.groups.iter().zip(seen.choices) {
            if group.min > 0 && chosen == 0 {
                self.absent(object, group.name, path);
            }
        }
    }

    #[cold]
    fn absent(&mut self, object: Value<'_>, name: &str, path: &Path<'_>) {
        let path = Path { parent: Some(path), name, choice: None, index: None };
        let told = || ("at least one".into(), "none".into());
        self.fault(MINIMUM, object.offset(), &path, told);
    }

    /// Checks what stands at the key of an element.
    fn element(
        &mut self,
        object: Value<'_>,
        value: Value<'_>,
        element: &ElementDefinition,
        step: &Path<'_>,
    ) {
        match (element.repeats, value.kind()) {
            (true, Kind::Array) => {
                let mut siblings = InStep::new(object, element, "_");
                let mut is_empty = true;
                for (index, item) in value.children(Kind::Array).enumerate() {
                    is_empty = false;
                    let path = Path { index: Some(index), ..*step };
                    let is_primitive = matches!(element.value, ValueType::Primitive(_));
                    if item.is_null() && is_primitive && siblings.holds(index) {
                        continue;
                    }
                    self.single(item, element, &path);
                }
                if is_empty {
                    self.empty_array(value, step);
                }
            }
            (true, _) => self.json_type("an array", value, step),
            (false, _) => self.single(value, element, step),
        }
    }

    fn empty_array(&mut self, value: Value<'_>, step: &Path<'_>) {
        let told = || ("an array with elements".into(), "[]".into());
        self.fault(EMPTY, value.offset(), step, told);
    }

    #[inline]
    fn single(&mut self, value: Value<'_>, element: &ElementDefinition, path: &Path<'_>) {
        match element.value {
            ValueType::Primitive(_) if value.is_null() => {
                let told = || ("a value".into(), "null".into());
                self.fault(NULL, value.offset(), path, told);
            }
            ValueType::Primitive(kind) => {
                if let Some(wrong) = primitive::check(value, kind) {
                    let told = || (wrong.expected, wrong.found);
                    self.fault(wrong.rule, value.offset(), path, told);
                }
            }
            ValueType::Complex(table) => {
                if value.kind() == Kind::Object {
                    self.object(value, table, path, Place::Element);
                } else {
                    self.json_type("an object", value, path);
                }
            }
            ValueType::Resource => {
                if let Some(resource_type) = self.type_of(value, path) {
                    let is_contained = element.key == "contained";
                    let place = if is_contained { Place::Contained } else { Place::Resource };
                    self.object(value, TypeIndex(resource_type.index()), path, place);
                }
            }
        }
    }

    /// Checks what stands at `_key`: id and extensions of a primitive.
    fn sibling(
        &mut self,
        object: Value<'_>,
        value: Value<'_>,
        element: &ElementDefinition,
        step: &Path<'_>,
    ) {
        if !element.repeats {
            return self.extended(value, step);
        }
        if value.kind() != Kind::Array {
            return self.json_type("an array", value, step);
        }
        let mut values = InStep::new(object, element, "");
        let mut count = 0;
        for item in value.children(Kind::Array) {
            if !(item.is_null() && values.holds(count)) {
                self.extended(item, &Path { index: Some(count), ..*step });
            }
            count += 1;
        }
        if count == 0 {
            self.empty_array(value, step);
        }
        let length = values.length();
        if length.is_some_and(|length| length != count) {
            self.fault(ARRAYS_IN_STEP, value.key_offset(), step, || {
                let expected = format!("{} elements as in {}", length.unwrap_or(0), element.key);
                (expected.into(), count.to_string().into())
            });
        }
    }

    fn extended(&mut self, value: Value<'_>, path: &Path<'_>) {
        if value.kind() == Kind::Object {
            self.object(value, self.element, path, Place::Element);
        } else {
            self.json_type("an object with id or extension", value, path);
        }
    }
}

/// The type that members are checked against, and where its object stands.
struct Owner<'p> {
    definition: &'static TypeDefinition,
    path: &'p Path<'p>,
    place: Place,
}

/// Whether `_key` may stand beside `key`.
fn has_sibling(element: &ElementDefinition) -> bool {
    matches!(element.value, ValueType::Primitive(kind) if kind != Primitive::Xhtml)
        && element.xml == XmlForm::Element
}

fn type_name(definitions: &'static Definitions, element: &ElementDefinition) -> &'static str {
    match element.value {
        ValueType::Primitive(primitive) => primitive.name(),
        ValueType::Complex(index) => definitions.get(index).name,
        ValueType::Resource => "Resource",
    }
}

fn with_nearest(expected: &str, nearest: &[&str]) -> String {
    if nearest.is_empty() {
        return expected.to_owned();
    }
    format!("{expected} (perhaps {})", nearest.join(" or "))
}

/// The array beside an array of primitives, read in step with it and only where a null asks.
struct InStep<'a, 'e> {
    object: Value<'a>,
    key: &'e str,
    prefix: &'static str,
    items: Option<Option<Children<'a>>>,
    next: usize,
}

impl<'a, 'e> InStep<'a, 'e> {
    fn new(object: Value<'a>, element: &'e ElementDefinition, prefix: &'static str) -> Self {
        Self { object, key: element.key, prefix, items: None, next: 0 }
    }

    fn array(&self) -> Option<Value<'a>> {
        self.object
            .children(Kind::Object)
            .find(|member| member.key().strip_prefix(self.prefix) == Some(self.key))
    }

    /// Whether the other array has something but null at this index; indices must rise.
    fn holds(&mut self, index: usize) -> bool {
        if self.items.is_none() {
            self.items = Some(self.array().map(|array| array.children(Kind::Array)));
        }
        let Some(Some(items)) = &mut self.items else { return false };
        let item = items.nth(index - self.next);
        self.next = index + 1;
        item.is_some_and(|item| !item.is_null())
    }

    /// How many elements the other array has, `None` where there is no such array.
    fn length(&self) -> Option<usize> {
        let array = self.array().filter(|array| array.kind() == Kind::Array)?;
        Some(array.children(Kind::Array).count())
    }
}
