//! One ElementDefinition while a snapshot is made: its members, shared until they are changed.

use std::sync::Arc;

use fhir_model::{Kind, Value};

use super::json::Json;
use crate::model::Max;

/// The order in which the specification lists the members.
const ORDER: [&str; 37] = [
    "id",
    "extension",
    "modifierExtension",
    "path",
    "representation",
    "sliceName",
    "sliceIsConstraining",
    "label",
    "code",
    "slicing",
    "short",
    "definition",
    "comment",
    "requirements",
    "alias",
    "min",
    "max",
    "base",
    "contentReference",
    "type",
    "defaultValue",
    "meaningWhenMissing",
    "orderMeaning",
    "fixed",
    "pattern",
    "example",
    "minValue",
    "maxValue",
    "maxLength",
    "condition",
    "constraint",
    "mustSupport",
    "isModifier",
    "isModifierReason",
    "isSummary",
    "binding",
    "mapping",
];

/// The members of one element; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    members: Vec<(Arc<str>, Arc<Json>)>,
}

impl Element {
    /// Whether id, path and slice name are taken over is up to whoever writes the element: they
    /// are no part of what is inherited.
    pub(crate) fn of(value: Value<'_>) -> Self {
        let is_kept = |key: &str| !matches!(key, "id" | "path" | "sliceName");
        let members = value
            .members()
            .filter(|(key, member)| is_kept(key) && member.kind() != Kind::Null)
            .map(|(key, member)| (Arc::from(key.as_ref()), Arc::new(Json::of(member))))
            .collect();
        Self { members }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.members.iter().find(|(name, _)| **name == *key).map(|(_, value)| value.as_ref())
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::text)
    }

    pub(crate) fn items(&self, key: &str) -> &[Json] {
        self.get(key).map_or(&[], Json::items)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(key, _)| key.as_ref())
    }

    /// The key of a member whose name ends with a type: `fixed` finds `fixedCode`.
    pub(crate) fn typed_key(&self, start: &str) -> Option<&str> {
        self.keys().find(|key| is_typed(key, start))
    }

    pub(crate) fn min(&self) -> Option<u32> {
        self.get("min")?.literal()?.parse().ok()
    }

    pub(crate) fn max(&self) -> Option<Max> {
        self.text("max")?.parse().ok()
    }

    pub(crate) fn set(&mut self, key: &str, value: Json) {
        self.share(key, Arc::new(value));
    }

    fn share(&mut self, key: &str, value: Arc<Json>) {
        match self.members.iter_mut().find(|(name, _)| **name == *key) {
            Some((_, old)) => *old = value,
            None => self.members.push((Arc::from(key), value)),
        }
    }

    /// Takes a member over from another element, with what stands beside a primitive; does nothing
    /// where the other has none.
    pub(crate) fn take(&mut self, key: &str, other: &Self) {
        let beside = format!("_{key}");
        let of = |key: &str| other.members.iter().find(|(name, _)| **name == *key);
        let (value, more) = (of(key), of(&beside));
        if value.is_none() && more.is_none() {
            return;
        }
        self.remove(key);
        for (name, value) in [value, more].into_iter().flatten() {
            self.share(name, Arc::clone(value));
        }
    }

    /// Removes a member and what stands beside it.
    pub(crate) fn remove(&mut self, key: &str) {
        self.members.retain(|(name, _)| name.strip_prefix('_').unwrap_or(name) != key);
    }

    /// Removes a member whose name ends with a type.
    pub(crate) fn remove_typed(&mut self, start: &str) {
        self.members.retain(|(name, _)| !is_typed(name.strip_prefix('_').unwrap_or(name), start));
    }

    /// Changes a member that is there.
    pub(crate) fn change(&mut self, key: &str, change: impl FnOnce(&mut Json)) {
        if let Some((_, value)) = self.members.iter_mut().find(|(name, _)| **name == *key) {
            change(Arc::make_mut(value));
        }
    }

    /// Adds an item to a list.
    pub(crate) fn push(&mut self, key: &str, item: Json) {
        match self.members.iter_mut().find(|(name, _)| **name == *key) {
            Some((_, value)) => {
                let list = Arc::make_mut(value);
                if let Json::List(items) = list {
                    items.push(item);
                } else {
                    *list = Json::List(vec![list.clone(), item]);
                }
            }
            None => self.set(key, Json::List(vec![item])),
        }
    }

    /// Writes the element in the order of the specification.
    pub(crate) fn write(&self, id: &str, path: &str, slice: Option<&str>, out: &mut Vec<u8>) {
        let own = [("id", Some(id)), ("path", Some(path)), ("sliceName", slice)];
        let own: Vec<(&str, Json)> =
            own.into_iter().filter_map(|(key, text)| Some((key, Json::text_of(text?)))).collect();
        let inherited = self.members.iter().map(|(key, value)| (key.as_ref(), value.as_ref()));
        let mut all: Vec<(&str, &Json)> =
            own.iter().map(|(key, value)| (*key, value)).chain(inherited).collect();
        all.sort_by_key(|(key, _)| rank(key));
        out.push(b'{');
        for (index, (key, value)) in all.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            fhir_model::write::string(key, out);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }
}

fn is_typed(key: &str, start: &str) -> bool {
    key.strip_prefix(start)
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

fn rank(key: &str) -> usize {
    let key = key.strip_prefix('_').unwrap_or(key);
    let is_typed_start =
        |each: &str| matches!(each, "defaultValue" | "fixed" | "pattern" | "minValue" | "maxValue");
    let exact = ORDER.iter().position(|each| *each == key);
    exact
        .or_else(|| ORDER.iter().position(|each| is_typed_start(each) && is_typed(key, each)))
        .unwrap_or(ORDER.len())
}
