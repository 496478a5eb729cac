//! An access as bytes, and what it is found by.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::VersionId;
use fhir_search::{PatientIdentifier, PatientName, ValueHasher};

use super::codec::{Fields, Writer, number, pair, text};
use super::{Actor, Head, Part, Relation};
use crate::Interaction;

/// An access, or the part of it that one commit took along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What the edge knew.
    pub head: Head,
    /// The HTTP status of the answer; none for what a commit took along, where each part came to
    /// what the commit says.
    pub status: Option<u16>,
    /// The interactions, at least one.
    pub parts: Vec<Part>,
}

/// Numbers of the fields. They are kept in databases: they never change their meaning.
mod field {
    pub(super) const REQUEST_ID: u8 = 1;
    pub(super) const ADDRESS: u8 = 2;
    pub(super) const SERVER: u8 = 3;
    pub(super) const REQUEST: u8 = 4;
    pub(super) const STATUS: u8 = 5;
    /// Begins a part; its interaction, empty where that is not known.
    pub(super) const PART: u8 = 16;
    pub(super) const OPERATION: u8 = 17;
    pub(super) const TYPE: u8 = 18;
    pub(super) const KEY: u8 = 19;
    pub(super) const VERSION: u8 = 20;
    pub(super) const QUERY: u8 = 21;
    pub(super) const REFUSED: u8 = 22;
    pub(super) const PATIENT: u8 = 23;
    pub(super) const IDENTITY: u8 = 24;
    pub(super) const PATIENT_URL: u8 = 25;
    /// Another identifier of the patient before it.
    pub(super) const ALSO_KNOWN: u8 = 26;
    pub(super) const RELATION: u8 = 27;
}

impl Entry {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(field::REQUEST_ID, self.head.request_id.as_deref());
        out.text(field::ADDRESS, self.head.address.as_deref());
        out.text(field::SERVER, Some(&self.head.server));
        out.text(field::REQUEST, Some(&self.head.request));
        if let Some(status) = self.status {
            out.number(field::STATUS, status.into());
        }
        for part in &self.parts {
            out.text(field::PART, Some(part.interaction.map_or("", Interaction::code)));
            out.text(field::OPERATION, part.operation.as_deref());
            out.text(field::TYPE, part.resource_type.map(ResourceType::as_str));
            let key = part.key.as_ref().map(ToString::to_string);
            out.text(field::KEY, key.as_deref());
            if let Some(version) = part.version {
                out.number(field::VERSION, version.0);
            }
            out.text(field::QUERY, part.query.as_deref());
            if part.is_refused {
                out.bytes(field::REFUSED, &[]);
            }
            out.text(field::RELATION, part.relation.map(Relation::code));
            for (patient, identifiers) in &part.patients {
                match patient {
                    PatientName::Resource(id) => out.text(field::PATIENT, Some(id.as_str())),
                    PatientName::Identity(PatientIdentifier { system, value }) => {
                        out.pair(field::IDENTITY, system, value);
                    }
                    PatientName::Url(url) => out.text(field::PATIENT_URL, Some(url)),
                }
                for PatientIdentifier { system, value } in identifiers {
                    out.pair(field::ALSO_KNOWN, system, value);
                }
            }
        }
        out.finish()
    }

    /// What [`Self::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut entry = Self::default();
        // Who the next further identifier belongs to.
        let mut last = None;
        for (field, bytes) in Fields(bytes) {
            match field {
                field::REQUEST_ID => entry.head.request_id = text(bytes),
                field::ADDRESS => entry.head.address = text(bytes),
                field::SERVER => entry.head.server = text(bytes).unwrap_or_default(),
                field::REQUEST => entry.head.request = text(bytes).unwrap_or_default(),
                field::STATUS => entry.status = u16::try_from(number(bytes)).ok(),
                field::PART => {
                    let interaction = text(bytes).and_then(|code| Interaction::of(&code));
                    entry.parts.push(Part::new(interaction, None));
                }
                _ => {
                    if let Some(part) = entry.parts.last_mut() {
                        part.read(field, bytes, &mut last);
                    }
                }
            }
        }
        entry
    }
}

impl Part {
    fn read(&mut self, field: u8, bytes: &[u8], last: &mut Option<PatientName>) {
        let identifier = || {
            let (system, value) = pair(bytes)?;
            Some(PatientIdentifier { system, value })
        };
        match field {
            field::OPERATION => self.operation = text(bytes),
            field::TYPE => {
                self.resource_type = text(bytes).and_then(|name| ResourceType::named(&name));
            }
            field::KEY => self.key = text(bytes).and_then(|key| key.parse().ok()),
            field::VERSION => self.version = Some(VersionId(number(bytes))),
            field::QUERY => self.query = text(bytes),
            field::REFUSED => self.is_refused = true,
            field::RELATION => self.relation = text(bytes).and_then(|code| Relation::of(&code)),
            field::PATIENT | field::IDENTITY | field::PATIENT_URL => {
                *last = match field {
                    field::PATIENT => {
                        text(bytes).and_then(|id| id.parse().ok()).map(PatientName::Resource)
                    }
                    field::IDENTITY => identifier().map(PatientName::Identity),
                    _ => text(bytes).map(PatientName::Url),
                };
                if let Some(name) = last {
                    self.patients.entry(name.clone()).or_default();
                }
            }
            field::ALSO_KNOWN => {
                if let Some(name) = last {
                    self.patients.entry(name.clone()).or_default().extend(identifier());
                }
            }
            _ => {}
        }
    }
}

/// What an entry is found by, ascending: the patients, who asked, and where there is no patient
/// the resource.
#[must_use]
pub fn keys(hasher: &ValueHasher, actor: &Actor, entry: &Entry) -> Vec<i64> {
    let mut keys: Vec<i64> = Vec::new();
    for part in &entry.parts {
        for (name, identifiers) in &part.patients {
            keys.extend(patient_keys(hasher, name, identifiers));
        }
        if part.patients.is_empty() {
            keys.extend(part.key.as_ref().map(|key| hasher.reference(key)));
        }
    }
    let claims = &actor.claims;
    let person = claims.person.as_ref();
    let person = person.map(|person| hasher.identity(&person.system, &person.value));
    let user = || claims.fhir_user.as_ref().map(|key| hasher.reference(key));
    keys.extend(person.or_else(user));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// What an entry about a patient is found by.
#[must_use]
pub fn patient_keys(
    hasher: &ValueHasher,
    name: &PatientName,
    identifiers: &BTreeSet<PatientIdentifier>,
) -> Vec<i64> {
    let identity = |one: &PatientIdentifier| hasher.identity(&one.system, &one.value);
    let name = match name {
        PatientName::Resource(id) => hasher.local(ResourceType::PATIENT, id.as_str()),
        PatientName::Identity(identifier) => identity(identifier),
        PatientName::Url(url) => hasher.hash(url),
    };
    std::iter::once(name).chain(identifiers.iter().map(identity)).collect()
}

#[cfg(test)]
mod tests {
    use fhir_search::Patients;

    use super::*;

    #[test]
    fn an_entry_comes_back() {
        let identifier = |value: &str| PatientIdentifier {
            system: "urn:oid:1.2.246.21".into(),
            value: value.into(),
        };
        let also = BTreeSet::from([identifier("a"), identifier("b")]);
        let read = Part {
            key: "Observation/1".parse().ok(),
            version: Some(VersionId(3)),
            patients: Patients::from([
                (PatientName::Resource("a".parse().unwrap()), also),
                (PatientName::Identity(identifier("010190-9999")), BTreeSet::new()),
                (PatientName::Url("http://other.example/Patient/1".into()), BTreeSet::new()),
            ]),
            ..Part::new(Some(Interaction::Read), Some(ResourceType::OBSERVATION))
        };
        let refused = Part {
            operation: Some("$everything".into()),
            query: Some("Patient/1/$everything?_count=3".into()),
            is_refused: true,
            ..Part::new(Some(Interaction::Operation), Some(ResourceType::PATIENT))
        };
        let head = Head {
            request_id: Some("r-1".into()),
            address: Some("192.0.2.1".into()),
            server: "https://fhir.example.org/fhir".into(),
            request: "POST ".into(),
        };
        let parts = vec![read, refused, Part::new(None, None)];
        let entry = Entry { head, status: Some(200), parts };
        assert_eq!(Entry::decode(&entry.encode()), entry);
        let keys = keys(&ValueHasher::new(&[1; 16]), &Actor::default(), &entry);
        assert_eq!(keys.len(), 5);
    }
}
