//! The filters of a value set on the concepts of a code system.
//! Spec: <https://hl7.org/fhir/R4/valueset-filter-operator.html>

use std::collections::HashSet;

use regex_lite::{Regex, RegexBuilder};

use crate::fault::Fault;
use crate::system::{CodeSystem, Concept};
use crate::value_set::Filter;

/// The largest compiled regular expression in bytes; its steps are bounded by its size.
const MAX_REGEX_BYTES: usize = 64 * 1024;

/// A filter made ready for the concepts of one system.
pub(crate) enum Test<'a> {
    /// Whether the concept's position is among these, or is not.
    Position(HashSet<usize>, bool),
    /// Whether a value of the property is among these, or none is.
    Listed(Property<'a>, Vec<&'a str>, bool),
    /// Whether a value of the property matches as a whole.
    Regex(Property<'a>, Regex),
    /// Whether the property is there, or is not.
    Exists(Property<'a>, bool),
}

/// Where the values of a filter's property are found.
#[derive(Clone, Copy)]
pub(crate) enum Property<'a> {
    Code,
    Display,
    Parent,
    Child,
    Inactive,
    Named(&'a str),
}

impl<'a> Test<'a> {
    pub(crate) fn new(filter: &'a Filter, system: &CodeSystem) -> Result<Self, Fault> {
        let fault = |reason| Fault::Filter {
            system: system.url.clone(),
            property: filter.property.clone(),
            operator: filter.operator.clone(),
            reason,
        };
        let is_about_code = matches!(filter.property.as_str(), "concept" | "code");
        let position = || {
            if !is_about_code {
                return Err(fault("subsumption is known for the property concept only"));
            }
            let found = system.position(&filter.value);
            found.ok_or_else(|| fault("the code system has no such code"))
        };
        let property = || property(&filter.property, system).ok_or_else(|| fault(UNDEFINED));
        let list = || filter.value.split(',').map(str::trim).collect();
        Ok(match filter.operator.as_str() {
            "is-a" => Self::Position(system.below(position()?)?, true),
            "is-not-a" => Self::Position(system.below(position()?)?, false),
            "generalizes" => Self::Position(system.above(position()?)?, true),
            "descendent-of" => {
                let at = position()?;
                let mut below = system.below(at)?;
                below.remove(&at);
                Self::Position(below, true)
            }
            "=" => Self::Listed(property()?, vec![filter.value.as_str()], true),
            "in" => Self::Listed(property()?, list(), true),
            "not-in" => Self::Listed(property()?, list(), false),
            "regex" => {
                let whole = format!("^(?:{})$", filter.value);
                let regex = RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).build();
                let regex = regex.map_err(|_told| fault("the regular expression is not taken"))?;
                Self::Regex(property()?, regex)
            }
            "exists" => match filter.value.as_str() {
                "true" => Self::Exists(property()?, true),
                "false" => Self::Exists(property()?, false),
                _ => return Err(fault("its value is neither true nor false")),
            },
            _ => return Err(fault("R4 has no such operator")),
        })
    }

    pub(crate) fn holds(&self, system: &CodeSystem, at: usize, concept: &Concept) -> bool {
        let any = |property: &Property<'_>, test: &dyn Fn(&str) -> bool| {
            any_value(*property, system, concept, test)
        };
        match self {
            Self::Position(positions, wanted) => positions.contains(&at) == *wanted,
            Self::Listed(property, list, wanted) => {
                any(property, &|value| list.contains(&value)) == *wanted
            }
            Self::Regex(property, regex) => any(property, &|value| regex.is_match(value)),
            Self::Exists(property, wanted) => any(property, &|_| true) == *wanted,
        }
    }
}

const UNDEFINED: &str = "the code system has no such property";

fn property<'a>(name: &'a str, system: &CodeSystem) -> Option<Property<'a>> {
    Some(match name {
        "concept" | "code" => Property::Code,
        "display" => Property::Display,
        name if system.has_property(name) && !matches!(name, "parent" | "child") => {
            Property::Named(name)
        }
        "parent" => Property::Parent,
        "child" => Property::Child,
        "inactive" => Property::Inactive,
        _ => return None,
    })
}

fn any_value(
    property: Property<'_>,
    system: &CodeSystem,
    concept: &Concept,
    test: &dyn Fn(&str) -> bool,
) -> bool {
    let any_at = |positions: &[usize]| {
        let mut found = positions.iter().filter_map(|at| system.concepts().get(*at));
        found.any(|other| test(&other.code))
    };
    match property {
        Property::Code => test(&concept.code),
        Property::Display => concept.display.as_deref().is_some_and(test),
        Property::Parent => any_at(&concept.parents),
        Property::Child => any_at(&concept.children),
        Property::Inactive => test(if concept.is_inactive { "true" } else { "false" }),
        Property::Named(name) => concept.values(name).any(test),
    }
}
