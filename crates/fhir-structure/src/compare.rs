//! Where two snapshots of one definition differ.

use std::collections::HashMap;

use fhir_model::{ResourceView, Value, difference};

/// One place where two snapshots differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The id of the element.
    pub id: String,
    /// The property: `min`, `binding.strength`, `constraint.source`; `element` where one snapshot
    /// does not have the element, `order` where it is in another place.
    pub property: String,
    /// What the first has, as JSON.
    pub made: Option<String>,
    /// What the second has, as JSON.
    pub published: Option<String>,
}

/// The properties that say what instances may look like; all others are words.
const MEANING: [&str; 19] = [
    "element",
    "order",
    "path",
    "sliceName",
    "slicing",
    "min",
    "max",
    "base",
    "contentReference",
    "type",
    "fixed",
    "pattern",
    "minValue",
    "maxValue",
    "maxLength",
    "constraint",
    "mustSupport",
    "isModifier",
    "binding",
];

/// Parts of those that are words all the same.
const WORDS: [&str; 6] = [
    "binding.description",
    "binding.extension",
    "constraint.human",
    "constraint.source",
    "constraint.xpath",
    "slicing.description",
];

impl Difference {
    /// Whether a validator could tell the two snapshots apart by it.
    #[must_use]
    pub fn is_meaning(&self) -> bool {
        let first = self.property.split('.').next().unwrap_or_default();
        let is_typed = |each: &str| {
            matches!(each, "fixed" | "pattern" | "minValue" | "maxValue") && first.starts_with(each)
        };
        !WORDS.contains(&self.property.as_str())
            && MEANING.iter().any(|each| *each == first || is_typed(each))
    }
}

/// All places where two snapshots differ, in the order of the second. The order of members, of
/// constraints, conditions, aliases and mappings means nothing.
#[must_use]
pub fn differences(made: ResourceView<'_>, published: ResourceView<'_>) -> Vec<Difference> {
    let (made, published) = (elements(made), elements(published));
    let by_id: HashMap<&str, Value<'_>> =
        made.iter().map(|(id, value)| (id.as_str(), *value)).collect();
    let mut found = Vec::new();
    let mut tell = |id: &str, property: &str, one: Option<Value<'_>>, two: Option<Value<'_>>| {
        let text = |value: Option<Value<'_>>| {
            value.map(|value| String::from_utf8_lossy(value.raw()).into_owned())
        };
        let (id, property) = (id.to_owned(), property.to_owned());
        found.push(Difference { id, property, made: text(one), published: text(two) });
    };
    for (id, two) in &published {
        match by_id.get(id.as_str()) {
            Some(one) => {
                element(*one, *two, &mut |property, one, two| tell(id, property, one, two))
            }
            None => tell(id, "element", None, Some(*two)),
        }
    }
    let known: HashMap<&str, usize> =
        published.iter().enumerate().map(|(index, (id, _))| (id.as_str(), index)).collect();
    let mut last = None;
    for (id, one) in &made {
        match known.get(id.as_str()) {
            None => tell(id, "element", Some(*one), None),
            Some(at) if last.is_some_and(|last| *at < last) => tell(id, "order", None, None),
            Some(at) => last = Some(*at),
        }
    }
    found
}

/// The elements of a snapshot by id; where they have none, by path and slice.
fn elements(view: ResourceView<'_>) -> Vec<(String, Value<'_>)> {
    let list = view.at(&["snapshot", "element"]);
    let id = |element: Value<'_>| {
        let text = |key| element.get(key).and_then(Value::text);
        text("id").or_else(|| text("path")).unwrap_or_default().into_owned()
    };
    list.into_iter().flat_map(Value::items).map(|element| (id(element), element)).collect()
}

type Tell<'t, 'v> = dyn FnMut(&str, Option<Value<'v>>, Option<Value<'v>>) + 't;

fn element<'v>(one: Value<'v>, two: Value<'v>, tell: &mut Tell<'_, 'v>) {
    for (key, value) in two.members() {
        match (key.as_ref(), one.get(&key)) {
            ("constraint", Some(made)) => listed(&key, "key", made, value, tell),
            ("mapping", Some(made)) => listed(&key, "map", made, value, tell),
            ("alias" | "condition", Some(made)) => listed(&key, "", made, value, tell),
            ("binding" | "slicing", Some(made)) => members(&key, made, value, tell),
            (_, Some(made)) if difference(made, value).is_none() => {}
            (_, made) => tell(&key, made, Some(value)),
        }
    }
    for (key, value) in one.members().filter(|(key, _)| two.get(key).is_none()) {
        tell(&key, Some(value), None);
    }
}

fn members<'v>(of: &str, one: Value<'v>, two: Value<'v>, tell: &mut Tell<'_, 'v>) {
    for (key, value) in two.members() {
        let made = one.get(&key);
        if made.is_none_or(|made| difference(made, value).is_some()) {
            tell(&format!("{of}.{key}"), made, Some(value));
        }
    }
    for (key, value) in one.members().filter(|(key, _)| two.get(key).is_none()) {
        tell(&format!("{of}.{key}"), Some(value), None);
    }
}

/// Items in any order, told by a member or by all that they say.
fn listed<'v>(of: &str, by: &str, one: Value<'v>, two: Value<'v>, tell: &mut Tell<'_, 'v>) {
    let text = |value: Value<'v>, key: &str| {
        value.get(key).and_then(Value::text).map(|text| text.trim().to_owned())
    };
    let is_same = |one: Value<'v>, two: Value<'v>| match (text(one, by), text(two, by)) {
        (Some(first), Some(second)) => {
            first == second && text(one, "identity") == text(two, "identity")
        }
        _ => difference(one, two).is_none(),
    };
    for value in two.items() {
        match one.items().find(|made| is_same(*made, value)) {
            Some(made) => members(of, made, value, tell),
            None => tell(of, None, Some(value)),
        }
    }
    for value in one.items().filter(|made| !two.items().any(|value| is_same(*made, value))) {
        tell(of, Some(value), None);
    }
}
