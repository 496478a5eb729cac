//! All persons whose data a resource is, as it names them: for whoever must tell each of them
//! that it was looked at.
//!
//! They are read where the Patient compartment's parameters look, the subject and those who took
//! part alike. Spec: <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>

use std::collections::{BTreeMap, BTreeSet};

use fhir_definitions::ResourceType;
use fhir_model::{Id, ResourceView, Value};

use super::Indexer;
use super::expression::Filter;
use super::extract::{Extract, text_at};
use super::trie::{Leaf, Node, NodeId, Visit};
use crate::reference::Target;

/// A patient as a resource names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatientName {
    /// A Patient of this server.
    Resource(Id),
    /// Of a logical reference, or of a Patient inside the resource.
    Identity(PatientIdentifier),
    /// A Patient of another server.
    Url(String),
}

/// `Identifier.system` and `Identifier.value` of a patient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientIdentifier {
    /// `Identifier.system`.
    pub system: String,
    /// `Identifier.value`.
    pub value: String,
}

/// Patients with what else they are known by.
pub type Patients = BTreeMap<PatientName, BTreeSet<PatientIdentifier>>;

impl Indexer {
    /// The patients that a resource with this id is about. A Patient is about itself.
    #[must_use]
    pub fn patients(&self, view: ResourceView<'_>, id: &Id) -> Patients {
        let mut names = Names {
            all: Patients::new(),
            base: self.base.as_deref(),
            resource: view.value,
            subjects: 0,
        };
        if view.resource_type == ResourceType::PATIENT {
            let identifiers = view.value.get("identifier").into_iter().flat_map(Value::items);
            let identifiers = identifiers.filter_map(identifier).collect();
            names.all.insert(PatientName::Resource(id.clone()), identifiers);
        } else if let Some(own) = self.of(view.resource_type) {
            names.subjects = own.people.subjects;
            own.patients.walk(0, view.value, &mut names);
        }
        names.all
    }

    /// Whether a reference to a Patient in this member of a resource always is one to a patient
    /// that the resource is about.
    #[must_use]
    pub fn names_patients(&self, resource_type: ResourceType, member: &str) -> bool {
        let Some(own) = self.of(resource_type) else { return false };
        let node = |number: NodeId| own.patients.nodes.get(number as usize);
        let is_person =
            |node: &Node| node.leaves.iter().any(|leaf| matches!(leaf.extract, Extract::Person(_)));
        let Some(under) = node(0).and_then(|root| root.child(member)).and_then(node) else {
            return false;
        };
        let by_type = under.filters.iter().any(|(filter, child)| {
            matches!(filter, Filter::ResolvesTo(ResourceType::PATIENT))
                && node(*child).is_some_and(is_person)
        });
        resource_type != ResourceType::PATIENT && (is_person(under) || by_type)
    }
}

/// What a walk has found.
struct Names<'a> {
    all: Patients,
    base: Option<&'a str>,
    resource: Value<'a>,
    /// Ranks up to this one name the subject.
    subjects: i32,
}

impl Visit for Names<'_> {
    fn leaf(&mut self, leaf: &Leaf, reference: Value<'_>) {
        let Extract::Person(rank) = leaf.extract else { return };
        let text = text_at(reference, "reference");
        match text.as_deref().and_then(|text| Target::read(text, self.base)) {
            Some(Target::Local(ResourceType::PATIENT, id)) => {
                if let Ok(id) = id.parse() {
                    self.add(PatientName::Resource(id));
                }
            }
            Some(Target::Contained(id)) => self.contained(id),
            Some(target @ Target::Url(url, _)) => match target.named_type() {
                Some(ResourceType::PATIENT) => self.add(PatientName::Url(url.to_owned())),
                Some(_) => {}
                None => self.logical(rank, reference),
            },
            Some(Target::Local(..)) => {}
            None => self.logical(rank, reference),
        }
    }

    fn target_type(&mut self, reference: Value<'_>) -> Option<ResourceType> {
        let text = text_at(reference, "reference");
        let named = text.as_deref().and_then(|text| Target::read(text, self.base)?.named_type());
        named.or_else(|| text_at(reference, "type")?.parse().ok())
    }
}

impl Names<'_> {
    fn add(&mut self, name: PatientName) {
        self.all.entry(name).or_default();
    }

    fn logical(&mut self, rank: i32, reference: Value<'_>) {
        let is_patient = match text_at(reference, "type") {
            Some(named) => named == "Patient",
            None => rank <= self.subjects,
        };
        if is_patient {
            let identifier = reference.get("identifier").and_then(identifier);
            identifier.map(PatientName::Identity).into_iter().for_each(|name| self.add(name));
        }
    }

    fn contained(&mut self, id: &str) {
        let inside = self.resource.get("contained").into_iter().flat_map(Value::items);
        let is = |each: Value<'_>, member: &str, text: &str| {
            text_at(each, member).is_some_and(|found| found == text)
        };
        for patient in inside.filter(|each| is(*each, "id", id)) {
            if is(patient, "resourceType", "Patient") {
                let identifiers = patient.get("identifier").into_iter().flat_map(Value::items);
                let mut identifiers = identifiers.filter_map(identifier);
                let first = identifiers.next().map(PatientName::Identity);
                let others = identifiers.collect::<BTreeSet<_>>();
                if let Some(first) = first {
                    self.all.entry(first).or_default().extend(others);
                }
            }
        }
    }
}

fn identifier(identifier: Value<'_>) -> Option<PatientIdentifier> {
    let (system, value) = (text_at(identifier, "system")?, text_at(identifier, "value")?);
    Some(PatientIdentifier { system: system.into_owned(), value: value.into_owned() })
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;
    use fhir_model::date::Zone;

    use super::*;
    use crate::{ParameterId, Registry, ValueHasher};

    fn indexer() -> Indexer {
        let mut last = 0;
        let registry = Registry::r4(&mut |_, _, _| {
            last += 1;
            ParameterId(last)
        });
        Indexer::compile(&registry, ValueHasher::new(&[7; 16]), Zone::utc())
            .with_base(Some("http://own.example/fhir".to_owned()))
    }

    fn found(indexer: &Indexer, source: &str) -> Vec<String> {
        let resource = Resource::trusted(source.as_bytes().to_vec()).unwrap();
        let id = resource.id().unwrap_or_else(|| "none".parse().unwrap());
        let names = indexer.patients(resource.view(), &id);
        let pair = |of: &PatientIdentifier| format!("{}|{}", of.system, of.value);
        let shown = names.into_iter().map(|(name, others)| {
            let name = match name {
                PatientName::Resource(id) => format!("Patient/{id}"),
                PatientName::Identity(identifier) => pair(&identifier),
                PatientName::Url(url) => url,
            };
            let others: Vec<String> = others.iter().map(pair).collect();
            [vec![name], others].concat().join(" ")
        });
        shown.collect()
    }

    #[test]
    fn members_that_name_patients_are_known() {
        let indexer = indexer();
        for (resource_type, member, expected) in [
            (ResourceType::OBSERVATION, "subject", true),
            (ResourceType::OBSERVATION, "patient", false),
            (ResourceType::OBSERVATION, "focus", false),
            (ResourceType::named("Immunization").unwrap(), "patient", true),
            (ResourceType::named("Appointment").unwrap(), "participant", false),
            (ResourceType::named("Organization").unwrap(), "subject", false),
            (ResourceType::PATIENT, "link", false),
        ] {
            let found = indexer.names_patients(resource_type, member);
            assert_eq!(found, expected, "{resource_type:?}.{member}");
        }
    }

    #[test]
    fn every_patient_that_a_resource_is_about_is_named_once() {
        let indexer = indexer();
        for (source, expected) in [
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},
                    "performer":[{"reference":"Practitioner/2"},{"reference":"Patient/1/_history/3"}]}"#,
                vec!["Patient/1"],
            ),
            (
                r#"{"resourceType":"Appointment","participant":[
                    {"actor":{"reference":"http://own.example/fhir/Patient/a"}},
                    {"actor":{"reference":"Practitioner/a"}},
                    {"actor":{"type":"Patient","identifier":{"system":"urn:s","value":"010190-9999"}}},
                    {"actor":{"identifier":{"system":"urn:s","value":"a room"}}},
                    {"actor":{"reference":"http://other.example/fhir/Patient/b"}}]}"#,
                vec!["Patient/a", "urn:s|010190-9999", "http://other.example/fhir/Patient/b"],
            ),
            (
                r##"{"resourceType":"Appointment","contained":[{"resourceType":"Patient","id":"p",
                    "identifier":[{"system":"urn:s","value":"9"},{"value":"none"},
                    {"system":"urn:t","value":"8"}]}],
                    "participant":[{"actor":{"reference":"#p"}}]}"##,
                vec!["urn:s|9 urn:t|8"],
            ),
            (
                r#"{"resourceType":"Patient","id":"x","identifier":[{"system":"urn:s","value":"9"}],
                    "link":[{"other":{"reference":"Patient/y"},"type":"seealso"}]}"#,
                vec!["Patient/x urn:s|9"],
            ),
            (r#"{"resourceType":"Organization","name":"Patient/1"}"#, vec![]),
        ] {
            assert_eq!(found(&indexer, source), expected, "{source}");
        }
    }
}
