//! Constraints that are asked so often that code of our own decides them.
//!
//! Each says exactly what its expression says; the compiler takes it for an expression of that
//! very text only.

use std::borrow::Cow;

use fhir_definitions::TypeDefinition;
use fhir_model::{ResourceView, Value};

/// A condition on the members of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    /// `a.exists() or b.exists() …`
    AnyOf(Vec<&'static str>),
    /// `a.empty() or b.exists()`
    Requires(&'static str, &'static str),
    /// `ref-1`: a reference that begins with `#` leads to a contained resource.
    LocalReference,
}

const LOCAL_REFERENCE: &str = "reference.startsWith('#').not() or \
    (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))";

/// Constraints of R4 on what is contained; nothing is wrong where nothing is.
const ON_CONTAINED: [&str; 4] = ["dom-2", "dom-3", "dom-4", "dom-5"];

impl Native {
    /// The condition that says the same as an expression on elements of a type.
    pub(crate) fn of(expression: &str, definition: &TypeDefinition) -> Option<Self> {
        if expression == LOCAL_REFERENCE {
            return Some(Self::LocalReference);
        }
        let key = |name: &str| definition.element(name).map(|element| element.key);
        let exists = |part: &str| key(part.trim().strip_suffix(".exists()")?);
        if let Some((first, second)) = expression.split_once(" or ")
            && let Some(first) = first.trim().strip_suffix(".empty()").and_then(key)
        {
            return exists(second).map(|second| Self::Requires(first, second));
        }
        let keys: Option<Vec<_>> = expression.split(" or ").map(exists).collect();
        keys.map(Self::AnyOf)
    }

    /// Whether an element keeps to it. `root` is the resource around contained ones.
    pub(crate) fn holds(&self, value: Value<'_>, root: ResourceView<'_>) -> bool {
        match self {
            Self::AnyOf(keys) => keys.iter().any(|key| stands(value, key)),
            Self::Requires(first, second) => !stands(value, first) || stands(value, second),
            Self::LocalReference => {
                let Some(reference) = value.get("reference").and_then(Value::text) else {
                    return true;
                };
                let Some(id) = reference.strip_prefix('#') else { return true };
                // `#` alone is the resource around this one; R4's expression forgot that.
                if id.is_empty() {
                    return true;
                }
                root.contained().any(|each| {
                    each.value.get("id").and_then(Value::text).is_some_and(|found| found == id)
                })
            }
        }
    }
}

/// What lets a resource pass a constraint of R4's before its expression is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing is contained.
    NothingContained,
    /// `dom-3`: each contained resource is referred to, or refers to what contains it. Its
    /// expression walks the whole resource several times for each of them.
    AllReferredTo,
}

impl Guard {
    /// That of a constraint by its key.
    pub(crate) fn of(key: &str) -> Option<Self> {
        match key {
            "dom-3" => Some(Self::AllReferredTo),
            _ => ON_CONTAINED.contains(&key).then_some(Self::NothingContained),
        }
    }

    /// Whether the constraint holds for sure; else the expression is asked.
    pub(crate) fn lets_pass(self, resource: Value<'_>) -> bool {
        let Some(contained) = resource.get("contained") else { return true };
        if self == Self::NothingContained {
            return false;
        }
        let mut named = Vec::new();
        references(resource, &mut named);
        contained.items().all(|each| {
            let id = each.get("id").and_then(Value::text);
            let is_named = |id: &str| named.iter().any(|found| found.strip_prefix('#') == Some(id));
            id.is_some_and(|id| !id.is_empty() && is_named(&id)) || {
                let mut own = Vec::new();
                references(each, &mut own);
                own.iter().any(|found| found == "#")
            }
        })
    }
}

/// All texts of members `reference`.
fn references<'a>(value: Value<'a>, found: &mut Vec<Cow<'a, str>>) {
    for (key, member) in value.members() {
        if key == "reference" {
            found.extend(member.text());
        }
        for each in member.items() {
            references(each, found);
        }
    }
}

/// Whether a member stands, or its extensions.
pub(crate) fn stands(value: Value<'_>, key: &str) -> bool {
    value.members().any(|(found, _)| found.strip_prefix('_').unwrap_or(&found) == key)
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;

    use super::*;

    fn native(name: &str, expression: &str) -> Option<Native> {
        let definitions = fhir_definitions::r4();
        Native::of(expression, definitions.get(definitions.type_named(name).unwrap()))
    }

    #[test]
    fn a_guard_lets_pass_what_is_referred_to() {
        let passes = |json: &str| {
            let resource = Resource::trusted(json.as_bytes().to_vec()).unwrap();
            let value = resource.view().value;
            (Guard::AllReferredTo.lets_pass(value), Guard::NothingContained.lets_pass(value))
        };
        let holding = |subject: &str, contained: &str| {
            format!(
                r#"{{"resourceType":"Observation","subject":{{"reference":"{subject}"}},
                    "contained":[{{"resourceType":"Patient","id":"a"{contained}}}]}}"#
            )
        };
        assert_eq!(passes(r#"{"resourceType":"Observation"}"#), (true, true));
        assert_eq!(passes(&holding("#a", "")), (true, false));
        assert_eq!(passes(&holding("#b", "")), (false, false));
        assert_eq!(passes(&holding("a", "")), (false, false));
        let back = r##","link":[{"other":{"reference":"#"}}]"##;
        assert_eq!(passes(&holding("#", "")), (false, false));
        assert_eq!(passes(&holding("#b", back)), (true, false));
        assert_eq!(Guard::of("dom-3"), Some(Guard::AllReferredTo));
        assert_eq!(Guard::of("dom-2"), Some(Guard::NothingContained));
        assert_eq!(Guard::of("dom-6"), None);
    }

    #[test]
    fn only_plain_expressions_are_taken() {
        assert_eq!(
            native("Quantity", "code.empty() or system.exists()"),
            Some(Native::Requires("code", "system"))
        );
        assert_eq!(
            native("Appointment.participant", "type.exists() or actor.exists()"),
            Some(Native::AnyOf(vec!["type", "actor"]))
        );
        assert_eq!(native("Reference", LOCAL_REFERENCE), Some(Native::LocalReference));
        for other in [
            "dataAbsentReason.empty() or value.empty()",
            "value.exists()",
            "code.exists() or code.coding.exists()",
            "code.exists() and subject.exists()",
            "code.empty() or subject.exists() or focus.exists()",
        ] {
            assert_eq!(native("Observation", other), None, "{other}");
        }
    }
}
