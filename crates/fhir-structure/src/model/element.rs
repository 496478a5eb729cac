//! An ElementDefinition.
//! Spec: <https://hl7.org/fhir/R4/elementdefinition.html>

use std::borrow::Cow;

use fhir_model::{Issue, Kind, Value};

use super::parts::{Base, Binding, Constraint, Max, Slicing, TypeRef};
use super::read::{Reader, items};

/// A value that an element definition states: `fixed[x]`, `pattern[x]`, `minValue[x]`,
/// `maxValue[x]`.
#[derive(Clone, Debug)]
pub struct Fixed<'a> {
    /// What follows the name of the member, `CodeableConcept` or `String`: the type with a
    /// capital.
    pub suffix: Cow<'a, str>,
    /// The value as JSON. With primitives it may be missing where only `_fixed…` is there.
    pub value: Option<Value<'a>>,
    /// Id and extensions of a primitive: `_fixedString`.
    pub beside: Option<Value<'a>>,
}

/// An ElementDefinition, borrowed from its resource.
#[derive(Clone, Debug)]
pub struct ElementDefinition<'a> {
    /// The JSON object, for what has no field here.
    pub json: Value<'a>,
    /// Its place in the list that it was read from.
    pub index: usize,
    /// `Patient.contact:mother.name`; snapshots have it, differentials should.
    pub id: Option<Cow<'a, str>>,
    /// `Patient.contact.name`.
    pub path: Cow<'a, str>,
    /// The slice, re-slices with `/`.
    pub slice_name: Option<Cow<'a, str>>,
    /// Whether this is the entry that slices.
    pub slicing: Option<Slicing<'a>>,
    /// A few words for people.
    pub short: Option<Cow<'a, str>>,
    /// How often it must be there.
    pub min: Option<u32>,
    /// How often it may be there.
    pub max: Option<Max>,
    /// What it was where it was first defined.
    pub base: Option<Base<'a>>,
    /// Where its content is defined instead: `#Questionnaire.item`.
    pub content_reference: Option<Cow<'a, str>>,
    /// Its types; empty for roots and content references.
    pub types: Vec<TypeRef<'a>>,
    /// The only value.
    pub fixed: Option<Fixed<'a>>,
    /// What the value must at least hold.
    pub pattern: Option<Fixed<'a>>,
    /// The smallest value.
    pub min_value: Option<Fixed<'a>>,
    /// The greatest value.
    pub max_value: Option<Fixed<'a>>,
    /// How many characters at most.
    pub max_length: Option<u32>,
    /// Keys of constraints elsewhere that speak of this element.
    pub conditions: Vec<Cow<'a, str>>,
    /// Its constraints.
    pub constraints: Vec<Constraint<'a>>,
    /// Whether systems must do something with it.
    pub must_support: Option<bool>,
    /// Whether it changes the meaning of others.
    pub is_modifier: Option<bool>,
    /// Whether it is in summaries.
    pub is_summary: Option<bool>,
    /// The value set of its codes.
    pub binding: Option<Binding<'a>>,
    /// How XML writes it: `xmlAttr`, `xhtml`, `typeAttr`.
    pub representation: Vec<Cow<'a, str>>,
}

impl<'a> ElementDefinition<'a> {
    /// Reads one element; `place` is the `FHIRPath` of it, for faults, and `index` its place in its
    /// list.
    pub fn read(json: Value<'a>, index: usize, place: String, faults: &mut Vec<Issue>) -> Self {
        let reader = &mut Reader { place, faults };
        if json.kind() != Kind::Object {
            reader.fault("path", "expected an ElementDefinition");
        }
        let path = reader.required(json, "path");
        if !path.is_empty() && path.split('.').any(str::is_empty) {
            reader.fault("path", "expected names with dots between them");
        }
        let part = |key: &str| json.get(key).filter(|value| value.kind() == Kind::Object);
        let mut types = Vec::new();
        for (index, each) in items(json, "type").enumerate() {
            types.push(TypeRef::read(each, &mut reader.below("type", index)));
        }
        let mut constraints = Vec::new();
        for (index, each) in items(json, "constraint").enumerate() {
            constraints.push(Constraint::read(each, &mut reader.below("constraint", index)));
        }
        Self {
            json,
            index,
            id: reader.text(json, "id"),
            path,
            slice_name: reader.text(json, "sliceName"),
            slicing: part("slicing")
                .map(|each| Slicing::read(each, &mut reader.below("slicing", 0))),
            short: reader.text(json, "short"),
            min: reader.count(json, "min"),
            max: reader.code(json, "max", |text| text.parse().ok()),
            base: part("base").map(|each| Base::read(each, &mut reader.below("base", 0))),
            content_reference: reader.text(json, "contentReference"),
            types,
            fixed: stated(json, "fixed"),
            pattern: stated(json, "pattern"),
            min_value: stated(json, "minValue"),
            max_value: stated(json, "maxValue"),
            max_length: reader.count(json, "maxLength"),
            conditions: reader.texts(json, "condition"),
            constraints,
            must_support: reader.flag(json, "mustSupport"),
            is_modifier: reader.flag(json, "isModifier"),
            is_summary: reader.flag(json, "isSummary"),
            binding: part("binding")
                .map(|each| Binding::read(each, &mut reader.below("binding", 0))),
            representation: reader.texts(json, "representation"),
        }
    }

    /// The last name of the path: `value[x]`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The path of the element above; `None` for the root.
    #[must_use]
    pub fn parent_path(&self) -> Option<&str> {
        self.path.rsplit_once('.').map(|(parent, _)| parent)
    }

    /// Whether it is the root of its definition.
    #[must_use]
    pub fn is_root(&self) -> bool {
        !self.path.contains('.')
    }

    /// Whether it takes one of several types and its JSON name ends with the type.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        self.path.ends_with("[x]")
    }
}

/// The member that starts with `start` and goes on with the name of a type.
fn stated<'a>(json: Value<'a>, start: &str) -> Option<Fixed<'a>> {
    let mut found: Option<Fixed<'a>> = None;
    for (key, value) in json.members() {
        let (key, is_beside) =
            key.strip_prefix('_').map_or((key.as_ref(), false), |key| (key, true));
        let Some(suffix) = key.strip_prefix(start) else { continue };
        if !suffix.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let suffix = Cow::Owned(suffix.to_owned());
        let entry = found.get_or_insert(Fixed { suffix, value: None, beside: None });
        if is_beside { entry.beside = Some(value) } else { entry.value = Some(value) }
    }
    found
}
