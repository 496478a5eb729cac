//! The filters of a value set on the concepts of a code system: each is answered once for all
//! concepts, as marks.
//! Spec: <https://hl7.org/fhir/R4/valueset-filter-operator.html>

use regex_lite::{Regex, RegexBuilder};

use crate::fault::Fault;
use crate::implicit::{REFSET, SNOMED};
use crate::system::{CodeSystem, Concept, Marks, ValueKind};
use crate::value_set::Filter;

/// The largest compiled regular expression in bytes; its steps are bounded by its size.
const MAX_REGEX_BYTES: usize = 64 * 1024;

/// Where the values of a filter's property are found.
#[derive(Clone, Copy)]
enum Property<'a> {
    Code,
    Display,
    Definition,
    Parent,
    Child,
    Inactive,
    Abstract,
    Named(&'a str, Option<ValueKind>),
}

/// A condition on the values of a property.
enum Condition<'a> {
    /// One of them is, or none is, in a list.
    Listed(Vec<&'a str>, bool),
    /// One of them matches as a whole.
    Regex(Regex),
    /// There is one, or there is none.
    Exists(bool),
}

/// Marks on the concepts that a filter lets through.
pub(crate) fn marks(filter: &Filter, system: &CodeSystem) -> Result<Marks, Fault> {
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
    let list = || filter.value.split(',').map(str::trim).collect();
    let condition = match filter.operator.as_str() {
        "is-a" => return system.below(position()?),
        "generalizes" => return system.above(position()?),
        "is-not-a" => {
            let mut found = system.below(position()?)?;
            found.invert();
            return Ok(found);
        }
        "descendent-of" => {
            let at = position()?;
            let mut found = system.below(at)?;
            found.clear(at);
            return Ok(found);
        }
        "=" => Condition::Listed(vec![filter.value.as_str()], true),
        "in" => Condition::Listed(list(), true),
        "not-in" => Condition::Listed(list(), false),
        "regex" => {
            let whole = format!("^(?:{})$", filter.value);
            let regex = RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).build();
            Condition::Regex(regex.map_err(|_told| fault("the regular expression is not taken"))?)
        }
        "exists" => match filter.value.as_str() {
            "true" => Condition::Exists(true),
            "false" => Condition::Exists(false),
            _ => return Err(fault("its value is neither true nor false")),
        },
        _ => return Err(fault("R4 has no such operator")),
    };
    // SNOMED CT: the concepts "in" a concept are the members of that reference set.
    let is_refset = is_about_code && filter.operator == "in" && system.url == SNOMED;
    let name = if is_refset && system.has_property(REFSET) { REFSET } else { &filter.property };
    let property =
        property(name, system).ok_or_else(|| fault("the code system has no such property"))?;
    let mut found = Marks::none(system.body.len());
    for concept in system.concepts() {
        if condition.holds(property, concept) {
            found.set(concept.position());
        }
    }
    Ok(found)
}

impl Condition<'_> {
    fn holds(&self, property: Property<'_>, concept: Concept<'_>) -> bool {
        match self {
            Self::Listed(list, wanted) => {
                let is_in = |value: &str| list.iter().any(|each| property.is_same(value, each));
                property.any(concept, &is_in) == *wanted
            }
            Self::Regex(regex) => property.any(concept, &|value| regex.is_match(value)),
            Self::Exists(wanted) => property.any(concept, &|_| true) == *wanted,
        }
    }
}

fn property<'a>(name: &'a str, system: &CodeSystem) -> Option<Property<'a>> {
    let declared = system.properties.iter().find(|declared| declared.code == name);
    Some(match name {
        "concept" | "code" => Property::Code,
        "display" => Property::Display,
        "parent" => Property::Parent,
        "child" => Property::Child,
        "inactive" => Property::Inactive,
        "notSelectable" => Property::Abstract,
        name if system.has_property(name) => {
            Property::Named(name, declared.and_then(|declared| declared.kind))
        }
        "definition" => Property::Definition,
        "abstract" => Property::Abstract,
        _ => return None,
    })
}

impl Property<'_> {
    /// Whether any value passes a test.
    fn any(self, concept: Concept<'_>, test: &dyn Fn(&str) -> bool) -> bool {
        let flag = |is_set| if is_set { "true" } else { "false" };
        match self {
            Self::Code => test(concept.code()),
            Self::Display => concept.display().is_some_and(test),
            Self::Definition => concept.definition().is_some_and(test),
            Self::Parent => concept.parents().any(|other| test(other.code())),
            Self::Child => concept.children().any(|other| test(other.code())),
            Self::Inactive => test(flag(concept.is_inactive())),
            Self::Abstract => test(flag(concept.is_abstract())),
            Self::Named(name, _) => concept.values(name).any(test),
        }
    }

    /// Numbers are the same whatever zeroes they end with; a Coding may be asked for with its
    /// system.
    fn is_same(self, value: &str, wanted: &str) -> bool {
        if value == wanted {
            return true;
        }
        match self {
            Self::Named(_, Some(ValueKind::Decimal | ValueKind::Integer)) => {
                plain(value) == plain(wanted)
            }
            Self::Named(_, Some(ValueKind::Coding)) => {
                wanted.split_once('|').is_some_and(|(_, code)| code == value)
            }
            Self::Named(..)
            | Self::Code
            | Self::Display
            | Self::Definition
            | Self::Parent
            | Self::Child
            | Self::Inactive
            | Self::Abstract => false,
        }
    }
}

/// A number without sign and zeroes that say nothing.
fn plain(number: &str) -> &str {
    let number = number.strip_prefix('+').unwrap_or(number);
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}
