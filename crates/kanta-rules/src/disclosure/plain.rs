//! The decision about one item, step by step in the order of the rules, with its reason.
//!
//! Written apart from [`super::decide`], so that each is a check of the other.

use fhir_access::CallerKind;
use fhir_definitions::ResourceType;
use fhir_model::Instant;

use super::caller::{Purpose, Requester};
use super::item::{Item, Mark};
use super::settings::Settings;
use super::situation::{Custody, Denial, Direction, Permission, Sector, Situation, Target};

/// What comes of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Shown: it is the person's own.
    Own,
    /// Shown to somebody who acts for the person.
    Represented,
    /// Shown: who somebody is, to whoever has to do with them.
    Basic,
    /// Shown: use within the register that the caller acts for.
    Use,
    /// Shown: use of the organiser's register by a producer.
    Mandate,
    /// Shown by a right that a law gives.
    Statutory,
    /// Shown by permission.
    Disclosed,
    /// Shown because of an emergency.
    Emergency,
    /// Shown: wellbeing data that the person lets professionals see.
    Wellbeing,
    /// Not shown: the caller has no business with the person.
    Refused(&'static str),
    /// Not shown.
    Withheld(&'static str),
}

impl Outcome {
    /// Why the item isn't shown; none where it is.
    #[must_use]
    pub const fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Refused(why) | Self::Withheld(why) => Some(why),
            Self::Own
            | Self::Represented
            | Self::Basic
            | Self::Use
            | Self::Mandate
            | Self::Statutory
            | Self::Disclosed
            | Self::Emergency
            | Self::Wellbeing => None,
        }
    }

    /// Whether the item is shown.
    #[must_use]
    pub const fn is_shown(self) -> bool {
        self.why_not().is_none()
    }
}

/// Decides about one item.
#[must_use]
pub fn decide(
    asks: &Requester,
    about: &Situation,
    item: &Item,
    settings: &Settings,
    now: Instant,
) -> Outcome {
    if let Some(why) = super::refused(asks, about) {
        return Outcome::Refused(why);
    }
    match asks.kind {
        CallerKind::Citizen | CallerKind::App => own(item, settings, now),
        CallerKind::Guardian if about.is_self => own(item, settings, now),
        CallerKind::Guardian => represented(about, item, settings, now),
        CallerKind::Professional => professional(asks, about, item, settings),
        CallerKind::Unknown
        | CallerKind::Everyone
        | CallerKind::System
        | CallerKind::Administrator => Outcome::Withheld("decisions are not made for this caller"),
    }
}

fn sector_of(item: &Item) -> Option<Sector> {
    let own = item.marks.iter().find(|(mark, _)| *mark == Mark::Sector);
    own.and_then(|(_, code)| Sector::of(code))
}

fn professional(asks: &Requester, about: &Situation, item: &Item, settings: &Settings) -> Outcome {
    let is_log = settings.log_types.contains(&item.key.resource_type);
    if asks.is_supervisor {
        let own = asks.register.as_ref().filter(|_| asks.is_own_register);
        let is_own = own.is_some_and(|own| item.bears(Mark::Controller, &own.controller));
        return match is_log && is_own {
            true => Outcome::Use,
            false => Outcome::Withheld("it is no log of the caller's controller"),
        };
    }
    if is_log {
        return Outcome::Withheld("a log is shown to the person and to who supervises it");
    }
    if settings.basic_types.contains(&item.key.resource_type) {
        return Outcome::Basic;
    }
    // Steps 1 and 2: use.
    if let Some(own) = &asks.register
        && item.bears(Mark::Register, &own.code())
    {
        return if asks.is_own_register { Outcome::Use } else { Outcome::Mandate };
    }
    let Some(sector) = sector_of(item) else {
        return Outcome::Withheld("nothing says whose register it is in");
    };
    if sector == Sector::Wellbeing {
        let is_permitted =
            about.permissions.iter().any(|each| each.direction == Direction::Wellbeing);
        let is_kept = |label: &(String, String)| settings.is_kept_from_professionals(label);
        return match (about.informed && is_permitted, asks.is_approved) {
            (true, true) if item.labels.iter().any(is_kept) => {
                Outcome::Withheld("its label keeps it from professionals")
            }
            (true, true) => Outcome::Wellbeing,
            (true, false) => Outcome::Withheld("the system isn't approved for wellbeing data"),
            (false, _) => Outcome::Withheld("no permission for wellbeing data is in force"),
        };
    }
    // Step 3: a right that a law gives.
    if asks.purpose == Purpose::Statutory && asks.may_state_right {
        return Outcome::Statutory;
    }
    let Some(receiving) = asks.sector else {
        return Outcome::Withheld("nothing says for which sector the caller acts");
    };
    // Steps 4 and 5: information and permission, which an emergency stands in for.
    let is_emergency = asks.purpose == Purpose::Emergency
        && receiving == Sector::Health
        && sector == Sector::Health;
    if !is_emergency {
        if !about.informed {
            return Outcome::Withheld("the person hasn't been informed");
        }
        let wanted = match (sector, receiving) {
            (Sector::Health, Sector::Social) => Direction::HealthToSocial,
            (Sector::Social, Sector::Health) => Direction::SocialToHealth,
            (one, other) if one == other => Direction::Within(one),
            _ => return Outcome::Withheld("no permission covers this way"),
        };
        let covers = |each: &Permission| each.direction == wanted && covers(each, asks, item);
        if !about.permissions.iter().any(covers) {
            return Outcome::Withheld("no permission in force covers it");
        }
    }
    // Step 6: denials.
    if about.denials.iter().any(|denial| hits(denial, asks, sector, item)) {
        return Outcome::Withheld("a denial in force holds it back");
    }
    if is_emergency { Outcome::Emergency } else { Outcome::Disclosed }
}

fn covers(permission: &Permission, asks: &Requester, item: &Item) -> bool {
    if let Some(recipients) = &permission.recipients {
        let is_one =
            |oid: &Option<String>| oid.as_ref().is_some_and(|oid| recipients.contains(oid));
        let controller = asks.register.as_ref().map(|register| register.controller.clone());
        if !is_one(&asks.organisation) && !is_one(&asks.unit) && !is_one(&controller) {
            return false;
        }
    }
    let Some(classes) = &permission.classes else { return true };
    classes.iter().any(|class| {
        let is_function = |code: &String| item.bears(Mark::Function, code);
        item.bears(Mark::Class, &class.code)
            && (class.functions.is_empty() || class.functions.iter().any(is_function))
    })
}

fn hits(denial: &Denial, asks: &Requester, sector: Sector, item: &Item) -> bool {
    if denial.sector.is_some_and(|own| own != sector) {
        return false;
    }
    let is_emergency = asks.purpose == Purpose::Emergency && asks.sector == Some(Sector::Health);
    if is_emergency && denial.yields_in_emergency {
        return false;
    }
    match &denial.target {
        Target::Everything => true,
        Target::Document(key) => *key == item.key,
        Target::Function(code) => item.bears(Mark::Function, code),
        Target::Event(oid) => item.bears(Mark::Event, oid),
        Target::Controller(oid) => item.bears(Mark::Controller, oid),
        Target::Register(register) => item.bears(Mark::Register, &register.code()),
    }
}

/// Why an item isn't shown to the person; none where it is.
fn kept_back(item: &Item, settings: &Settings, now: Instant) -> Option<&'static str> {
    if item.released_us.is_some_and(|start| start > now.0) {
        return Some("it is shown from its release date on");
    }
    let is_log = settings.log_types.contains(&item.key.resource_type);
    if is_log && item.recorded_us.is_none_or(|at| at < settings.oldest_us(now)) {
        return Some("it is older than a person may ask the log without a special reason");
    }
    let is_kept = |label: &(String, String)| settings.is_kept_from_citizens(label);
    item.labels.iter().any(is_kept).then_some("its label keeps it from the person")
}

fn own(item: &Item, settings: &Settings, now: Instant) -> Outcome {
    match kept_back(item, settings, now) {
        Some(why) => Outcome::Withheld(why),
        None => Outcome::Own,
    }
}

fn represented(about: &Situation, item: &Item, settings: &Settings, now: Instant) -> Outcome {
    if let Some(why) = kept_back(item, settings, now) {
        return Outcome::Withheld(why);
    }
    let of: ResourceType = item.key.resource_type;
    if settings.log_types.contains(&of) {
        return Outcome::Withheld("a log is shown to the person and to who supervises it");
    }
    if settings.basic_types.contains(&of) {
        return Outcome::Basic;
    }
    let Some(sector) = sector_of(item) else {
        return Outcome::Withheld("nothing says whose register it is in");
    };
    for right in &about.guardianships {
        if !right.sectors.contains(&sector) {
            continue;
        }
        match right.custody {
            Custody::Mandate => return Outcome::Represented,
            Custody::Child => {
                let mut stands = item.stands.iter().chain(&item.labels);
                if about.is_minor && stands.any(|stand| settings.is_shown_to_guardians(stand)) {
                    return Outcome::Represented;
                }
            }
        }
    }
    Outcome::Withheld("no right in force to act for the person covers it")
}
