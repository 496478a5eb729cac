//! Random persons with their records, declarations and relationships: as resources, and as what
//! the plain decision is told of them.

mod asker;

use fhir_access::CallerKind;
use fhir_model::ResourceKey;
use kanta_rules::disclosure::{
    Class, Custody, Denial, Direction, Guardianship, Item, Mark, Permission, Register, Requester,
    Sector, Situation, Target,
};
use serde_json::{Value, json};

pub use asker::Asker;

use super::random::Random;
use super::rendered::{self, Written, identified};

pub const HETU: &str = "urn:oid:1.2.246.21";
/// Everything happens on this day.
pub const TODAY: &str = "2026-11-22";
const PAST: [&str; 3] = ["2019-05-01", "2025-01-15", "2026-11-21"];
const FUTURE: [&str; 3] = ["2026-11-23", "2027-02-01", "2031"];
pub const CONTROLLERS: [&str; 3] =
    ["1.2.246.10.11111111.10.0", "1.2.246.10.22222222.10.0", "1.2.246.10.33333333.10.0"];
const FUNCTIONS: [&str; 2] = ["41", "42"];
const CLASSES: [&str; 2] = ["k1", "k2"];
const STAND: &str = "urn:oid:1.2.246.537.5.40202.201901";
const DECLARATION: &str = "urn:kantele:CodeSystem:declaration";
const CROSS: &str = "urn:kantele:CodeSystem:sote-consent-category";
pub const REGISTER_TYPE: &str =
    "https://gen.kanta.fi/fhir/StructureDefinition/extension/RegisterType";

/// A type of registers as tokens and resources have it, with and without a version.
pub fn register_type(sector: Sector, versioned: bool) -> (&'static str, &'static str) {
    match (sector, versioned) {
        (Sector::Health, true) => ("urn:oid:1.2.246.537.5.40150.2009", "2"),
        (Sector::Health, false) => ("urn:oid:1.2.246.537.5.40150", "2"),
        (Sector::Social, true) => ("urn:oid:1.2.246.537.6.1264.201701", "1"),
        (Sector::Social, false) => ("urn:oid:1.2.246.537.6.1264", "1"),
        (Sector::Wellbeing, _) => ("urn:kantele:CodeSystem:register-type", "wellbeing"),
    }
}

pub fn register(controller: &str, sector: Sector) -> Register {
    let (system, code) = register_type(sector, false);
    let system = system.trim_start_matches("urn:oid:").to_owned();
    Register { controller: controller.to_owned(), kind: (system, code.to_owned()), specifier: None }
}

/// How a resource names its person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    First,
    Second,
    Identity,
}

pub struct Made {
    pub item: Item,
    pub naming: Naming,
    /// An item of the same record that it refers to (`Observation.derivedFrom`).
    pub refers: Option<usize>,
}

/// A consent as it was thought of.
struct Declared {
    is_in_force: bool,
    what: What,
}

enum What {
    Informed,
    Permission(Permission),
    Denials(Vec<Denial>),
}

/// What ties an organisation to the person.
struct Tie {
    organisation: String,
    is_in_force: bool,
    identifier: Option<String>,
}

struct Mandate {
    organiser: String,
    unit: String,
    sector: Option<Sector>,
    is_in_force: bool,
}

struct Related {
    person: String,
    is_in_force: bool,
    sectors: Option<Vec<Sector>>,
}

pub struct World {
    pub number: usize,
    pub identity: String,
    pub has_second: bool,
    pub items: Vec<Made>,
    is_minor: bool,
    is_protected: bool,
    declared: Vec<Declared>,
    ties: Vec<Tie>,
    mandates: Vec<Mandate>,
    related: Vec<Related>,
    pub resources: Vec<Value>,
}

pub fn unit(controller: &str, n: usize) -> String {
    format!("{}.{n}", controller.trim_end_matches(".0"))
}

fn controller(random: &mut Random) -> &'static str {
    CONTROLLERS[random.below(CONTROLLERS.len())]
}

pub fn guardian(number: usize) -> String {
    format!("guardian-{}", number % 7)
}

impl World {
    pub fn new(number: usize, random: &mut Random) -> Self {
        let has_second = random.percent(30);
        let is_minor = random.percent(40);
        let is_protected = random.percent(10);
        let mut world = Self {
            number,
            identity: format!("identity-{number}"),
            has_second,
            items: Vec::new(),
            is_minor,
            is_protected,
            declared: Vec::new(),
            ties: Vec::new(),
            mandates: Vec::new(),
            related: Vec::new(),
            resources: Vec::new(),
        };
        world.patients(random);
        for _ in 0..3 + random.below(6) {
            world.item(random);
        }
        for _ in 0..random.below(3) {
            world.tie(random);
        }
        if random.percent(60) {
            let own = CONTROLLERS[number % CONTROLLERS.len()].to_owned();
            world.encounter(own, true, None);
        }
        if random.percent(30) {
            world.mandate(random);
        }
        if random.percent(60) {
            world.related(random);
        }
        if random.percent(80) {
            let is_in_force = random.percent(90);
            world.declare(is_in_force, What::Informed, random);
        }
        for _ in 0..random.below(4) {
            world.permission(random);
        }
        for _ in 0..random.below(3) {
            world.denial(random);
        }
        world
    }

    fn id(&self, what: &str) -> String {
        format!("w{}-{what}", self.number)
    }

    pub fn patient(&self, naming: Naming) -> String {
        match naming {
            Naming::Second => self.id("b"),
            Naming::First | Naming::Identity => self.id("a"),
        }
    }

    fn naming(&self, random: &mut Random) -> Naming {
        match random.below(4) {
            0 => Naming::Identity,
            1 if self.has_second => Naming::Second,
            _ => Naming::First,
        }
    }

    fn reference(&self, naming: Naming) -> Value {
        match naming {
            Naming::Identity => {
                json!({"type": "Patient", "identifier": {"system": HETU, "value": self.identity}})
            }
            _ => json!({"reference": format!("Patient/{}", self.patient(naming))}),
        }
    }

    fn patients(&mut self, random: &mut Random) {
        let born = if self.is_minor { "2015-03-02" } else { "1980-03-02" };
        let mut protects_second = random.percent(50) && self.has_second;
        for naming in [Naming::First, Naming::Second] {
            if naming == Naming::Second && !self.has_second {
                break;
            }
            let mut patient = json!({
                "resourceType": "Patient", "id": self.patient(naming), "birthDate": born,
                "identifier": [{"system": HETU, "value": self.identity}],
            });
            if self.is_protected && !protects_second {
                patient["meta"] = json!({"security": [{
                    "system": "https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs",
                    "code": "TURVAKIELTO"}]});
            }
            protects_second = false;
            self.resources.push(patient);
        }
    }

    fn item(&mut self, random: &mut Random) {
        const TYPES: [&str; 4] = ["Observation", "Condition", "DocumentReference", "AuditEvent"];
        let of = TYPES[random.below(9).min(3)];
        let of = if random.percent(25) { TYPES[random.below(4)] } else { of };
        let of = if of == "AuditEvent" && random.percent(60) { "Observation" } else { of };
        let id = self.id(&format!("i{}", self.items.len()));
        let key = ResourceKey::new(of.parse().unwrap(), id.parse().unwrap());
        // An AuditEvent names its patient by a reference alone: logical ones aren't its subject.
        let mut naming = self.naming(random);
        if of == "AuditEvent" && naming == Naming::Identity {
            naming = Naming::First;
        }
        let mut marks = Vec::new();
        if random.percent(92) {
            let sector = match random.below(8) {
                0..4 => Sector::Health,
                4..7 => Sector::Social,
                _ => Sector::Wellbeing,
            };
            let controller = *random.one(&CONTROLLERS);
            marks.push((Mark::Register, register(controller, sector).code()));
            marks.push((Mark::Controller, controller.to_owned()));
            marks.push((Mark::Sector, sector.code().to_owned()));
        }
        if random.percent(40) {
            marks.push((Mark::Function, (*random.one(&FUNCTIONS)).to_owned()));
        }
        if random.percent(40) {
            marks.push((Mark::Event, format!("1.9.{}", random.below(2))));
        }
        if random.percent(40) {
            marks.push((Mark::Class, (*random.one(&CLASSES)).to_owned()));
        }
        let mut labels = Vec::new();
        if random.percent(10) {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
            labels.push((system.to_owned(), "EMP".to_owned()));
        }
        if random.percent(10) {
            let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
            labels.push((system.to_owned(), "R".to_owned()));
        }
        let stand = (STAND.to_owned(), (1 + random.below(4)).to_string());
        let mut stands = Vec::new();
        match random.below(4) {
            0 => labels.push(stand),
            1 | 2 => stands.push(stand),
            _ => {}
        }
        let is_unreleased = random.percent(20);
        let released = match is_unreleased {
            true => Some(*random.one(&FUTURE)),
            false => random.percent(20).then(|| *random.one(&PAST)),
        };
        let is_recent = random.percent(50);
        let recorded = if is_recent { "2026-02-01T10:00:00Z" } else { "2023-02-01T10:00:00Z" };
        let refers = (of == "Observation" && random.percent(60))
            .then(|| {
                self.items.iter().position(|made| {
                    made.item.key.resource_type
                        == fhir_definitions::ResourceType::DOCUMENT_REFERENCE
                })
            })
            .flatten();
        let item = Item {
            key,
            marks,
            labels,
            // Only whether it lies ahead counts.
            released_us: released.map(|_| if is_unreleased { i64::MAX } else { 0 }),
            stands,
            recorded_us: (of == "AuditEvent").then_some(if is_recent { i64::MAX } else { 0 }),
        };
        let refers_to = refers.map(|target: usize| self.items[target].item.key.to_string());
        let subject = self.reference(naming);
        let written = Written { subject, refers_to, released, recorded };
        self.resources.push(rendered::item(&item, written));
        self.items.push(Made { item, naming, refers });
    }

    fn tie(&mut self, random: &mut Random) {
        let controller = *random.one(&CONTROLLERS);
        let organisation =
            if random.percent(50) { controller.to_owned() } else { unit(controller, 1) };
        let is_in_force = random.percent(60);
        let identifier = random.percent(50).then(|| self.id(&format!("event{}", self.ties.len())));
        match random.below(4) {
            0 => return self.encounter(organisation, is_in_force, identifier),
            1 => self.add(json!({
                "resourceType": "EpisodeOfCare", "status": "active",
                "patient": self.reference(Naming::First),
                "period": {"start": "2020-01-01", "end": if is_in_force { "2027-01-01" } else { "2021-01-01" }},
                "managingOrganization": {"identifier": {"value": format!("urn:oid:{organisation}")}},
                "identifier": identified(identifier.as_deref())})),
            2 => self.add(json!({
                "resourceType": "CareTeam", "status": if is_in_force { "active" } else { "inactive" },
                "subject": self.reference(Naming::First),
                "participant": [{"member": {"identifier": {"value": organisation}}}],
                "identifier": identified(identifier.as_deref())})),
            _ => self.add(json!({
                "resourceType": "Appointment", "status": if is_in_force { "booked" } else { "cancelled" },
                "start": "2026-11-30T10:00:00Z", "end": "2026-11-30T10:30:00Z",
                "contained": [{"resourceType": "Organization", "id": "o",
                    "identifier": [{"system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{organisation}")}]},
                    {"resourceType": "HealthcareService", "id": "h", "providedBy": {"reference": "#o",
                    "identifier": {"value": organisation}}}],
                "participant": [
                    {"actor": self.reference(Naming::First), "status": "accepted"},
                    {"actor": {"reference": "#h"}, "status": "accepted"}],
                "identifier": identified(identifier.as_deref())})),
        }
        self.ties.push(Tie { organisation, is_in_force, identifier });
    }

    fn encounter(&mut self, organisation: String, is_in_force: bool, identifier: Option<String>) {
        self.add(json!({
            "resourceType": "Encounter",
            "status": if is_in_force { "in-progress" } else { "cancelled" },
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": self.reference(Naming::Identity),
            "serviceProvider": {"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{organisation}")}},
            "identifier": identified(identifier.as_deref())}));
        self.ties.push(Tie { organisation, is_in_force, identifier });
    }

    fn mandate(&mut self, random: &mut Random) {
        let organiser = (*random.one(&CONTROLLERS)).to_owned();
        let unit = unit(controller(random), 1 + random.below(2));
        let is_in_force = random.percent(75);
        let sector = random.percent(50).then(|| *random.one(&[Sector::Health, Sector::Social]));
        let mut team = json!({
            "resourceType": "CareTeam", "status": "active",
            "category": [{"coding": [{"system": "urn:kantele:CodeSystem:mandate", "code": "client-relationship"}]}],
            "subject": self.reference(Naming::First),
            "period": {"start": "2026-01-01", "end": if is_in_force { "2026-12-31" } else { "2026-11-21" }},
            "participant": [{"member": {"identifier": {"value": unit}}}],
            "managingOrganization": [{"identifier": {"value": organiser}}]});
        if let Some(sector) = sector {
            let (system, code) = register_type(sector, true);
            team["extension"] =
                json!([{"url": REGISTER_TYPE, "valueCoding": {"system": system, "code": code}}]);
        }
        self.add(team);
        // It ties both to the person.
        for organisation in [unit.clone(), organiser.clone()] {
            self.ties.push(Tie { organisation, is_in_force, identifier: None });
        }
        self.mandates.push(Mandate { organiser, unit, sector, is_in_force });
    }

    fn related(&mut self, random: &mut Random) {
        let person = guardian(if random.percent(80) { self.number } else { self.number + 1 });
        let is_in_force = random.percent(80);
        let (code, sectors) = match random.below(3) {
            0 => (
                json!({"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "GUARD"}),
                None,
            ),
            1 => (
                json!({"system": "urn:kantele:CodeSystem:representation", "code": "health"}),
                Some(vec![Sector::Health, Sector::Wellbeing]),
            ),
            _ => (
                json!({"system": "urn:kantele:CodeSystem:representation", "code": "social"}),
                Some(vec![Sector::Social]),
            ),
        };
        self.add(json!({
            "resourceType": "RelatedPerson", "active": is_in_force,
            "patient": self.reference(Naming::First),
            "identifier": [{"system": HETU, "value": person}],
            "relationship": [{"coding": [code]}]}));
        self.related.push(Related { person, is_in_force, sectors });
    }

    fn declare(&mut self, is_in_force: bool, what: What, random: &mut Random) {
        let mut consent = json!({
            "resourceType": "Consent", "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "patient": self.reference(self.naming(random)),
            "policyRule": {"text": "x"}});
        let (system, code, provision) = match &what {
            What::Informed => (DECLARATION, "information".to_owned(), json!({})),
            What::Permission(permission) => {
                let (system, code) = match permission.direction {
                    Direction::Within(sector) => (DECLARATION, sector.code()),
                    Direction::HealthToSocial => (CROSS, "1"),
                    Direction::SocialToHealth => (CROSS, "2"),
                    Direction::Wellbeing => (DECLARATION, "wellbeing"),
                };
                (system, code.to_owned(), rendered::permits(permission))
            }
            What::Denials(denials) => {
                let code = match denials[0].sector {
                    None => "denial".to_owned(),
                    Some(sector) => format!("{}-denial", sector.code()),
                };
                (DECLARATION, code, rendered::denies(denials))
            }
        };
        consent["category"] = json!([{"coding": [{"system": system, "code": code}]}]);
        consent["provision"] = provision;
        if !is_in_force {
            match random.below(3) {
                0 => consent["status"] = json!("inactive"),
                1 => consent["provision"]["period"] = json!({"end": random.one(&PAST)}),
                _ => consent["dateTime"] = json!(random.one(&FUTURE)),
            }
        } else if random.percent(50) {
            consent["provision"]["period"] = json!({"start": random.one(&PAST), "end": TODAY});
        }
        if consent["provision"] == json!({}) {
            consent.as_object_mut().unwrap().remove("provision");
        }
        self.add(consent);
        self.declared.push(Declared { is_in_force, what });
    }

    fn permission(&mut self, random: &mut Random) {
        let direction = *random.one(&[
            Direction::Within(Sector::Health),
            Direction::Within(Sector::Social),
            Direction::HealthToSocial,
            Direction::SocialToHealth,
            Direction::Wellbeing,
        ]);
        let recipients = random.percent(30).then(|| vec![(*random.one(&CONTROLLERS)).to_owned()]);
        let is_limited = random.percent(30) && direction != Direction::Wellbeing;
        let classes = is_limited.then(|| {
            let functions = random.percent(50).then(|| (*random.one(&FUNCTIONS)).to_owned());
            let code = (*random.one(&CLASSES)).to_owned();
            vec![Class { code, functions: functions.into_iter().collect() }]
        });
        let recipients = recipients.filter(|_| direction != Direction::Wellbeing);
        let permission = Permission { direction, recipients, classes };
        let is_in_force = random.percent(80);
        self.declare(is_in_force, What::Permission(permission), random);
    }

    fn denial(&mut self, random: &mut Random) {
        let sector = match random.below(3) {
            0 => None,
            1 => Some(Sector::Health),
            _ => Some(Sector::Social),
        };
        let yields_in_emergency = random.percent(40);
        let mut denials = Vec::new();
        for _ in 0..1 + random.below(2) {
            let target = match random.below(8) {
                0 => Target::Everything,
                1 | 2 => Target::Document(random.one(&self.items).item.key.clone()),
                3 => Target::Function((*random.one(&FUNCTIONS)).to_owned()),
                4 => Target::Event(format!("1.9.{}", random.below(2))),
                5 | 6 => Target::Controller((*random.one(&CONTROLLERS)).to_owned()),
                _ => Target::Register(register(controller(random), Sector::Health)),
            };
            denials.push(Denial { sector, target, yields_in_emergency });
        }
        let is_in_force = random.percent(85);
        self.declare(is_in_force, What::Denials(denials), random);
    }

    /// Adds a resource that isn't an item of the record.
    fn add(&mut self, mut resource: Value) {
        resource["id"] = json!(self.id(&format!("r{}", self.resources.len())));
        if resource["identifier"] == json!([]) {
            resource.as_object_mut().unwrap().remove("identifier");
        }
        self.resources.push(resource);
    }

    /// What the plain decision is told of this person for a caller.
    pub fn situation(&self, asks: &Requester, asker: &Asker) -> Situation {
        let is_caller = |organisation: &String| {
            Some(organisation) == asks.organisation.as_ref()
                || Some(organisation) == asks.unit.as_ref()
        };
        let is_named = |tie: &Tie| match &asker.relationship {
            None => true,
            Some(named) => tie.identifier.as_ref() == Some(named),
        };
        let related = self
            .ties
            .iter()
            .any(|tie| tie.is_in_force && is_named(tie) && is_caller(&tie.organisation));
        let mut mandates = Vec::new();
        if let Some(own) = &asks.register {
            for mandate in self.mandates.iter().filter(|mandate| mandate.is_in_force) {
                let asked = asks.unit.as_ref().or(asks.organisation.as_ref());
                let is_kind = mandate.sector.is_none() || mandate.sector == asks.sector;
                if asked == Some(&mandate.unit) && mandate.organiser == own.controller && is_kind {
                    mandates.push(own.clone());
                }
            }
        }
        let mut situation = Situation {
            is_self: asker.is(self),
            is_minor: self.is_minor,
            is_protected: self.is_protected,
            related,
            mandates,
            ..Situation::default()
        };
        for declared in self.declared.iter().filter(|declared| declared.is_in_force) {
            match &declared.what {
                What::Informed => situation.informed = true,
                What::Permission(own) => situation.permissions.push(own.clone()),
                What::Denials(own) => situation.denials.extend(own.iter().cloned()),
            }
        }
        for own in self.related.iter().filter(|own| own.is_in_force) {
            if asks.kind == CallerKind::Guardian && Some(&own.person) == asker.person.as_ref() {
                situation.guardianships.push(match &own.sectors {
                    None => Guardianship { custody: Custody::Child, sectors: Sector::ALL.to_vec() },
                    Some(sectors) => {
                        Guardianship { custody: Custody::Mandate, sectors: sectors.clone() }
                    }
                });
            }
        }
        situation
    }
}
