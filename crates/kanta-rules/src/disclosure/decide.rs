//! The decision as conditions of a query.

use fhir_access::{CallerKind, Sieve};
use fhir_definitions::ResourceType;
use fhir_model::Instant;

use super::caller::{Purpose, Requester};
use super::item::Mark;
use super::settings::Settings;
use super::situation::{
    Class, Custody, Denial, Direction, Permission, Register, Sector, Situation, Target,
};

/// Why a caller has no business with the person at all, whatever the record holds.
#[must_use]
pub fn refused(asks: &Requester, about: &Situation) -> Option<&'static str> {
    match asks.kind {
        CallerKind::Citizen | CallerKind::App if !about.is_self => {
            Some("the caller is neither the person nor speaks for them")
        }
        CallerKind::Guardian if about.is_self => None,
        CallerKind::Guardian if about.is_protected => {
            Some("nobody may act for the person through this service")
        }
        CallerKind::Guardian if about.guardianships.is_empty() => {
            Some("the caller has no right in force to act for the person")
        }
        // Supervision of a log needs no care relationship.
        CallerKind::Professional if asks.is_supervisor => None,
        CallerKind::Professional if !about.related => {
            Some("no care or client relationship is in force")
        }
        CallerKind::Professional if !asks.is_own_register && mandated(asks, about).is_none() => {
            Some("the caller's unit may not use the register that it acts for")
        }
        CallerKind::Citizen
        | CallerKind::App
        | CallerKind::Guardian
        | CallerKind::Professional
        | CallerKind::Unknown
        | CallerKind::Everyone
        | CallerKind::System
        | CallerKind::Administrator => None,
    }
}

/// The other one's register that the caller acts for, where it may.
pub(super) fn mandated<'a>(asks: &Requester, about: &'a Situation) -> Option<&'a Register> {
    about.mandates.iter().find(|mandate| Some(*mandate) == asks.register.as_ref())
}

/// What of the person's record is shown, and what of it may be written.
#[must_use]
pub fn decide(
    asks: &Requester,
    about: &Situation,
    settings: &Settings,
    now: Instant,
) -> (Sieve, Sieve) {
    if refused(asks, about).is_some() {
        return (Sieve::Nothing, Sieve::Nothing);
    }
    match asks.kind {
        CallerKind::Citizen | CallerKind::App => (citizen(settings, now), own_writes(settings)),
        CallerKind::Guardian if about.is_self => (citizen(settings, now), own_writes(settings)),
        CallerKind::Guardian => (guardian(about, settings, now), Sieve::Nothing),
        CallerKind::Professional => {
            if asks.is_supervisor {
                return (supervised(asks, settings), Sieve::Nothing);
            }
            let shown = Sieve::All(vec![unlogged(settings), professional(asks, about, settings)]);
            (shown, written(asks, about, settings))
        }
        CallerKind::Unknown
        | CallerKind::Everyone
        | CallerKind::System
        | CallerKind::Administrator => (Sieve::Nothing, Sieve::Nothing),
    }
}

fn professional(asks: &Requester, about: &Situation, settings: &Settings) -> Sieve {
    let mut any = vec![Sieve::OfType(settings.basic_types.clone())];
    any.extend(asks.register.iter().map(|own| settings.bears(Mark::Register, &own.code())));
    let is_statutory = asks.purpose == Purpose::Statutory && asks.may_state_right;
    for sector in [Sector::Health, Sector::Social] {
        let of_sector = settings.bears(Mark::Sector, sector.code());
        if is_statutory {
            any.push(of_sector);
            continue;
        }
        let permitted = permitted(asks, about, sector, settings);
        if permitted != Sieve::Nothing {
            any.push(Sieve::All(vec![
                of_sector,
                permitted,
                undenied(asks, about, sector, settings),
            ]));
        }
    }
    let has_wellbeing = about.permissions.iter().any(|each| each.direction == Direction::Wellbeing);
    if has_wellbeing && about.informed && asks.is_approved {
        let mut all = vec![settings.bears(Mark::Sector, Sector::Wellbeing.code())];
        all.extend(settings.kept_from_professionals().map(|each| Sieve::Not(Box::new(each))));
        any.push(Sieve::All(all));
    }
    Sieve::Any(any)
}

/// Whether permissions let the caller see what is in registers of others.
pub(super) fn discloses(asks: &Requester, about: &Situation, settings: &Settings) -> bool {
    let sectors = [Sector::Health, Sector::Social];
    sectors.iter().any(|of| permitted(asks, about, *of, settings) != Sieve::Nothing)
}

/// What of a sector permissions let the caller see, denials apart.
fn permitted(asks: &Requester, about: &Situation, of: Sector, settings: &Settings) -> Sieve {
    let Some(own) = asks.sector else { return Sieve::Nothing };
    if asks.purpose == Purpose::Emergency && own == Sector::Health && of == Sector::Health {
        return Sieve::Everything;
    }
    if !about.informed {
        return Sieve::Nothing;
    }
    let Some(direction) = direction(of, own) else { return Sieve::Nothing };
    let for_caller = |each: &&Permission| {
        each.direction == direction
            && each.recipients.as_ref().is_none_or(|recipients| receives(asks, recipients))
    };
    let mut classes = Vec::new();
    for permission in about.permissions.iter().filter(for_caller) {
        match &permission.classes {
            None => return Sieve::Everything,
            Some(own) => classes.extend(own.iter().map(|class| of_class(class, settings))),
        }
    }
    if classes.is_empty() { Sieve::Nothing } else { Sieve::Any(classes) }
}

/// The direction in which data of one sector go to the other.
pub(super) fn direction(from: Sector, to: Sector) -> Option<Direction> {
    match (from, to) {
        (Sector::Health, Sector::Health) | (Sector::Social, Sector::Social) => {
            Some(Direction::Within(from))
        }
        (Sector::Health, Sector::Social) => Some(Direction::HealthToSocial),
        (Sector::Social, Sector::Health) => Some(Direction::SocialToHealth),
        (Sector::Wellbeing, _) | (_, Sector::Wellbeing) => None,
    }
}

/// Whether the caller is one of those who may receive.
pub(super) fn receives(asks: &Requester, recipients: &[String]) -> bool {
    let register = asks.register.as_ref().map(|register| &register.controller);
    let own = asks.organisation.iter().chain(&asks.unit).chain(register);
    own.into_iter().any(|own| recipients.contains(own))
}

fn of_class(class: &Class, settings: &Settings) -> Sieve {
    let own = settings.bears(Mark::Class, &class.code);
    if class.functions.is_empty() {
        return own;
    }
    let functions = class.functions.iter().map(|code| settings.bears(Mark::Function, code));
    Sieve::All(vec![own, Sieve::Any(functions.collect())])
}

/// What of a sector no denial holds back from the caller.
fn undenied(asks: &Requester, about: &Situation, of: Sector, settings: &Settings) -> Sieve {
    let holds = |each: &&Denial| {
        let is_lifted = asks.purpose == Purpose::Emergency
            && asks.sector == Some(Sector::Health)
            && each.yields_in_emergency;
        each.sector.is_none_or(|own| own == of) && !is_lifted
    };
    let targets = about.denials.iter().filter(holds).map(|denial| match &denial.target {
        Target::Everything => Sieve::Everything,
        Target::Document(key) => Sieve::Is(key.clone()),
        Target::Function(code) => settings.bears(Mark::Function, code),
        Target::Event(oid) => settings.bears(Mark::Event, oid),
        Target::Controller(oid) => settings.bears(Mark::Controller, oid),
        Target::Register(register) => settings.bears(Mark::Register, &register.code()),
    });
    let targets: Vec<Sieve> = targets.collect();
    if targets.is_empty() { Sieve::Everything } else { Sieve::Not(Box::new(Sieve::Any(targets))) }
}

/// What a professional writes: the register acted for.
fn written(asks: &Requester, about: &Situation, settings: &Settings) -> Sieve {
    let Some(own) = &asks.register else { return Sieve::Nothing };
    let own = settings.bears(Mark::Register, &own.code());
    if about.informed {
        return own;
    }
    // Permissions and denials come after the information, which is told of by a Consent too.
    let uninformed = Sieve::Any(vec![
        Sieve::Not(Box::new(Sieve::OfType(vec![ResourceType::CONSENT]))),
        settings.informs(),
    ]);
    Sieve::All(vec![own, uninformed])
}

/// What a citizen sees of their own record.
fn citizen(settings: &Settings, now: Instant) -> Sieve {
    let mut all = vec![settings.released(now), logged(settings, settings.recent(now))];
    all.extend(settings.kept_from_citizens().map(|each| Sieve::Not(Box::new(each))));
    Sieve::All(all)
}

fn own_writes(settings: &Settings) -> Sieve {
    Sieve::Any(vec![
        Sieve::OfType(settings.citizen_types.clone()),
        settings.bears(Mark::Sector, Sector::Wellbeing.code()),
    ])
}

/// What somebody sees who acts for the person.
fn guardian(about: &Situation, settings: &Settings, now: Instant) -> Sieve {
    let mut any = vec![Sieve::OfType(settings.basic_types.clone())];
    for right in &about.guardianships {
        let sectors = right.sectors.iter();
        let sectors = sectors.map(|sector| settings.bears(Mark::Sector, sector.code()));
        let mut all = vec![Sieve::Any(sectors.collect())];
        if right.custody == Custody::Child {
            if !about.is_minor {
                continue;
            }
            all.push(settings.shown_to_guardians());
        }
        any.push(Sieve::All(all));
    }
    Sieve::All(vec![citizen(settings, now), unlogged(settings), Sieve::Any(any)])
}

/// "It is no log, or this holds."
fn logged(settings: &Settings, condition: Sieve) -> Sieve {
    Sieve::Any(vec![unlogged(settings), condition])
}

fn unlogged(settings: &Settings) -> Sieve {
    Sieve::Not(Box::new(Sieve::OfType(settings.log_types.clone())))
}

/// What who supervises data protection sees: the log of their own controller.
fn supervised(asks: &Requester, settings: &Settings) -> Sieve {
    let Some(own) = asks.register.as_ref().filter(|_| asks.is_own_register) else {
        return Sieve::Nothing;
    };
    let of = Sieve::OfType(settings.log_types.clone());
    Sieve::All(vec![of, settings.bears(Mark::Controller, &own.controller)])
}
