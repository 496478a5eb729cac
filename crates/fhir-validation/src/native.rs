//! Constraints that are asked so often that code of our own decides them.
//!
//! Each says exactly what its expression says; the compiler takes it for an expression of that
//! very text only.

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

/// The member without which a constraint of R4's holds.
pub(crate) fn guard(key: &str) -> Option<&'static str> {
    ON_CONTAINED.contains(&key).then_some("contained")
}

/// Whether a member stands, or its extensions.
pub(crate) fn stands(value: Value<'_>, key: &str) -> bool {
    value.members().any(|(found, _)| found.strip_prefix('_').unwrap_or(&found) == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(name: &str, expression: &str) -> Option<Native> {
        let definitions = fhir_definitions::r4();
        Native::of(expression, definitions.get(definitions.type_named(name).unwrap()))
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
