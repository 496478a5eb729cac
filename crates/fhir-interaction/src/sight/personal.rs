//! What is decided about persons, each asked for when their data come into question.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_access::{Asked, Personal, Wanted, escaped};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Resource, ResourceKey};
use fhir_search::{
    Match, PatientIdentifier, PatientName, Predicate, Scope, SearchQuery, named_patients,
};
use fhir_store::{StoreError, StoredVersion};

use super::memory::Known;
use super::{Sight, of_type};
use crate::app::ReadFailure;
use crate::mark;
use crate::trace::patients_of_all;

/// More persons than this cannot be named by one search.
const PERSONS: usize = 20;
/// More Patient resources of one person than this are too many to be one person's.
const PATIENTS: usize = 50;
/// More of what a decision rests on than this cannot be looked through for one request.
const FACTS: usize = 2_000;

const TOO_MUCH: &str = "more is stored about the person than a decision can rest on";

fn asked<'a>(
    personal: &'a Personal,
    person: &'a Person,
    found: &'a [(ResourceKey, Resource)],
) -> Asked<'a> {
    let (names, patients) = (&person.names, &person.patients);
    Asked { caller: personal.caller(), now: personal.now(), names, patients, found }
}

/// Somebody with all their names.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) names: Vec<PatientName>,
    pub(super) patients: Vec<Resource>,
    /// Of the names, as index rows have them.
    pub(super) hashes: Vec<i64>,
}

impl Sight<'_> {
    /// Decides about the persons that a search names, and about whom the caller is or speaks for.
    ///
    /// # Errors
    /// `Forbidden` where the caller has no business with a person that the search names, or where
    /// it asks for what belongs to persons and names none.
    pub(crate) fn admit_named(
        &mut self,
        query: &SearchQuery,
        compartment: Option<&ResourceKey>,
    ) -> Result<(), ReadFailure> {
        let Some(personal) = self.permit.personal() else { return Ok(()) };
        let mut names = named_patients(self.registry, self.indexer.base(), query);
        names.extend(compartment.and_then(patient_name));
        if names.is_empty() {
            names.extend(personal.own_names());
            let of_persons = match &query.scope {
                Scope::Type(of) => personal.disclosure().governs(*of),
                Scope::Types(_) | Scope::All => false,
            };
            if names.is_empty() && of_persons {
                let text = "the search names no person: whose data are asked for is said with \
                            `patient` or `patient:identifier`";
                return Err(Failure::new(FailureKind::Forbidden, text).into());
            }
        }
        if names.len() > PERSONS {
            let text = format!("the search names more than {PERSONS} persons");
            return Err(Failure::new(FailureKind::TooCostly, text).into());
        }
        let mut refused = None;
        for name in &names {
            refused = refused.or(self.admit(personal, name)?);
        }
        match refused {
            Some(why) => Err(Failure::new(FailureKind::Forbidden, why).into()),
            None => Ok(()),
        }
    }

    /// Decides about the persons whose data these are. Where there are none, the same is done for
    /// somebody who isn't there, so that both take as long.
    pub(super) fn admit_found(
        &mut self,
        key: &ResourceKey,
        found: &[StoredVersion],
    ) -> Result<(), StoreError> {
        let Some(personal) = self.permit.personal() else { return Ok(()) };
        if !personal.disclosure().governs(key.resource_type) {
            return Ok(());
        }
        let mut names: Vec<_> = patients_of_all(self.indexer, found)?.into_keys().collect();
        if names.is_empty() {
            names.push(PatientName::Resource(key.id.clone()));
        }
        for name in &names {
            self.admit(personal, name)?;
        }
        Ok(())
    }

    /// Decides about the persons whose data these are.
    pub(super) fn admit_all(&mut self, found: &[StoredVersion]) -> Result<(), StoreError> {
        let Some(personal) = self.permit.personal() else { return Ok(()) };
        for name in patients_of_all(self.indexer, found)?.keys() {
            self.admit(personal, name)?;
        }
        Ok(())
    }

    /// Decides about the persons whose data are about to be written.
    pub(crate) fn admit_written(&mut self, all: &mark::Written) -> Result<(), StoreError> {
        let Some(personal) = self.permit.personal() else { return Ok(()) };
        let mut names = BTreeSet::new();
        for (_, key, resource) in all {
            if let Some(resource) = resource {
                names.extend(self.indexer.patients(resource.view(), &key.id).into_keys());
            }
            let current: Vec<_> = self.reader.current(key)?.into_iter().collect();
            names.extend(patients_of_all(self.indexer, &current)?.into_keys());
        }
        for name in &names {
            self.admit(personal, name)?;
        }
        Ok(())
    }

    /// Decides about one person, once a request.
    fn admit(
        &mut self,
        personal: &Personal,
        name: &PatientName,
    ) -> Result<Option<&'static str>, StoreError> {
        if let Some(refused) = personal.known(name) {
            return Ok(refused);
        }
        let known = self.known_of(personal, name)?;
        let Person { names, hashes, .. } = &known.person;
        let refused = match &known.found {
            None => personal.refuse(names, hashes.clone(), TOO_MUCH),
            Some(found) => personal.decide(&asked(personal, &known.person, found), hashes.clone()),
        };
        if let Some(relation) = personal.relation() {
            self.permit.trace().relates(relation);
        }
        Ok(refused)
    }

    /// Why a resource is shown or not, in words for who runs the service; none where there is no
    /// such resource.
    pub(crate) fn reasons(&mut self, key: &ResourceKey) -> Result<Option<Vec<String>>, StoreError> {
        let Some(personal) = self.permit.personal() else { return Ok(None) };
        let stored: Vec<_> = self.reader.current(key)?.into_iter().collect();
        let mut found = Vec::new();
        read_into(&stored, &mut found)?;
        let Some((_, resource)) = found.pop() else { return Ok(None) };
        let mut lines = Vec::new();
        for name in patients_of_all(self.indexer, &stored)?.keys() {
            let known = self.known_of(personal, name)?;
            let Some(found) = &known.found else {
                lines.push(TOO_MUCH.to_owned());
                continue;
            };
            let asked = asked(personal, &known.person, found);
            lines.extend(personal.disclosure().reasons(&asked, key, resource.view()));
        }
        Ok(Some(lines))
    }

    /// A person with what a decision about them rests on; none where that is too much.
    fn known_of(
        &mut self,
        personal: &Personal,
        name: &PatientName,
    ) -> Result<Arc<Known>, StoreError> {
        let (caller, now) = (personal.caller(), personal.now());
        let Some(recall) = self.recall else { return Ok(Arc::new(self.read_of(personal, name)?)) };
        if let Some(known) = recall.get(caller, name, now) {
            return Ok(known);
        }
        let known = Arc::new(self.read_of(personal, name)?);
        recall.keep(caller, name, (now, self.indexer.hasher()), &known);
        Ok(known)
    }

    fn read_of(&mut self, personal: &Personal, name: &PatientName) -> Result<Known, StoreError> {
        let person = self.person(personal, name)?;
        let mut found = Vec::new();
        let mut is_cut = person.patients.len() >= PATIENTS;
        for wanted in personal.disclosure().wants(personal.caller(), personal.now()) {
            is_cut |= self.gather(personal, &wanted, &person.names, &mut found)?;
        }
        Ok(Known { person, found: (!is_cut).then_some(found) })
    }

    /// All names of somebody: their identities, and every Patient resource with one of them.
    fn person(&mut self, personal: &Personal, name: &PatientName) -> Result<Person, StoreError> {
        let systems = personal.disclosure().person_systems();
        let mut patients: Vec<(ResourceKey, Resource)> = Vec::new();
        let mut identities = BTreeSet::new();
        match name {
            PatientName::Resource(id) => {
                let key = ResourceKey::new(ResourceType::PATIENT, id.clone());
                let stored: Vec<_> = self.reader.current(&key)?.into_iter().collect();
                read_into(&stored, &mut patients)?;
            }
            PatientName::Identity(identity) => {
                identities.insert(identity.clone());
            }
            PatientName::Url(_) => {}
        }
        for (key, patient) in &patients {
            identities.extend(self.identities(key, patient, systems));
        }
        // A Patient that is found may have more identities, by which there are more Patients.
        let mut searched = 0;
        while identities.len() > searched && patients.len() < PATIENTS {
            searched = identities.len();
            let any = identities.iter().map(token).collect::<Vec<_>>().join(",");
            let pairs = [("identifier".to_owned(), any)];
            let conditions = personal.words().conditions(ResourceType::PATIENT, &pairs);
            let query = of_type(ResourceType::PATIENT, conditions.unwrap_or_default());
            let hits = self.reader.search(&query, None, PATIENTS)?;
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            patients.clear();
            read_into(&self.reader.load(&rows)?, &mut patients)?;
            for (key, patient) in &patients {
                identities.extend(self.identities(key, patient, systems));
            }
        }
        let mut names: BTreeSet<PatientName> = BTreeSet::from([name.clone()]);
        names.extend(patients.iter().filter_map(|(key, _)| patient_name(key)));
        names.extend(identities.into_iter().map(PatientName::Identity));
        let hasher = self.indexer.hasher();
        let hash = |name: &PatientName| match name {
            PatientName::Resource(id) => {
                Some(hasher.reference(&ResourceKey::new(ResourceType::PATIENT, id.clone())))
            }
            PatientName::Identity(own) => Some(hasher.identity(&own.system, &own.value)),
            PatientName::Url(_) => None,
        };
        let hashes = names.iter().filter_map(hash).collect();
        let patients = patients.into_iter().map(|(_, patient)| patient).collect();
        Ok(Person { names: names.into_iter().collect(), patients, hashes })
    }

    fn identities(
        &self,
        key: &ResourceKey,
        patient: &Resource,
        systems: &[String],
    ) -> Vec<PatientIdentifier> {
        let all = self.indexer.patients(patient.view(), &key.id).into_values().flatten();
        all.filter(|identifier| systems.contains(&identifier.system)).collect()
    }

    /// Reads what a decision wants to know; whether there was more than can be read.
    fn gather(
        &mut self,
        personal: &Personal,
        wanted: &Wanted,
        names: &[PatientName],
        found: &mut Vec<(ResourceKey, Resource)>,
    ) -> Result<bool, StoreError> {
        debug_assert!(personal.disclosure().rests_on(wanted.of), "it would be remembered too long");
        let words = personal.words();
        let (mut keys, mut identities) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                PatientName::Resource(id) => keys.push(format!("Patient/{id}")),
                PatientName::Identity(identity) => identities.push(token(identity)),
                PatientName::Url(_) => {}
            }
        }
        let mut any = Vec::new();
        for (name, values) in [
            (wanted.person.to_owned(), keys),
            (format!("{}:identifier", wanted.person), identities),
        ] {
            let pairs = [(name, values.join(","))];
            if !values.is_empty()
                && let Some(conditions) = words.conditions(wanted.of, &pairs)
            {
                any.extend(conditions.into_iter().flat_map(|predicate| predicate.any));
            }
        }
        let mut predicates = vec![Predicate { any }];
        // What cannot be understood finds nothing rather than everything.
        let conditions = words.conditions(wanted.of, &wanted.pairs);
        predicates
            .extend(conditions.unwrap_or_else(|| vec![Predicate { any: vec![Match::Never] }]));
        let most = wanted.most.unwrap_or(FACTS);
        let hits = self.reader.search(&of_type(wanted.of, predicates), None, most)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        read_into(&self.reader.load(&rows)?, found)?;
        Ok(wanted.most.is_none() && hits.len() >= FACTS)
    }
}

fn token(identity: &PatientIdentifier) -> String {
    format!("{}|{}", escaped(&identity.system), escaped(&identity.value))
}

fn patient_name(key: &ResourceKey) -> Option<PatientName> {
    let is_patient = key.resource_type == ResourceType::PATIENT;
    is_patient.then(|| PatientName::Resource(key.id.clone()))
}

fn read_into(
    stored: &[StoredVersion],
    out: &mut Vec<(ResourceKey, Resource)>,
) -> Result<(), StoreError> {
    for version in stored {
        let Some(body) = &version.body else { continue };
        let damaged =
            |_failure| StoreError::Damaged(format!("the body of {} is not JSON", version.key));
        out.push((version.key.clone(), body.to_resource(&version.key).map_err(damaged)?));
    }
    Ok(())
}
