//! Value sets that nobody writes down: those that the URLs of SNOMED CT and LOINC stand for.
//! Spec: <https://hl7.org/fhir/R4/snomedct.html#implicit>, <https://hl7.org/fhir/R4/loinc.html>

use crate::fault::Fault;
use crate::value_set::{Filter, Include, ValueSet};

pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const LOINC: &str = "http://loinc.org";

/// The property that imports give to the members of SNOMED CT's reference sets.
pub(crate) const REFSET: &str = "refset";
/// The property that imports give to the members of LOINC's answer lists.
pub(crate) const ANSWER_LIST: &str = "answer-list";

/// The value set that a URL stands for; `None` where it is no such URL.
pub(crate) fn implicit(url: &str) -> Option<Result<ValueSet, Fault>> {
    if let Some((system, form)) = url.split_once("?fhir_vs") {
        return Some(by_query(url, system, form));
    }
    let list = url.strip_prefix("http://loinc.org/vs")?;
    let filters = match list.strip_prefix('/') {
        None if list.is_empty() => Vec::new(),
        Some(list) if list.starts_with("LL") => vec![filter(ANSWER_LIST, "=", list)],
        Some(part) if part.starts_with("LP") => vec![filter("concept", "is-a", part)],
        _ => return None,
    };
    let system = Some(LOINC.to_owned());
    Some(Ok(ValueSet::of_include(url, Include { system, filters, ..Include::default() })))
}

fn by_query(url: &str, system: &str, form: &str) -> Result<ValueSet, Fault> {
    // An edition of SNOMED CT stands in the place of the system: it is the version.
    let edition = system.strip_prefix(SNOMED).filter(|rest| rest.starts_with('/'));
    let (system, version) = match edition {
        Some(_) => (SNOMED, Some(system.to_owned())),
        None => (system, None),
    };
    let filters = match form.strip_prefix('=') {
        None if form.is_empty() => Vec::new(),
        Some("refset") => vec![filter("refset-id", "exists", "true")],
        Some(form) => match form.split_once('/') {
            Some(("isa", concept)) => vec![filter("concept", "is-a", concept)],
            Some(("refset", set)) => vec![filter(REFSET, "=", set)],
            _ => return Err(Fault::ImplicitForm(system.to_owned())),
        },
        None => return Err(Fault::ImplicitForm(system.to_owned())),
    };
    let system = Some(system.to_owned());
    Ok(ValueSet::of_include(url, Include { system, version, filters, ..Include::default() }))
}

fn filter(property: &str, operator: &str, value: &str) -> Filter {
    Filter { property: property.to_owned(), operator: operator.to_owned(), value: value.to_owned() }
}
