//! The rest of the population, made from a seed: the same in every run.

use kanta_identifiers::identity_code::IdentityCode;
use kanta_samples::{COMMON, RESOURCES_PER_PATIENT, Samples};
use serde_json::{Value, json};

use super::world::{self, World};
use crate::Error;

/// What is taken of each patient's share of samples: Patient, Encounters, a Condition, a document,
/// Observations.
const SLOTS: [u64; 9] = [0, 1, 2, 3, 4, 12, 14, 15, 16];

/// Somebody of the crowd, as far as the services need it.
pub(super) struct Member {
    pub(super) number: u64,
    pub(super) code: String,
    pub(super) given: String,
    pub(super) family: String,
    /// By which they are known in the store of wellbeing data.
    pub(super) pseudonym: Option<String>,
    /// The county where they live.
    pub(super) home: &'static str,
    year: u16,
}

/// Everybody, and all resources about them but those that go through services.
///
/// # Errors
/// Where the world lacks a register, or a sample is not what it should be.
pub(super) fn make(world: &World) -> Result<(Vec<Member>, Vec<Value>), Error> {
    let samples = Samples::new(world.crowd.seed);
    let (mut members, mut all) = (Vec::new(), Vec::new());
    for number in 0..COMMON {
        let sample = samples.mix(number);
        if sample.resource_type != "Location" {
            all.push(serde_json::from_slice(&sample.bytes)?);
        }
    }
    for number in 0..world.crowd.persons {
        let home = if number.is_multiple_of(2) { "north" } else { "south" };
        let is_private = number % world.crowd.every.private == 1;
        let keeper = if is_private { "private" } else { home };
        for slot in SLOTS {
            let sample = samples.mix(COMMON + number * RESOURCES_PER_PATIENT + slot);
            let mut resource: Value = serde_json::from_slice(&sample.bytes)?;
            if slot == 0 {
                let mut member = member(number, home, &resource)?;
                if number % world.crowd.every.wellbeing == 4 {
                    let pseudonym = format!("urn:uuid:{number:08}-2a57-4c0e-9a3c-0d6f1f0c5a12");
                    world::tie(&mut resource, &pseudonym);
                    member.pseudonym = Some(pseudonym);
                }
                members.push(member);
                if number % world.crowd.every.safety_ban == 7 {
                    world::label(&mut resource, world::safety_ban());
                }
            } else {
                // Two visits were with the county, one is where most of the rest was written.
                let with = if slot == 1 { home } else { keeper };
                if sample.resource_type == "Encounter" {
                    world::put(&mut resource, "serviceProvider", world.provider(with)?);
                }
                world::mark(&mut resource, world.tags(&format!("{with}-health"))?);
            }
            all.push(resource);
        }
    }
    for member in &members {
        declare(world, member, &mut all);
        if member.number % world.crowd.every.social == 2 {
            all.push(of_social_care(world, member)?);
        }
        all.extend(custody(&members, member));
    }
    Ok((members, all))
}

fn member(number: u64, home: &'static str, patient: &Value) -> Result<Member, Error> {
    let text = |pointer: &str| {
        let found = patient.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| format!("a sample of a patient has no {pointer}"))
    };
    let code = text("/identifier/0/value")?;
    let year = IdentityCode::parse(&code)?.birth_date().0;
    let (given, family) = (text("/name/0/given/0")?, text("/name/0/family")?);
    Ok(Member { number, code, given, family, pseudonym: None, home, year })
}

/// Information, permissions and denials.
fn declare(world: &World, member: &Member, all: &mut Vec<Value>) {
    let Member { number, code, .. } = member;
    let name = |what: &str| format!("patient-{number}-{what}");
    let every = world.crowd.every;
    if number % every.uninformed == 3 {
        return;
    }
    all.push(world::consent(&name("informed"), code, "information", None));
    let permit = Some(json!({"type": "permit"}));
    if !number.is_multiple_of(3) {
        all.push(world::consent(&name("health"), code, "health", permit.clone()));
    }
    if number.is_multiple_of(4) {
        all.push(world::consent(&name("social"), code, "social", permit));
    }
    if member.pseudonym.is_some() && number.is_multiple_of(2) {
        let permit = Some(json!({"type": "permit"}));
        all.push(world::consent(&name("wellbeing"), code, "wellbeing", permit));
    }
    if number % every.denial == 5 {
        let deny = Some(json!({"type": "deny"}));
        all.push(world::consent(&name("denial"), code, "health-denial", deny));
    }
}

fn of_social_care(world: &World, member: &Member) -> Result<Value, Error> {
    let Member { number, home, .. } = member;
    let mut document = json!({"resourceType": "DocumentReference",
        "id": format!("patient-{number}-social"), "status": "current",
        "description": "Palvelutarpeen arvio",
        "subject": world::patient(&format!("patient-{number}")),
        "content": [{"attachment": {"title": "Palvelutarpeen arvio", "language": "fi"}}]});
    world::mark(&mut document, world.tags(&format!("{home}-social"))?);
    Ok(document)
}

/// Who has custody of a child: somebody of the same county who is 20 to 45 years older.
fn custody(members: &[Member], child: &Member) -> Option<Value> {
    const ADULT_BEFORE: u16 = 2008;
    if child.year <= ADULT_BEFORE {
        return None;
    }
    let parents = members.iter().filter(|own| {
        own.home == child.home && (20..=45).contains(&child.year.saturating_sub(own.year))
    });
    let parents: Vec<&Member> = parents.collect();
    let at = usize::try_from(child.number).unwrap_or_default().checked_rem(parents.len())?;
    let id = format!("patient-{}", child.number);
    let coding = ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "GUARD");
    Some(world::related(&format!("{id}-guardian"), &id, &parents.get(at)?.code, coding))
}
