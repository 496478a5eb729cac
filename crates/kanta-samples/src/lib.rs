//! Synthetic, Finnish-shaped sample data from a seed, for the bench and the tests.
//!
//! Every resource is made from the seed, its type and its number alone, so that any of them can
//! be made without the others and the same on every machine and in every version. Nobody is
//! meant: identity codes are of the fictitious 900 series, names are drawn from lists of common
//! ones. Texts vary from resource to resource, so that compression meets what it would meet.
#![warn(missing_docs)]

mod clinical;
mod json;
mod lists;
mod person;
mod planning;
mod random;
mod text;

use json::Json;
use random::Random;

/// One made resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The name of its resource type.
    pub resource_type: &'static str,
    /// Its logical id.
    pub id: String,
    /// The resource as minified JSON, with its id.
    pub bytes: Vec<u8>,
}

/// The organizations at the start of every mix.
pub const ORGANIZATIONS: u64 = 20;
/// The practitioners that follow them.
pub const PRACTITIONERS: u64 = 60;
/// The locations that follow those, each with a position.
pub const LOCATIONS: u64 = 200;
/// The resources of one patient in a mix, the Patient included.
pub const RESOURCES_PER_PATIENT: u64 = 40;
/// The Observations among them.
pub const OBSERVATIONS_PER_PATIENT: u64 = 26;

/// What precedes the patients of a mix.
pub const COMMON: u64 = ORGANIZATIONS + PRACTITIONERS + LOCATIONS;

/// A source of samples; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    seed: u64,
}

/// How a resource points to those that belong to the same patient.
#[derive(Clone, Copy)]
enum Links {
    /// As `Patient/patient-1`.
    Ids,
    /// As `urn:uuid:…`, for entries of one transaction, which carry no ids.
    Urns,
}

/// What a resource is made of, besides its own random numbers.
#[derive(Clone, Copy)]
struct Context {
    seed: u64,
    links: Links,
    /// Number of the patient.
    patient: u64,
    /// Number of the resource among all of its type.
    number: u64,
}

impl Samples {
    /// Samples that depend on `seed` only.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The Patient of number `n`, with the id `patient-n`. Identity codes repeat after 3,650,000.
    #[must_use]
    pub fn patient(&self, n: u64) -> Vec<u8> {
        self.make("Patient", n, n, Links::Ids)
    }

    /// The Observation of number `n`, with the id `observation-n`, about the patient
    /// `n / OBSERVATIONS_PER_PATIENT`.
    #[must_use]
    pub fn observation(&self, n: u64) -> Vec<u8> {
        self.make("Observation", n / OBSERVATIONS_PER_PATIENT, n, Links::Ids)
    }

    /// The resource at position `n` of an endless mix: organizations, practitioners and locations,
    /// then patient by patient with all that belongs to each. A resource points only to earlier ones.
    #[must_use]
    pub fn mix(&self, n: u64) -> Sample {
        let (resource_type, patient, number) = match n.checked_sub(COMMON) {
            Some(n) => of_patient(n / RESOURCES_PER_PATIENT, n % RESOURCES_PER_PATIENT),
            None if n < ORGANIZATIONS => ("Organization", 0, n),
            None if n < ORGANIZATIONS + PRACTITIONERS => ("Practitioner", 0, n - ORGANIZATIONS),
            None => ("Location", 0, n - ORGANIZATIONS - PRACTITIONERS),
        };
        let bytes = self.make(resource_type, patient, number, Links::Ids);
        Sample { resource_type, id: id_of(resource_type, number), bytes }
    }

    /// The mix up to and with `patients` patients.
    pub fn iter(&self, patients: u64) -> impl Iterator<Item = Sample> + use<> {
        let samples = *self;
        (0..COMMON + patients * RESOURCES_PER_PATIENT).map(move |n| samples.mix(n))
    }

    /// The transaction of number `n`: a Bundle that creates `entries` resources, a new patient
    /// first and then what belongs to it, pointing to each other by `urn:uuid`. After
    /// `RESOURCES_PER_PATIENT` entries the next patient follows.
    #[must_use]
    pub fn transaction_bundle(&self, n: u64, entries: u64) -> Vec<u8> {
        let patients = entries.div_ceil(RESOURCES_PER_PATIENT);
        let mut json = Json::resource("Bundle");
        json.text("type", "transaction");
        json.list("entry", entries, |entry, at| {
            let patient = n * patients + at / RESOURCES_PER_PATIENT;
            let (resource_type, patient, number) = of_patient(patient, at % RESOURCES_PER_PATIENT);
            entry.text("fullUrl", &urn(self.seed, resource_type, number));
            entry.raw("resource", &self.make_text(resource_type, patient, number, Links::Urns));
            entry.put("request", |request| {
                request.text("method", "POST");
                request.text("url", resource_type);
            });
        });
        json.finish().into_bytes()
    }

    fn make(&self, resource_type: &str, patient: u64, number: u64, links: Links) -> Vec<u8> {
        self.make_text(resource_type, patient, number, links).into_bytes()
    }

    fn make_text(&self, resource_type: &str, patient: u64, number: u64, links: Links) -> String {
        let context = Context { seed: self.seed, links, patient, number };
        let mut random = Random::new(self.seed, resource_type, number);
        let mut json = Json::resource(resource_type);
        if matches!(links, Links::Ids) {
            json.text("id", &id_of(resource_type, number));
        }
        let write = match resource_type {
            "Organization" => person::organization,
            "Practitioner" => person::practitioner,
            "Location" => person::location,
            "Patient" => person::patient,
            "Encounter" => planning::encounter,
            "Appointment" => planning::appointment,
            "Condition" => clinical::condition,
            "MedicationRequest" => clinical::medication_request,
            "MedicationStatement" => clinical::medication_statement,
            "DocumentReference" => clinical::document_reference,
            _ => clinical::observation,
        };
        write(&context, &mut random, &mut json);
        json.finish()
    }
}

/// Type, patient and number of the resource in a slot of a patient's share.
fn of_patient(patient: u64, slot: u64) -> (&'static str, u64, u64) {
    let (resource_type, per_patient, first) = match slot {
        0 => ("Patient", 1, 0),
        1..=3 => ("Encounter", 3, 1),
        4..=5 => ("Condition", 2, 4),
        6..=7 => ("Appointment", 2, 6),
        8..=10 => ("MedicationRequest", 3, 8),
        11 => ("MedicationStatement", 1, 11),
        12..=13 => ("DocumentReference", 2, 12),
        _ => ("Observation", OBSERVATIONS_PER_PATIENT, 14),
    };
    (resource_type, patient, patient * per_patient + (slot - first))
}

fn id_of(resource_type: &str, number: u64) -> String {
    format!("{}-{number}", resource_type.to_ascii_lowercase())
}

/// A UUID that stands for a resource of a transaction.
fn urn(seed: u64, resource_type: &str, number: u64) -> String {
    let mut random = Random::new(seed ^ 0x7572_6E3A, resource_type, number);
    let (high, low) = (random.next(), random.next());
    format!(
        "urn:uuid:{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        low >> 52,
        low & 0xFFFF_FFFF_FFFF
    )
}

impl Context {
    /// A reference to a resource of the same patient.
    fn link(&self, resource_type: &str, number: u64) -> String {
        match self.links {
            Links::Ids => format!("{resource_type}/{}", id_of(resource_type, number)),
            Links::Urns => urn(self.seed, resource_type, number),
        }
    }

    fn patient_link(&self, key: &str, json: &mut Json) {
        json.put(key, |subject| {
            subject.text("reference", &self.link("Patient", self.patient));
            subject.text("display", &person::patient_name(self.seed, self.patient).full());
        });
    }

    /// A reference to one of the patient's three encounters.
    fn encounter_link(&self, random: &mut Random) -> String {
        self.link("Encounter", self.patient * 3 + random.below(3))
    }
}

/// The id and name of some practitioner.
fn practitioner(seed: u64, random: &mut Random) -> (String, String) {
    let number = random.below(PRACTITIONERS);
    let name = person::practitioner_name(seed, number);
    (format!("Practitioner/{}", id_of("Practitioner", number)), name.full())
}

/// The id of some organization.
fn organization(random: &mut Random) -> String {
    format!("Organization/{}", id_of("Organization", random.below(ORGANIZATIONS)))
}

/// The id of some location.
fn location(random: &mut Random) -> String {
    format!("Location/{}", id_of("Location", random.below(LOCATIONS)))
}

#[cfg(test)]
mod tests;
