//! Search parameters by resource type.

use std::collections::HashMap;
use std::sync::OnceLock;

use fhir_definitions::{ResourceType, SearchParameterDefinition, SearchParameterKind};

use crate::index::{self, Reads, expression};

/// Number of a parameter of one resource type, over 0, kept for ever in one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub i32);

impl ParameterId {
    /// No parameter's number: under it stand the references that none of the specification's
    /// parameters reads (see [`Registry::linking`]).
    pub const LINK: Self = Self(0);

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

/// The text is no type of a search parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a type of search parameter such as token")]
pub struct UnknownParameterKind;

impl std::str::FromStr for ParameterKind {
    type Err = UnknownParameterKind;

    fn from_str(code: &str) -> Result<Self, UnknownParameterKind> {
        [
            Self::Number,
            Self::Date,
            Self::String,
            Self::Token,
            Self::Reference,
            Self::Composite,
            Self::Quantity,
            Self::Uri,
            Self::Special,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == code)
        .ok_or(UnknownParameterKind)
    }
}

impl From<SearchParameterKind> for ParameterKind {
    fn from(kind: SearchParameterKind) -> Self {
        match kind {
            SearchParameterKind::Number => Self::Number,
            SearchParameterKind::Date => Self::Date,
            SearchParameterKind::String => Self::String,
            SearchParameterKind::Token => Self::Token,
            SearchParameterKind::Reference => Self::Reference,
            SearchParameterKind::Composite => Self::Composite,
            SearchParameterKind::Quantity => Self::Quantity,
            SearchParameterKind::Uri => Self::Uri,
            SearchParameterKind::Special => Self::Special,
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
    /// Whether all resources are indexed by it: until then no search may use it, though what is
    /// written is indexed.
    pub is_live: bool,
    /// Its place among the parameters of its type, by number: the bit that tells in a store
    /// whether a resource has a value for it. Given by [`Registry::new`].
    pub slot: u8,
}

impl SearchParameter {
    /// Whether this is the parameter of [`Registry::contained`], which no client names.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        self.code == CONTAINED
    }
}

/// Whether `_text` and `_content` are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FullText {
    /// They are.
    #[default]
    Live,
    /// Words are being indexed; a search by them may not be complete yet.
    Building,
    /// No words are indexed.
    Off,
}

/// All search parameters of a server.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    full_text: FullText,
    /// By resource type's index; sorted by code.
    by_type: Vec<Vec<SearchParameter>>,
    by_id: HashMap<ParameterId, (ResourceType, usize)>,
    /// As `by_type`: what the parameters read, found out when it is first asked for.
    reads: Vec<Vec<OnceLock<Reads>>>,
}

impl Registry {
    /// The parameters of R4, each type's with the common ones. `intern` gives the number that
    /// the database keeps for a type's code and URL.
    ///
    /// Left out are the examples of the specification and what has no expression: a search by
    /// them is refused like one by an unknown name, or means something that is no index. Every
    /// type has the parameter of [`Registry::contained`] as well.
    #[must_use]
    pub fn r4(intern: &mut dyn FnMut(ResourceType, &str, &str) -> ParameterId) -> Self {
        let definitions = &fhir_definitions::r4().search_parameters;
        let by_url: HashMap<&str, &SearchParameterDefinition> =
            definitions.iter().map(|each| (each.url, each)).collect();
        let mut parameters: Vec<SearchParameter> = Vec::new();
        for definition in definitions.iter().filter(|definition| is_offered(definition)) {
            let expression = expression_of(definition);
            let components = components(definition, &by_url);
            let branches = expression
                .filter(|text| text.contains("resolve()"))
                .and_then(|text| expression::parse(text).ok())
                .unwrap_or_default();
            let targets = types(&definition.targets);
            for base in bases(definition) {
                // `patient` lists Group as well, and its expression leaves Groups out.
                let narrowed = expression::resolved_types(&branches, base);
                let id = intern(base, definition.code, definition.url);
                parameters.push(SearchParameter {
                    id,
                    code: definition.code.to_owned(),
                    url: definition.url.to_owned(),
                    kind: definition.kind.into(),
                    base,
                    expression: expression.map(str::to_owned),
                    targets: narrowed.unwrap_or_else(|| targets.clone()),
                    components: components.clone(),
                    is_live: true,
                    slot: 0,
                });
            }
        }
        parameters.extend(ResourceType::all().map(|base| contained(base, intern)));
        Self::new(parameters)
    }

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
            list.sort_by_key(|parameter| parameter.id);
            for (slot, parameter) in (0..=u8::MAX).zip(list.iter_mut()) {
                parameter.slot = slot;
            }
            list.sort_by(|one, other| one.code.cmp(&other.code));
            for (at, parameter) in list.iter().enumerate() {
                registry.by_id.insert(parameter.id, (parameter.base, at));
            }
            registry.reads.push(vec![OnceLock::new(); list.len()]);
        }
        registry
    }

    /// The same parameters with full text in this state.
    #[must_use]
    pub fn with_full_text(mut self, full_text: FullText) -> Self {
        self.full_text = full_text;
        self
    }

    /// Whether `_text` and `_content` are answered.
    #[must_use]
    pub const fn full_text(&self) -> FullText {
        self.full_text
    }

    /// The live parameter of this code, also the common ones (`_tag`), but not what is no index:
    /// `_id`, `_lastUpdated` and the result parameters.
    #[must_use]
    pub fn get(&self, base: ResourceType, code: &str) -> Option<&SearchParameter> {
        self.known(base, code).filter(|parameter| parameter.is_live)
    }

    /// The parameter of this code, also while its rows are being built.
    #[must_use]
    pub fn known(&self, base: ResourceType, code: &str) -> Option<&SearchParameter> {
        let list = self.list(base);
        let at = list.binary_search_by(|parameter| parameter.code.as_str().cmp(code)).ok()?;
        list.get(at)
    }

    /// The number under which other resources that have one of this type inside say so.
    #[must_use]
    pub fn contained(&self, base: ResourceType) -> Option<ParameterId> {
        self.get(base, CONTAINED).map(|parameter| parameter.id)
    }

    /// This registry with more parameters; one of a type and code that it has already takes the
    /// older one's place.
    #[must_use]
    pub fn with(self, more: Vec<SearchParameter>) -> Self {
        let is_replaced = |old: &SearchParameter| {
            more.iter().any(|new| new.base == old.base && new.code == old.code)
        };
        let full_text = self.full_text;
        let mut all: Vec<_> =
            self.by_type.into_iter().flatten().filter(|old| !is_replaced(old)).collect();
        all.extend(more);
        Self::new(all).with_full_text(full_text)
    }

    /// Code, type and targets of the parameter of a canonical URL, of R4 or in this registry:
    /// what a composite's component needs to know.
    #[must_use]
    pub fn definition(&self, url: &str) -> Option<(String, ParameterKind, Vec<ResourceType>)> {
        if let Some(own) = self.all().find(|parameter| parameter.url == url) {
            return Some((own.code.clone(), own.kind, own.targets.clone()));
        }
        let definitions = &fhir_definitions::r4().search_parameters;
        let definition = definitions.iter().find(|definition| definition.url == url)?;
        let targets = types(&definition.targets);
        Some((definition.code.to_owned(), definition.kind.into(), targets))
    }

    /// The parameter with this number.
    #[must_use]
    pub fn by_id(&self, id: ParameterId) -> Option<&SearchParameter> {
        let (base, at) = *self.by_id.get(&id)?;
        self.list(base).get(at)
    }

    /// What the elements of a parameter of this registry hold.
    pub(crate) fn reads(&self, parameter: &SearchParameter) -> Reads {
        let kept = self
            .by_id
            .get(&parameter.id)
            .and_then(|(base, at)| self.reads.get(usize::from(base.index()))?.get(*at));
        match kept {
            Some(kept) => *kept.get_or_init(|| index::reads(parameter)),
            None => index::reads(parameter),
        }
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

/// The columns of every resource: not parameters with rows.
const COLUMNS: [&str; 2] = ["_id", "_lastUpdated"];

/// DocumentReference.relationship has its components' expressions in the wrong order: later
/// versions of the specification give the target to `relatesto` and the code to `relation`.
const SWAPPED: &str = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship";

/// Whether a patient is one of several who were born together; its definition has no expression.
/// A number in the order of birth says so as well as `true` does.
pub(crate) const BIRTH_ORDER: &str =
    "http://hl7.org/fhir/SearchParameter/patient-extensions-Patient-birthOrderBoolean";

/// The result parameter that the resources inside others are found by.
const CONTAINED: &str = "_contained";

fn contained(
    base: ResourceType,
    intern: &mut dyn FnMut(ResourceType, &str, &str) -> ParameterId,
) -> SearchParameter {
    let url = "http://hl7.org/fhir/R4/search.html#contained";
    SearchParameter {
        id: intern(base, CONTAINED, url),
        code: CONTAINED.to_owned(),
        url: url.to_owned(),
        kind: ParameterKind::Special,
        base,
        expression: None,
        targets: Vec::new(),
        components: Vec::new(),
        slot: 0,
        is_live: true,
    }
}

fn expression_of(definition: &SearchParameterDefinition) -> Option<&'static str> {
    if definition.url == BIRTH_ORDER {
        return Some("Patient.multipleBirth");
    }
    definition.expression
}

fn is_offered(definition: &SearchParameterDefinition) -> bool {
    let is_example = definition.url.contains("/SearchParameter/example");
    !is_example && expression_of(definition).is_some() && !COLUMNS.contains(&definition.code)
}

/// The types that a definition is registered for.
fn bases(definition: &SearchParameterDefinition) -> Vec<ResourceType> {
    let is_common = |base: &&str| *base == "Resource" || *base == "DomainResource";
    if definition.base.iter().any(is_common) {
        ResourceType::all().collect()
    } else {
        types(&definition.base)
    }
}

fn types(names: &[&str]) -> Vec<ResourceType> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn components(
    definition: &SearchParameterDefinition,
    by_url: &HashMap<&str, &SearchParameterDefinition>,
) -> Vec<Component> {
    let parts = definition.components.iter().filter_map(|part| {
        let own = by_url.get(part.definition)?;
        Some((part, *own))
    });
    let (mut expressions, owns): (Vec<_>, Vec<_>) = parts.unzip();
    if definition.url == SWAPPED {
        expressions.reverse();
    }
    let component =
        |(part, own): (&fhir_definitions::SearchComponent, &SearchParameterDefinition)| Component {
            code: own.code.to_owned(),
            kind: own.kind.into(),
            expression: part.expression.to_owned(),
            targets: types(&own.targets),
        };
    expressions.into_iter().zip(owns).map(component).collect()
}
