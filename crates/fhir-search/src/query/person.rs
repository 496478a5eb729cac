//! The persons that a search names.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::Id;

use super::value::{split, unescape};
use super::{Scope, SearchQuery};
use crate::index::{PatientIdentifier, PatientName};
use crate::reference::Target;
use crate::{ParameterKind, Registry};

/// The patients that a search on one type names: by a reference (`patient=Patient/1`), by an
/// identifier (`patient:identifier=system|value`, `patient.identifier=…`), or on Patient itself by
/// `_id` and `identifier`. What it says of them otherwise names nobody.
///
/// `base` is the root under which references are local.
#[must_use]
pub fn named_patients(
    registry: &Registry,
    base: Option<&str>,
    query: &SearchQuery,
) -> BTreeSet<PatientName> {
    let mut names = BTreeSet::new();
    let Scope::Type(of) = query.scope else { return names };
    for (name, values) in &query.applied {
        let values = split(values, ',').into_iter().map(unescape);
        match Naming::of(registry, of, name) {
            Some(Naming::Id) => names.extend(values.filter_map(|value| by_id(&value))),
            Some(Naming::Identifier) => {
                names.extend(values.filter_map(|value| by_identifier(&value)));
            }
            Some(Naming::Reference) => {
                names.extend(values.filter_map(|value| by_reference(&value, base)));
            }
            None => {}
        }
    }
    names
}

/// How a parameter names somebody.
enum Naming {
    Id,
    Identifier,
    Reference,
}

impl Naming {
    fn of(registry: &Registry, of: ResourceType, name: &str) -> Option<Self> {
        if of == ResourceType::PATIENT {
            match name {
                "_id" => return Some(Self::Id),
                "identifier" => return Some(Self::Identifier),
                _ => {}
            }
        }
        let (path, modifier) = name.split_once(':').unwrap_or((name, ""));
        let (code, by) = path.split_once('.').unwrap_or((path, ""));
        let parameter = registry.get(of, code)?;
        let leads = parameter.kind == ParameterKind::Reference
            && (parameter.targets.is_empty() || parameter.targets.contains(&ResourceType::PATIENT));
        match (by, modifier) {
            _ if !leads => None,
            ("", "identifier") | ("identifier", "") | ("", "Patient.identifier") => {
                Some(Self::Identifier)
            }
            ("", "" | "Patient") => Some(Self::Reference),
            ("_id", "") | ("", "Patient._id") => Some(Self::Id),
            _ => None,
        }
    }
}

fn by_id(value: &str) -> Option<PatientName> {
    value.parse::<Id>().ok().map(PatientName::Resource)
}

fn by_identifier(value: &str) -> Option<PatientName> {
    let (system, value) = value.split_once('|')?;
    let identifier = PatientIdentifier { system: system.to_owned(), value: value.to_owned() };
    (!identifier.value.is_empty()).then_some(PatientName::Identity(identifier))
}

fn by_reference(value: &str, base: Option<&str>) -> Option<PatientName> {
    match Target::read(value, base) {
        Some(Target::Local(ResourceType::PATIENT, id)) => by_id(id),
        Some(Target::Local(..) | Target::Contained(_)) => None,
        // An id without its type reads as a URL; what is one has a colon or a slash.
        Some(Target::Url(..)) | None => by_id(value),
    }
}
