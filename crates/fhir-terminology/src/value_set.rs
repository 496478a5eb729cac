//! A value set: what it includes and excludes, and the expansion that it may carry.

use fhir_model::{ResourceView, Value};

use crate::codes::Code;
use crate::system::{Use, designation, items, text};

/// A value set, from a resource or from the embedded definitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueSet {
    pub(crate) url: String,
    pub(crate) version: Option<String>,
    /// Whether `compose.inactive` is false: retired codes are left out.
    pub(crate) active_only: bool,
    pub(crate) has_compose: bool,
    pub(crate) include: Vec<Include>,
    pub(crate) exclude: Vec<Include>,
    /// The expansion in the resource, where it has all codes.
    pub(crate) expansion: Option<Vec<Code>>,
}

/// An element of `compose.include` or `compose.exclude`: what is in all its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Include {
    pub(crate) system: Option<String>,
    pub(crate) version: Option<String>,
    /// Codes that are listed one by one.
    pub(crate) concepts: Vec<Listed>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) value_sets: Vec<String>,
}

/// A code that a value set lists, with the names that it gives it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    pub(crate) code: String,
    pub(crate) display: Option<String>,
    pub(crate) designations: Vec<(Option<String>, Option<Use>, String)>,
}

/// A condition on the concepts of a system.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) property: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

/// Expansions with this extension don't have all codes.
const UNCLOSED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed";
/// And those with this one neither.
const TOO_COSTLY: &str = "http://hl7.org/fhir/StructureDefinition/valueset-toocostly";

impl ValueSet {
    /// A ValueSet resource; `key` stands for its URL where it has none.
    pub(crate) fn of(view: ResourceView<'_>, key: &str) -> Self {
        let value = view.value;
        let compose = value.get("compose");
        let list = |name| compose.into_iter().flat_map(move |compose| items(compose, name));
        let inactive = compose.and_then(|compose| compose.get("inactive"));
        Self {
            url: text(value, "url").unwrap_or_else(|| key.to_owned()),
            version: text(value, "version"),
            active_only: inactive.and_then(Value::literal) == Some("false"),
            has_compose: compose.is_some(),
            include: list("include").map(Include::of).collect(),
            exclude: list("exclude").map(Include::of).collect(),
            expansion: value.get("expansion").and_then(expansion),
        }
    }

    /// A value set of one include.
    pub(crate) fn of_include(url: &str, include: Include) -> Self {
        Self { url: url.to_owned(), has_compose: true, include: vec![include], ..Self::default() }
    }

    /// `url|version`, to tell sets apart.
    pub(crate) fn canonical(&self) -> String {
        match &self.version {
            Some(version) => format!("{}|{version}", self.url),
            None => self.url.clone(),
        }
    }
}

impl Include {
    fn of(value: Value<'_>) -> Self {
        let concept = |concept| {
            Some(Listed {
                code: text(concept, "code")?,
                display: text(concept, "display"),
                designations: items(concept, "designation").filter_map(designation).collect(),
            })
        };
        let filter = |filter| {
            Some(Filter {
                property: text(filter, "property")?,
                operator: text(filter, "op")?,
                value: text(filter, "value").unwrap_or_default(),
            })
        };
        let canonical = |canonical: Value<'_>| Some(canonical.text()?.into_owned());
        Self {
            system: text(value, "system"),
            version: text(value, "version"),
            concepts: items(value, "concept").filter_map(concept).collect(),
            filters: items(value, "filter").filter_map(filter).collect(),
            value_sets: items(value, "valueSet").filter_map(canonical).collect(),
        }
    }

    /// Whether nothing but a system is named, and so all its codes.
    pub(crate) fn is_whole_system(&self) -> bool {
        !self.has_own_codes() && self.value_sets.is_empty()
    }

    pub(crate) fn has_own_codes(&self) -> bool {
        !self.concepts.is_empty() || !self.filters.is_empty()
    }
}

/// The codes of an expansion; `None` where it is a page of them or says that there are more.
fn expansion(value: Value<'_>) -> Option<Vec<Code>> {
    let is_open = items(value, "extension").any(|extension| {
        let url = text(extension, "url");
        matches!(url.as_deref(), Some(UNCLOSED | TOO_COSTLY))
            && extension.get("valueBoolean").and_then(Value::literal) == Some("true")
    });
    let number = |key: &str| value.get(key).and_then(Value::literal)?.parse::<usize>().ok();
    let mut codes = Vec::new();
    let entries = contained(value, &mut codes);
    let is_page = number("offset").is_some_and(|offset| offset > 0)
        || number("total").is_some_and(|total| total > entries.max(codes.len()));
    (!is_open && !is_page).then_some(codes)
}

/// Adds the codes below `owner` and gives how many entries there are, those without a code too.
fn contained(owner: Value<'_>, codes: &mut Vec<Code>) -> usize {
    let mut entries = 0;
    for entry in items(owner, "contains") {
        entries += 1;
        let is_true = |key: &str| entry.get(key).and_then(Value::literal) == Some("true");
        if let Some(code) = text(entry, "code") {
            codes.push(Code {
                system: text(entry, "system").unwrap_or_default(),
                code,
                display: text(entry, "display"),
                is_abstract: is_true("abstract"),
                is_inactive: is_true("inactive"),
            });
        }
        entries += contained(entry, codes);
    }
    entries
}
