//! Compartments as predicates.
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition.html>

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;

use super::{Match, Predicate, RowMatch, Scope};
use crate::{Registry, ValueHasher};

/// "The resource is in the compartment of `key`", for each type of `scope` that the definition
/// lists; none where `key`'s type has no compartment, or none of the types is in it. With
/// `Scope::All` the second value names the types that are in it.
#[must_use]
pub fn compartment(
    registry: &Registry,
    hasher: &ValueHasher,
    key: &ResourceKey,
    scope: &Scope,
) -> Option<(Predicate, Vec<ResourceType>)> {
    let definitions = &fhir_definitions::r4().compartments;
    let definition = definitions.iter().find(|each| each.code == key.resource_type.as_str())?;
    let target = hasher.reference(key);
    let mut any = Vec::new();
    let mut types = Vec::new();
    for member in &definition.members {
        let Ok(member_type) = member.resource_type.parse::<ResourceType>() else { continue };
        let is_asked = match scope {
            Scope::Type(one) => *one == member_type,
            Scope::Types(several) => several.contains(&member_type),
            Scope::All => true,
        };
        if !is_asked {
            continue;
        }
        let before = any.len();
        for code in &member.parameters {
            if let Some(parameter) = registry.get(member_type, code) {
                let p = parameter.id;
                any.push(Match::Row(RowMatch::Reference { p, targets: vec![target] }));
            }
        }
        if member_type == key.resource_type {
            any.push(Match::Keys(std::sync::Arc::new(vec![key.clone()])));
        }
        if any.len() > before {
            types.push(member_type);
        }
    }
    (!any.is_empty()).then_some((Predicate { any }, types))
}
