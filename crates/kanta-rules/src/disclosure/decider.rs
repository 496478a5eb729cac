//! The decision as the server asks for it.

use fhir_access::trace::Relation;
use fhir_access::{
    Asked, Caller, CallerKind, Companion, Disclosure, Refusal, Stance, Verdict, Wanted,
};
use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceKey, ResourceView};
use fhir_search::PatientName;

use super::caller::{Purpose, Requester};
use super::decide::discloses;
use super::item::{Item, Mark, codings};
use super::plain;
use super::reading::{items, oid_of, text};
use super::settings::{Settings, bare};
use super::situation::{Register, Situation};
use super::{declaration, relationship};

/// Decides about the records of persons as settings say.
#[derive(Debug)]
pub struct Decider {
    settings: Settings,
    governed: Vec<ResourceType>,
    held: Vec<CallerKind>,
    companions: Vec<Companion>,
}

/// Years of age from which a person isn't a minor any more.
const OF_AGE: i32 = 18;

impl Decider {
    /// One with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let compartments = &fhir_definitions::r4().compartments;
        let patient = compartments.iter().find(|own| own.code == "Patient");
        let members = patient.into_iter().flat_map(|own| &own.members);
        let members = members.filter(|member| !member.parameters.is_empty());
        let members = members.filter_map(|member| member.resource_type.parse().ok());
        let mut governed: Vec<ResourceType> = members.collect();
        governed.push(ResourceType::PATIENT);
        governed.retain(|of| *of != ResourceType::PROVENANCE && !settings.open_types.contains(of));
        governed.sort_unstable();
        governed.dedup();
        let held = settings.text.held.iter().filter_map(|word| CallerKind::of(word)).collect();
        // A Provenance tells of what it is about, and belongs to whoever may see that.
        let companions = vec![Companion {
            of: ResourceType::PROVENANCE,
            parameter: "target".to_owned(),
            targets: governed.clone(),
        }];
        Self { settings, governed, held, companions }
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is known of a person, for a caller.
    #[must_use]
    pub fn situation(&self, asks: &Requester, asked: &Asked<'_>) -> Situation {
        let claims = asked.caller.claims();
        let mut situation =
            Situation { is_self: is_self(asked.caller, asked.names), ..Situation::default() };
        for patient in asked.patients {
            let value = patient.view().value;
            let born = text(value, "birthDate");
            situation.is_minor |= born.is_some_and(|born| self.is_minor(&born, asked.now));
            let mut labels = codings(patient.view().at(&["meta", "security"]));
            situation.is_protected |=
                labels.any(|label| self.settings.text.protected.iter().any(|own| own.is(&label)));
        }
        for (_, resource) in asked.found {
            let view = resource.view();
            if view.resource_type == ResourceType::CONSENT {
                declaration::take(view, &self.settings, asked.now, &mut situation);
            } else {
                let settings = &self.settings;
                relationship::take(view, asks, claims, settings, asked.now, &mut situation);
            }
        }
        situation
    }

    fn is_minor(&self, born: &str, now: Instant) -> bool {
        let Some(year) = born.get(..4).and_then(|year| year.parse::<i32>().ok()) else {
            return true;
        };
        let of_age = format!("{:04}{}", year + OF_AGE, born.get(4..).unwrap_or_default());
        // Who was born on a leap day comes of age on the first of March.
        let start = self.settings.start_us(&of_age);
        let start =
            start.or_else(|| self.settings.start_us(&format!("{:04}-03-01", year + OF_AGE)));
        start.is_none_or(|start| now.0 < start)
    }

    fn marks_of(&self, register: &Register) -> Vec<(String, String)> {
        let mark = |mark: Mark, code: String| (self.settings.system(mark).to_owned(), code);
        let mut all = vec![
            mark(Mark::Register, register.code()),
            mark(Mark::Controller, register.controller.clone()),
        ];
        let sector = self.settings.sector(&register.kind);
        all.extend(sector.map(|sector| mark(Mark::Sector, sector.code().to_owned())));
        all
    }
}

/// Whether the caller is the person, or an app that the person uses.
fn is_self(caller: &Caller, names: &[PatientName]) -> bool {
    let (claims, launch) = (caller.claims(), caller.launch());
    let in_context = launch.patient.iter().chain(&claims.fhir_user).any(|key| {
        key.resource_type == ResourceType::PATIENT
            && names.contains(&PatientName::Resource(key.id.clone()))
    });
    let is_person = claims.person.as_ref().is_some_and(|own| {
        names.iter().any(|name| match name {
            PatientName::Identity(identity) => {
                identity.system == own.system && identity.value == own.value
            }
            PatientName::Resource(_) | PatientName::Url(_) => false,
        })
    });
    match caller.kind() {
        // An app's context says for whom it acts; a guardian's is the person they act for.
        CallerKind::App | CallerKind::Citizen => in_context || is_person,
        CallerKind::Guardian => is_person,
        CallerKind::Unknown
        | CallerKind::Everyone
        | CallerKind::Professional
        | CallerKind::System
        | CallerKind::Administrator => false,
    }
}

impl Disclosure for Decider {
    fn stance(&self, caller: &Caller) -> Stance {
        if !self.held.contains(&caller.kind()) {
            return Stance::Free;
        }
        let asks = Requester::of(caller, &self.settings);
        let is_professional = asks.kind == CallerKind::Professional;
        let states_no_register = is_professional && asks.register.is_none();
        let states_no_right = asks.purpose == Purpose::Statutory && !asks.may_state_right;
        if states_no_register || (is_professional && states_no_right) {
            return Stance::Refused(Refusal::Forbidden);
        }
        Stance::Held
    }

    fn governs(&self, of: ResourceType) -> bool {
        self.governed.binary_search(&of).is_ok()
    }

    fn companions(&self) -> &[Companion] {
        &self.companions
    }

    fn person_systems(&self) -> &[String] {
        &self.settings.text.person_systems
    }

    fn wants(&self, caller: &Caller, now: Instant) -> Vec<Wanted> {
        let such = |of, pairs: &[(&str, String)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            Wanted { of, person: "patient", pairs: pairs.collect(), most: None }
        };
        let status = |words: &[&str]| ("status", words.join(","));
        // What cannot count isn't read: a day more than what counts, as zones differ.
        let window = i64::from(self.settings.text.relationship_days) + 1;
        let day = |days: i64| self.settings.day(Instant(now.0 + days * 86_400_000_000));
        match caller.kind() {
            CallerKind::Professional => vec![
                such(ResourceType::CONSENT, &[status(&["active"])]),
                such(ResourceType::CARE_TEAM, &[status(&["active"])]),
                such(ResourceType::EPISODE_OF_CARE, &[status(&relationship::OPEN_EPISODES)]),
                such(ResourceType::ENCOUNTER, &[status(&relationship::OPEN_ENCOUNTERS)]),
                such(
                    ResourceType::ENCOUNTER,
                    &[status(&["finished"]), ("date", format!("ge{}", day(-window)))],
                ),
                such(
                    ResourceType::APPOINTMENT,
                    &[
                        status(&relationship::BOOKED),
                        ("date", format!("ge{}", day(-window - 1))),
                        ("date", format!("le{}", day(window))),
                    ],
                ),
            ],
            CallerKind::Guardian => vec![such(ResourceType::RELATED_PERSON, &[])],
            CallerKind::Unknown
            | CallerKind::Everyone
            | CallerKind::Citizen
            | CallerKind::App
            | CallerKind::System
            | CallerKind::Administrator => Vec::new(),
        }
    }

    fn rests_on(&self, of: ResourceType) -> bool {
        matches!(
            of,
            ResourceType::PATIENT
                | ResourceType::CONSENT
                | ResourceType::CARE_TEAM
                | ResourceType::EPISODE_OF_CARE
                | ResourceType::ENCOUNTER
                | ResourceType::APPOINTMENT
                | ResourceType::RELATED_PERSON
        )
    }

    fn decide(&self, asked: &Asked<'_>) -> Verdict {
        let asks = Requester::of(asked.caller, &self.settings);
        let situation = self.situation(&asks, asked);
        let refused = super::refused(&asks, &situation);
        let (shows, writes) = super::decide(&asks, &situation, &self.settings, asked.now);
        let relation = match (asks.kind, asks.purpose) {
            (CallerKind::Citizen | CallerKind::Guardian, _) => Some(Relation::Citizen),
            (CallerKind::App, _) => Some(Relation::App),
            (_, Purpose::Emergency) => Some(Relation::Emergency),
            (_, Purpose::Statutory) => Some(Relation::Statutory),
            (_, Purpose::Care) if !asks.is_own_register => Some(Relation::Mandate),
            (_, Purpose::Care) if discloses(&asks, &situation, &self.settings) => {
                Some(Relation::Other)
            }
            (_, Purpose::Care) => Some(Relation::Own),
        };
        Verdict { refused, shows, writes, relation }
    }

    fn reasons(&self, asked: &Asked<'_>, key: &ResourceKey, view: ResourceView<'_>) -> Vec<String> {
        let asks = Requester::of(asked.caller, &self.settings);
        let about = self.situation(&asks, asked);
        let item = Item::of(key, view, &self.settings);
        let outcome = plain::decide(&asks, &about, &item, &self.settings, asked.now);
        let marks: Vec<String> =
            item.marks.iter().map(|(mark, code)| format!("{} {code}", mark.code())).collect();
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        let shown = match outcome.why_not() {
            Some(why) => format!("not shown: {why}"),
            None => format!("shown: {outcome:?}"),
        };
        vec![
            shown,
            format!(
                "the resource: {}",
                if marks.is_empty() { "no marks".to_owned() } else { marks.join(", ") }
            ),
            format!(
                "acts for: {} (own: {})",
                or_none(asks.register.as_ref().map(Register::code)),
                asks.is_own_register
            ),
            format!(
                "purpose: {:?}, may state a right by law: {}",
                asks.purpose, asks.may_state_right
            ),
            format!("relationship in force: {}, mandates: {}", about.related, about.mandates.len()),
            format!("informed: {}", about.informed),
            format!("permissions in force: {:?}", about.permissions),
            format!("denials in force: {:?}", about.denials),
            format!("rights to act for the person: {:?}", about.guardianships),
        ]
    }

    fn marks(&self, caller: &Caller) -> Vec<(String, String)> {
        let asks = Requester::of(caller, &self.settings);
        let wellbeing = &self.settings.text.wellbeing_register;
        let register = if matches!(asks.kind, CallerKind::Citizen | CallerKind::App) {
            Some(Register {
                controller: bare(&wellbeing.controller).to_owned(),
                kind: self.settings.typed(&wellbeing.system, &wellbeing.code),
                specifier: None,
            })
        } else {
            asks.register
        };
        register.map(|register| self.marks_of(&register)).unwrap_or_default()
    }

    fn marks_by(&self, companion: ResourceView<'_>) -> Vec<(String, String)> {
        let custodian = items(companion.value, "agent").find(|agent| {
            let kinds = codings(agent.get("type").and_then(|kind| kind.get("coding")));
            kinds.into_iter().any(|(_, code)| code == "CST")
        });
        let controller = custodian.and_then(|agent| agent.get("who")).and_then(oid_of);
        let kind = items(companion.value, "extension")
            .find(|own| {
                text(*own, "url").as_deref() == Some(&self.settings.text.register_type_extension)
            })
            .and_then(|own| own.get("valueCoding").and_then(super::item::coding));
        let (Some(controller), Some((system, code))) = (controller, kind) else {
            return Vec::new();
        };
        let kind = self.settings.typed(&system, &code);
        self.marks_of(&Register { controller, kind, specifier: None })
    }
}
