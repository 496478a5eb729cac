//! Random callers.

use fhir_access::CallerKind;
use kanta_rules::disclosure::{Purpose, Requester, Sector};

use super::super::random::Random;
use super::{CONTROLLERS, Naming, World, guardian, register, unit};

/// A caller as it was thought of.
pub struct Asker {
    pub requester: Requester,
    pub person: Option<String>,
    /// The patient in context.
    pub patient: Option<String>,
    pub relationship: Option<String>,
    pub purpose: Option<&'static str>,
    pub role: Option<&'static str>,
    pub client: Option<&'static str>,
}

impl Asker {
    pub(super) fn is(&self, world: &World) -> bool {
        let own = self.person.as_ref() == Some(&world.identity);
        let names = [world.patient(Naming::First), world.patient(Naming::Second)];
        let in_context = self.patient.as_ref().is_some_and(|id| names.contains(id));
        match self.requester.kind {
            CallerKind::Citizen | CallerKind::App => own || in_context,
            _ => own,
        }
    }

    /// Somebody who may have to do with this person.
    pub fn random(world: &World, random: &mut Random) -> Self {
        let kind = *random.one(&[
            CallerKind::Professional,
            CallerKind::Professional,
            CallerKind::Professional,
            CallerKind::Professional,
            CallerKind::Citizen,
            CallerKind::Guardian,
            CallerKind::App,
        ]);
        let mut requester = Requester {
            kind,
            register: None,
            sector: None,
            organisation: None,
            unit: None,
            is_own_register: false,
            purpose: Purpose::Care,
            may_state_right: false,
            is_supervisor: false,
            is_approved: false,
        };
        let (mut person, mut patient, mut relationship) = (None, None, None);
        let (mut purpose, mut role, mut client) = (None, None, None);
        match kind {
            CallerKind::Citizen => {
                let is_self = random.percent(85);
                person = Some(if is_self { world.identity.clone() } else { "other".to_owned() });
            }
            CallerKind::App => {
                let is_self = random.percent(85);
                patient =
                    Some(if is_self { world.patient(Naming::First) } else { "other".to_owned() });
            }
            CallerKind::Guardian => person = Some(guardian(world.number)),
            _ => {
                let own = match random.below(3) {
                    0 => *random.one(&CONTROLLERS),
                    _ => CONTROLLERS[world.number % CONTROLLERS.len()],
                };
                let own =
                    world.mandates.first().filter(|_| random.percent(40)).map_or(own, |mandate| {
                        CONTROLLERS
                            .iter()
                            .find(|each| mandate.unit.starts_with(each.trim_end_matches(".0")))
                            .unwrap()
                    });
                let sector = *random.one(&[Sector::Health, Sector::Health, Sector::Social]);
                let acted = match (world.mandates.first(), random.below(4)) {
                    (Some(mandate), 0 | 1) => mandate.organiser.clone(),
                    _ => own.to_owned(),
                };
                requester.is_own_register = acted == own;
                requester.register = Some(register(&acted, sector));
                requester.sector = Some(sector);
                requester.organisation = Some(own.to_owned());
                requester.unit = random.percent(60).then(|| unit(own, 1));
                relationship = random
                    .percent(15)
                    .then(|| world.ties.iter().find_map(|tie| tie.identifier.clone()))
                    .flatten();
                (requester.purpose, purpose) = match random.below(6) {
                    0 => (Purpose::Emergency, Some("ETREAT")),
                    1 => (Purpose::Statutory, Some("statutory")),
                    2 => (Purpose::Care, Some("TREAT")),
                    _ => (Purpose::Care, None),
                };
                role = match random.below(8) {
                    0 => Some("data-protection-supervisor"),
                    1..5 => Some("social-worker"),
                    _ => None,
                };
                requester.may_state_right = role == Some("social-worker");
                requester.is_supervisor = role == Some("data-protection-supervisor");
                requester.is_approved = random.percent(50);
                client = requester.is_approved.then_some("approved");
            }
        }
        Self { requester, person, patient, relationship, purpose, role, client }
    }
}
