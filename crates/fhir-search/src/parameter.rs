//! Search parameters by resource type.

use std::collections::HashMap;

use fhir_definitions::ResourceType;

/// Number of a parameter of one resource type, over 0, kept for ever in one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub i32);

impl ParameterId {
    /// The second number of a date parameter: its ranges over 25 hours stand under this one.
    #[must_use]
    pub const fn long(self) -> i32 {
        -self.0
    }
}

/// The type of a search parameter.
/// Spec: <https://hl7.org/fhir/R4/search.html#ptypes>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ParameterKind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

impl ParameterKind {
    /// The code of the specification: `token`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }
}

/// One component of a composite parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Code of the component's own parameter: `code`.
    pub code: String,
    /// Its type.
    pub kind: ParameterKind,
    /// Path from the composite's element: `value.as(Quantity)`.
    pub expression: String,
    /// Types that the component may point at, when it is a reference; empty: any.
    pub targets: Vec<ResourceType>,
}

/// A search parameter of one resource type.
#[derive(Clone, Debug)]
pub struct SearchParameter {
    /// Its number in index rows.
    pub id: ParameterId,
    /// Its name in a query: `birthdate`.
    pub code: String,
    /// Its canonical URL.
    pub url: String,
    /// Its type.
    pub kind: ParameterKind,
    /// The resource type that it is registered for; common ones are registered for each type.
    pub base: ResourceType,
    /// FHIRPath of the values; none for special ones.
    pub expression: Option<String>,
    /// Types that a reference may point at; empty: any.
    pub targets: Vec<ResourceType>,
    /// Components of a composite, in order.
    pub components: Vec<Component>,
}

/// All search parameters of a server.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// By resource type's index; sorted by code.
    by_type: Vec<Vec<SearchParameter>>,
    by_id: HashMap<ParameterId, (ResourceType, usize)>,
}

impl Registry {
    /// A registry of these parameters.
    #[must_use]
    pub fn new(parameters: Vec<SearchParameter>) -> Self {
        let mut registry = Self::default();
        registry.by_type.resize_with(ResourceType::all().count(), Vec::new);
        for parameter in parameters {
            if let Some(list) = registry.by_type.get_mut(usize::from(parameter.base.index())) {
                list.push(parameter);
            }
        }
        for list in &mut registry.by_type {
            list.sort_by(|one, other| one.code.cmp(&other.code));
            for (at, parameter) in list.iter().enumerate() {
                registry.by_id.insert(parameter.id, (parameter.base, at));
            }
        }
        registry
    }

    /// The parameter of this code, also the common ones (`_tag`), but not what is no index:
    /// `_id`, `_lastUpdated` and the result parameters.
    #[must_use]
    pub fn get(&self, base: ResourceType, code: &str) -> Option<&SearchParameter> {
        let list = self.list(base);
        let at = list.binary_search_by(|parameter| parameter.code.as_str().cmp(code)).ok()?;
        list.get(at)
    }

    /// The parameter with this number.
    #[must_use]
    pub fn by_id(&self, id: ParameterId) -> Option<&SearchParameter> {
        let (base, at) = *self.by_id.get(&id)?;
        self.list(base).get(at)
    }

    /// All parameters of a type, by code.
    pub fn of_type(&self, base: ResourceType) -> impl Iterator<Item = &SearchParameter> {
        self.list(base).iter()
    }

    /// All parameters, by type and code.
    pub fn all(&self) -> impl Iterator<Item = &SearchParameter> {
        self.by_type.iter().flatten()
    }

    fn list(&self, base: ResourceType) -> &[SearchParameter] {
        self.by_type.get(usize::from(base.index())).map_or(&[], Vec::as_slice)
    }
}
