//! Who there is and what is kept about them, as `world.toml` tells it, and the resources of that.

use kanta_identifiers::identity_code::{self, IdentityCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Error;

const RELEASE: &str =
    "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/ReleaseDateForPatientViewing";
const STAND: &str =
    "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/RestrictionParent";
const STANDS: &str = "urn:oid:1.2.246.537.5.40202.201901";
const DECLARATION: &str = "urn:kantele:CodeSystem:declaration";
const OID: &str = "urn:ietf:rfc:3986";
/// When what is kept was written down, long enough ago for every clock.
const RECORDED: &str = "2026-02-01T10:00:00+02:00";

/// `world.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct World {
    pub(super) crowd: Crowd,
    #[serde(rename = "organisation")]
    pub(super) organisations: Vec<Organisation>,
    #[serde(rename = "register")]
    pub(super) registers: Vec<Register>,
    #[serde(rename = "person")]
    pub(super) persons: Vec<Person>,
    #[serde(rename = "practitioner")]
    practitioners: Vec<Practitioner>,
}

/// Those who are made from a seed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Crowd {
    pub(super) seed: u64,
    pub(super) persons: u64,
    pub(super) every: Every,
}

/// Of how many persons one has it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Every {
    pub(super) safety_ban: u64,
    pub(super) uninformed: u64,
    pub(super) denial: u64,
    pub(super) social: u64,
    pub(super) private: u64,
    pub(super) cross_sector: u64,
    pub(super) appointment: u64,
    pub(super) notification: u64,
    pub(super) wellbeing: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organisation {
    id: String,
    pub(super) name: String,
    pub(super) oid: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    id: String,
    organisation: String,
    system: String,
    code: String,
    sector: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    pub(super) id: String,
    name: [String; 2],
    born: String,
    individual: u16,
    /// By which the person is known in the store of wellbeing data.
    pub(super) pseudonym: Option<String>,
    #[serde(default)]
    safety_ban: bool,
    #[serde(default)]
    informed: bool,
    related: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    denials: Vec<Declared>,
    #[serde(default)]
    guardians: Vec<Guardian>,
    #[serde(default)]
    mandates: Vec<Mandate>,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    code: String,
    provision: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guardian {
    by: String,
    system: String,
    code: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mandate {
    register: String,
    unit: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    #[serde(rename = "type")]
    of: String,
    register: String,
    text: String,
    event: Option<String>,
    function: Option<String>,
    /// The day from which the person is shown it.
    released: Option<String>,
    /// What a minor says of guardians: code and display.
    stand: Option<[String; 2]>,
    /// A security label: system and code.
    label: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Practitioner {
    id: String,
    name: [String; 2],
    slots: Vec<String>,
}

impl World {
    /// What the program carries.
    ///
    /// # Errors
    /// Where it is not what it should be.
    pub(super) fn read() -> Result<Self, Error> {
        Ok(toml::from_str(include_str!("world.toml"))?)
    }

    /// A register by its name.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn register(&self, id: &str) -> Result<&Register, Error> {
        let found = self.registers.iter().find(|own| own.id == id);
        found.ok_or_else(|| format!("world.toml has no register {id}").into())
    }

    /// An organisation by its name.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn organisation(&self, id: &str) -> Result<&Organisation, Error> {
        let found = self.organisations.iter().find(|own| own.id == id);
        found.ok_or_else(|| format!("world.toml has no organisation {id}").into())
    }

    /// The tags of what is in a register, as docs/disclosure.md has them.
    ///
    /// # Errors
    /// Where there is no such register.
    pub(super) fn tags(&self, register: &str) -> Result<Vec<Value>, Error> {
        let own = self.register(register)?;
        let controller = &self.organisation(&own.organisation)?.oid;
        Ok(vec![
            tag("register", &format!("{controller};{};{}", own.system, own.code)),
            tag("controller", controller),
            tag("sector", &own.sector),
        ])
    }

    /// A visit under way, which is a care relationship.
    ///
    /// # Errors
    /// Where there is no such organisation.
    pub(super) fn provider(&self, organisation: &str) -> Result<Value, Error> {
        let own = self.organisation(organisation)?;
        let oid = format!("urn:oid:{}", own.oid);
        Ok(json!({"identifier": {"system": OID, "value": oid}, "display": own.name}))
    }

    /// All resources that the file tells of.
    ///
    /// # Errors
    /// Where it names what it does not have.
    pub(super) fn resources(&self) -> Result<Vec<Value>, Error> {
        let mut all: Vec<Value> = self
            .organisations
            .iter()
            .map(|own| {
                json!({"resourceType": "Organization", "id": own.id, "name": own.name, "identifier":
                    [{"system": OID, "value": format!("urn:oid:{}", own.oid)}]})
            })
            .collect();
        for person in &self.persons {
            self.take(person, &mut all)?;
        }
        for practitioner in &self.practitioners {
            practitioner.take(&mut all);
        }
        Ok(all)
    }

    fn take(&self, person: &Person, all: &mut Vec<Value>) -> Result<(), Error> {
        let (id, code) = (person.id.as_str(), person.code()?);
        all.push(person.patient(&code));
        for organisation in &person.related {
            let mut visit = json!({"resourceType": "Encounter", "id": format!("{id}-{organisation}"),
                "status": "in-progress", "class":
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "subject": patient(id), "serviceProvider": self.provider(organisation)?});
            mark(&mut visit, self.tags(&format!("{organisation}-health"))?);
            all.push(visit);
        }
        if person.informed {
            all.push(consent(&format!("{id}-informed"), &code, "information", None));
        }
        for permission in &person.permissions {
            let provision = Some(json!({"type": "permit"}));
            all.push(consent(&format!("{id}-{permission}"), &code, permission, provision));
        }
        for (number, denial) in person.denials.iter().enumerate() {
            let name = format!("{id}-denial-{number}");
            all.push(consent(&name, &code, &denial.code, Some(denial.provision.clone())));
        }
        for guardian in &person.guardians {
            let by = self.persons.iter().find(|own| own.id == guardian.by);
            let by = by.ok_or("world.toml names a guardian whom it doesn't have")?.code()?;
            let coding = (guardian.system.as_str(), guardian.code.as_str());
            all.push(related(&format!("{id}-{}", guardian.by), id, &by, coding));
        }
        for mandate in &person.mandates {
            let register = self.register(&mandate.register)?;
            all.push(json!({"resourceType": "CareTeam", "id": format!("{id}-mandate"),
                "status": "active", "category": [{"coding": [
                    {"system": "urn:kantele:CodeSystem:mandate", "code": "purchased-service"}]}],
                "subject": patient(id), "period": {"start": "2026-01-01"},
                "participant": [{"member": {"identifier": {"value": mandate.unit}}}],
                "managingOrganization": [self.provider(&register.organisation)?]}));
        }
        for item in &person.items {
            let mut resource = item.resource(id)?;
            let mut tags = self.tags(&item.register)?;
            tags.extend(item.event.iter().map(|own| tag("service-event", own)));
            tags.extend(item.function.iter().map(|own| tag("service-function", own)));
            mark(&mut resource, tags);
            all.push(resource);
        }
        Ok(())
    }
}

impl Person {
    /// The identity code.
    ///
    /// # Errors
    /// Where the date of birth is none.
    pub(super) fn code(&self) -> Result<String, Error> {
        let mut parts = self.born.split('-');
        let (year, month, day) = (parts.next(), parts.next(), parts.next());
        let none = "world.toml has a date of birth that is none";
        let born =
            (year.ok_or(none)?.parse()?, month.ok_or(none)?.parse()?, day.ok_or(none)?.parse()?);
        Ok(IdentityCode::fictitious(born, self.individual)?.to_string())
    }

    fn patient(&self, code: &str) -> Value {
        let [given, family] = &self.name;
        let gender = if self.individual.is_multiple_of(2) { "female" } else { "male" };
        let mut resource = json!({"resourceType": "Patient", "id": self.id,
            "identifier": [identity(code)],
            "name": [{"family": family, "given": [given]}], "gender": gender,
            "birthDate": self.born,
            "address": [{"line": ["Esimerkkikatu 1"], "city": "Testilä", "country": "FI"}]});
        if let Some(pseudonym) = &self.pseudonym {
            tie(&mut resource, pseudonym);
        }
        if self.safety_ban {
            label(&mut resource, safety_ban());
        }
        resource
    }

    /// The given name and the family name.
    pub(super) fn name(&self) -> (&str, &str) {
        let [given, family] = &self.name;
        (given, family)
    }
}

impl Item {
    fn resource(&self, person: &str) -> Result<Value, Error> {
        let mut resource = match self.of.as_str() {
            "Observation" => json!({"status": "final", "code": {"text": self.text},
                "subject": patient(person), "effectiveDateTime": RECORDED}),
            "Condition" => json!({"clinicalStatus": {"coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                        "code": "active"}]},
                "code": {"text": self.text}, "subject": patient(person),
                "recordedDate": RECORDED}),
            "Appointment" => json!({"status": "booked", "description": self.text,
                "start": "2030-03-05T09:00:00+02:00", "end": "2030-03-05T09:30:00+02:00",
                "participant": [{"actor": patient(person), "status": "accepted"}]}),
            "DocumentReference" => json!({"status": "current", "description": self.text,
                "subject": patient(person), "date": RECORDED,
                "content": [{"attachment": {"title": self.text, "language": "fi"}}]}),
            other => return Err(format!("world.toml has an item of the type {other}").into()),
        };
        let mut extensions: Vec<Value> = Vec::new();
        extensions
            .extend(self.released.iter().map(|day| json!({"url": RELEASE, "valueDate": day})));
        extensions.extend(self.stand.iter().map(|[code, display]| {
            let stand = json!({"system": STANDS, "code": code, "display": display});
            json!({"url": STAND, "valueCoding": stand})
        }));
        put(&mut resource, "resourceType", json!(self.of));
        put(&mut resource, "id", json!(self.id));
        if !extensions.is_empty() {
            put(&mut resource, "extension", Value::Array(extensions));
        }
        if let Some((system, code)) = self.label.as_ref().and_then(|own| own.split_once('|')) {
            label(&mut resource, json!({"system": system, "code": code}));
        }
        Ok(resource)
    }
}

impl Practitioner {
    fn take(&self, all: &mut Vec<Value>) {
        let ([given, family], id) = (&self.name, &self.id);
        all.push(json!({"resourceType": "Practitioner", "id": id,
            "name": [{"family": family, "given": [given]}]}));
        all.push(json!({"resourceType": "Schedule", "id": id,
            "serviceType": [{"coding": [{"system": "http://example.org/services", "code": "gp"}]}],
            "actor": [{"reference": format!("Practitioner/{id}")}]}));
        for (number, start) in self.slots.iter().enumerate() {
            let end = start.replace(":30:00", ":50:00").replace(":00:00", ":20:00");
            all.push(json!({"resourceType": "Slot", "id": format!("{id}-{}", number + 1),
                "schedule": {"reference": format!("Schedule/{id}")}, "status": "free",
                "start": start, "end": end}));
        }
    }
}

/// A Consent that declares something in this project's codes.
pub(super) fn consent(id: &str, code: &str, category: &str, provision: Option<Value>) -> Value {
    let mut consent = json!({"resourceType": "Consent", "id": id, "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": DECLARATION, "code": category}]}],
        "patient": {"identifier": identity(code)}, "dateTime": RECORDED,
        "policyRule": {"text": "Esimerkki"}});
    if let Some(provision) = provision {
        put(&mut consent, "provision", provision);
    }
    consent
}

/// Somebody who acts for a person.
pub(super) fn related(id: &str, person: &str, by: &str, coding: (&str, &str)) -> Value {
    json!({"resourceType": "RelatedPerson", "id": id, "active": true, "patient": patient(person),
        "identifier": [identity(by)],
        "relationship": [{"coding": [{"system": coding.0, "code": coding.1}]}]})
}

/// Ties a person to a pseudonym: the Patient has both.
pub(super) fn tie(patient: &mut Value, pseudonym: &str) {
    if let Some(identifiers) = patient.pointer_mut("/identifier").and_then(Value::as_array_mut) {
        identifiers.push(json!({"system": OID, "value": pseudonym}));
    }
}

/// The label of who lives in danger.
pub(super) fn safety_ban() -> Value {
    json!({"system": "https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs",
        "code": "TURVAKIELTO"})
}

pub(super) fn identity(code: &str) -> Value {
    json!({"system": identity_code::SYSTEM, "value": code})
}

pub(super) fn patient(id: &str) -> Value {
    json!({"reference": format!("Patient/{id}")})
}

fn tag(name: &str, code: &str) -> Value {
    json!({"system": format!("urn:kantele:CodeSystem:{name}"), "code": code})
}

/// Says in which register a resource is.
pub(super) fn mark(resource: &mut Value, tags: Vec<Value>) {
    meta(resource, "tag", tags);
}

/// Puts a security label on a resource.
pub(super) fn label(resource: &mut Value, label: Value) {
    meta(resource, "security", vec![label]);
}

fn meta(resource: &mut Value, member: &str, more: Vec<Value>) {
    let Some(resource) = resource.as_object_mut() else { return };
    let meta = resource.entry("meta").or_insert_with(|| Value::Object(Map::new()));
    let Some(meta) = meta.as_object_mut() else { return };
    let list = meta.entry(member).or_insert_with(|| Value::Array(Vec::new()));
    if let Some(list) = list.as_array_mut() {
        list.extend(more);
    }
}

/// Sets a member of a resource.
pub(super) fn put(resource: &mut Value, member: &str, value: Value) {
    if let Some(resource) = resource.as_object_mut() {
        resource.insert(member.to_owned(), value);
    }
}
