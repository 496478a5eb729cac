//! Where a search looks: a type, several types, everything, or a compartment.
//! Spec: <https://hl7.org/fhir/R4/compartmentdefinition.html>

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, ResourceKey};
use fhir_search::{Registry, Scope, SearchQuery, ValueHasher, compartment};

/// Where a search looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The types that are searched.
    pub scope: Scope,
    /// Only what is in the compartment of this resource.
    pub compartment: Option<ResourceKey>,
}

impl From<Scope> for Place {
    fn from(scope: Scope) -> Self {
        Self { scope, compartment: None }
    }
}

impl Place {
    /// What the gate is asked.
    pub(crate) fn interaction(&self) -> (Interaction, Option<ResourceType>) {
        match &self.scope {
            Scope::Type(resource_type) => (Interaction::SearchType, Some(*resource_type)),
            Scope::Types(_) | Scope::All => (Interaction::SearchSystem, None),
        }
    }

    /// Below the FHIR root: `Patient`, `Patient/x/Observation`, `Patient/x/*`, or nothing.
    pub(crate) fn path(&self) -> String {
        match (&self.compartment, &self.scope) {
            (None, Scope::Type(resource_type)) => resource_type.as_str().to_owned(),
            (None, Scope::Types(_) | Scope::All) => String::new(),
            (Some(key), Scope::Type(resource_type)) => format!("{key}/{resource_type}"),
            (Some(key), Scope::Types(_) | Scope::All) => format!("{key}/*"),
        }
    }

    /// The types that are searched: of a compartment those that it can hold.
    ///
    /// # Errors
    /// `NotFound` where the resource has no compartment, or none of the types is in it.
    pub(crate) fn types(
        &self,
        registry: &Registry,
        hasher: &ValueHasher,
    ) -> Result<Scope, Failure> {
        let Some(key) = &self.compartment else { return Ok(self.scope.clone()) };
        let found = compartment(registry, hasher, key, &self.scope);
        let (_, types) = found.ok_or_else(|| self.nothing())?;
        Ok(match &self.scope {
            Scope::Type(one) => Scope::Type(*one),
            Scope::Types(_) | Scope::All => Scope::Types(types),
        })
    }

    /// Adds to a query that it finds only what is in the compartment.
    ///
    /// # Errors
    /// `InvalidParameter` where `_type` names only types that are not in it.
    pub(crate) fn confine(
        &self,
        registry: &Registry,
        hasher: &ValueHasher,
        query: &mut SearchQuery,
    ) -> Result<(), Failure> {
        let Some(key) = &self.compartment else { return Ok(()) };
        let Some((predicate, _)) = compartment(registry, hasher, key, &query.scope) else {
            let text = format!("no type of _type is in {}", named(key.resource_type));
            return Err(Failure::new(FailureKind::InvalidParameter, text).at("http._type"));
        };
        query.predicates.push(predicate);
        Ok(())
    }

    fn nothing(&self) -> Failure {
        let definitions = &fhir_definitions::r4().compartments;
        let codes: Vec<&str> = definitions.iter().map(|definition| definition.code).collect();
        let own = self.compartment.as_ref().map(|key| key.resource_type);
        let has_compartment = own.is_some_and(|own| codes.contains(&own.as_str()));
        let text = match (own, &self.scope) {
            (Some(own), Scope::Type(asked)) if has_compartment => {
                format!("no {asked} is in {}", named(own))
            }
            (own, _) => {
                let own = own.map_or("", ResourceType::as_str);
                let codes = codes.join(", ");
                format!("a resource of type {own} has no compartment; those of {codes} have one")
            }
        };
        Failure::new(FailureKind::NotFound, text)
    }
}

fn named(owner: ResourceType) -> String {
    format!("the compartment of a resource of type {owner}")
}
