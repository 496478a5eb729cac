//! Search parameters that are resources of the server: read, checked and made ready for a
//! [`Registry`].
//!
//! A SearchParameter resource may be stored in any state; only when it is put to use must it be
//! one that this server can index. Everything that is wrong with it is told at once, each fault
//! with its place. Who activates it, and when stored resources are indexed again, is decided
//! elsewhere.
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>

mod read;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, ResourceView};

use crate::{Component, ParameterId, ParameterKind, Registry, SearchParameter};

/// A SearchParameter resource that can be put to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomParameter {
    /// Its canonical URL, without a version.
    pub url: String,
    /// Its name in a query: `favourite-colour`.
    pub code: String,
    /// Its type.
    pub kind: ParameterKind,
    /// The resource types that have it; `Resource` and `DomainResource` are written out.
    pub bases: Vec<ResourceType>,
    /// FHIRPath of its values.
    pub expression: String,
    /// Types that a reference may point at; empty: any.
    pub targets: Vec<ResourceType>,
    /// Components of a composite, in order.
    pub components: Vec<Component>,
}

impl CustomParameter {
    /// Reads a SearchParameter resource. `registry` has the parameters that are in use: the
    /// definitions of a composite's components are looked up there, and no code may be given to
    /// a second parameter of a type.
    ///
    /// # Errors
    /// `Conflict` where only the code is taken, else `InvalidResource` with every fault and its place, such as `SearchParameter.base[1]`.
    pub fn read(view: ResourceView<'_>, registry: &Registry) -> Result<Self, Failure> {
        read::read(view, registry)
    }

    /// The parameter once for each of its types, with the numbers that `intern` keeps for type,
    /// code and URL.
    #[must_use]
    pub fn parameters(
        &self,
        intern: &mut dyn FnMut(ResourceType, &str, &str) -> ParameterId,
    ) -> Vec<SearchParameter> {
        let parameter = |base: &ResourceType| SearchParameter {
            id: intern(*base, &self.code, &self.url),
            code: self.code.clone(),
            url: self.url.clone(),
            kind: self.kind,
            base: *base,
            expression: Some(self.expression.clone()),
            targets: self.targets.clone(),
            components: self.components.clone(),
            is_live: true,
            slot: 0,
        };
        self.bases.iter().map(parameter).collect()
    }
}
