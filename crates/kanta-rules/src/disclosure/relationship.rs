//! What ties a caller to a person: relationships, mandates of units, rights to act for somebody.

use fhir_definitions::ResourceType;
use fhir_model::{Instant, ResourceView, Value};

use super::caller::Requester;
use super::reading::{codes_of, in_force, in_force_within, items, oid_of, oids, text};
use super::settings::Settings;
use super::situation::{Custody, Guardianship, Register, Situation};

/// Statuses of an Encounter that isn't over.
pub(super) const OPEN_ENCOUNTERS: [&str; 5] =
    ["planned", "arrived", "triaged", "in-progress", "onleave"];
/// Statuses of an EpisodeOfCare that isn't over.
pub(super) const OPEN_EPISODES: [&str; 4] = ["planned", "waitlist", "active", "onhold"];
/// Statuses of an Appointment that counts while its time is near.
pub(super) const BOOKED: [&str; 5] = ["pending", "booked", "arrived", "checked-in", "fulfilled"];

/// Takes a resource into the situation, where it ties the caller to the person.
pub(super) fn take(
    resource: ResourceView<'_>,
    asks: &Requester,
    claims: &fhir_access::Claims,
    settings: &Settings,
    now: Instant,
    into: &mut Situation,
) {
    if resource.resource_type == ResourceType::RELATED_PERSON {
        into.guardianships.extend(guardianship(resource, claims, settings, now));
        return;
    }
    if resource.resource_type == ResourceType::CARE_TEAM {
        into.mandates.extend(mandate(resource, asks, settings, now));
    }
    if is_named(resource, claims) && ties(resource, asks, settings, now) {
        into.related = true;
    }
}

/// Whether it is the relationship that the token names; any will do where it names none.
fn is_named(resource: ResourceView<'_>, claims: &fhir_access::Claims) -> bool {
    let Some(named) = &claims.relationship else { return true };
    let named = super::settings::bare(named);
    let is_it = |value: String| super::settings::bare(&value) == named;
    let id = text(resource.value, "id").map(|id| format!("{}/{id}", resource.resource_type));
    id.is_some_and(|id| id == named)
        || items(resource.value, "identifier").filter_map(|own| text(own, "value")).any(is_it)
}

/// Whether it is a relationship in force between the person and the caller's organisation.
fn ties(resource: ResourceView<'_>, asks: &Requester, settings: &Settings, now: Instant) -> bool {
    let value = resource.value;
    let status = text(value, "status").unwrap_or_default();
    let days = settings.text.relationship_days;
    let period = |before, after| in_force_within(value.get("period"), settings, now, before, after);
    let is_one = |words: &[&str]| words.contains(&status.as_str());
    let at = |member: &str| value.get(member).into_iter().flat_map(|own| oids(resource, own));
    let members = |list: &str, member: &str| -> Vec<String> {
        let all = items(value, list).filter_map(|each| each.get(member));
        all.flat_map(|own| oids(resource, own)).collect()
    };
    let (holds, organisations): (bool, Vec<String>) = match resource.resource_type {
        ResourceType::ENCOUNTER => {
            let is_open = is_one(&OPEN_ENCOUNTERS);
            let is_over = is_one(&["finished"]) && value.get("period").is_some() && period(0, days);
            (is_open || is_over, at("serviceProvider").collect())
        }
        ResourceType::EPISODE_OF_CARE => {
            (is_one(&OPEN_EPISODES) && period(0, 0), at("managingOrganization").collect())
        }
        ResourceType::CARE_TEAM => {
            let mut all = members("participant", "member");
            all.extend(members("participant", "onBehalfOf"));
            all.extend(items(value, "managingOrganization").flat_map(|own| oids(resource, own)));
            (is_one(&["active"]) && period(0, 0), all)
        }
        ResourceType::APPOINTMENT => {
            let booked = is_one(&BOOKED) && value.get("start").is_some();
            (
                booked && in_force_within(Some(value), settings, now, days, days),
                members("participant", "actor"),
            )
        }
        _ => (false, Vec::new()),
    };
    holds && organisations.iter().any(|oid| is_caller(asks, oid))
}

fn is_caller(asks: &Requester, oid: &str) -> bool {
    let controller = asks.register.as_ref().map(|register| register.controller.as_str());
    let own = [asks.organisation.as_deref(), asks.unit.as_deref()];
    own.contains(&Some(oid)) || (asks.is_own_register && controller == Some(oid))
}

/// The register that a CareTeam lets the caller's unit use.
fn mandate(
    team: ResourceView<'_>,
    asks: &Requester,
    settings: &Settings,
    now: Instant,
) -> Option<Register> {
    let mut categories = items(team.value, "category").flat_map(codes_of);
    let is_mandate =
        categories.any(|own| settings.text.mandate_categories.iter().any(|each| each.is(&own)));
    let is_active = text(team.value, "status").as_deref() == Some("active");
    if !is_mandate || !is_active || !in_force(team.value.get("period"), settings, now) {
        return None;
    }
    // The document names the unit: the organisation alone is not enough where a unit asks.
    let own = asks.unit.as_ref().or(asks.organisation.as_ref())?;
    let in_force_member = |each: &Value<'_>| in_force(each.get("period"), settings, now);
    let mut members = items(team.value, "participant")
        .filter(in_force_member)
        .filter_map(|each| each.get("member"))
        .flat_map(|member| oids(team, member));
    if !members.any(|oid| oid == *own) {
        return None;
    }
    let organiser = items(team.value, "managingOrganization").find_map(oid_of)?;
    let asked = asks.register.as_ref()?;
    let mut kinds = items(team.value, "extension")
        .filter(|own| text(*own, "url").as_deref() == Some(&settings.text.register_type_extension))
        .filter_map(|own| own.get("valueCoding").and_then(super::item::coding))
        .map(|(system, code)| settings.typed(&system, &code))
        .peekable();
    // A document that names no type of register is about the one that is asked for.
    if kinds.peek().is_some() && !kinds.any(|kind| kind == asked.kind) {
        return None;
    }
    (organiser == asked.controller).then(|| asked.clone())
}

/// A right of the caller to act for the person.
fn guardianship(
    related: ResourceView<'_>,
    claims: &fhir_access::Claims,
    settings: &Settings,
    now: Instant,
) -> Option<Guardianship> {
    let person = claims.person.as_ref()?;
    let is_active = related.value.get("active").and_then(Value::literal) != Some("false");
    if !is_active || !in_force(related.value.get("period"), settings, now) {
        return None;
    }
    let mut identifiers = items(related.value, "identifier");
    let is_caller = identifiers.any(|own| {
        text(own, "system").as_deref() == Some(&person.system)
            && text(own, "value").as_deref() == Some(&person.value)
    });
    if !is_caller {
        return None;
    }
    let mut labels = super::item::codings(related.at(&["meta", "security"]));
    if labels.any(|label| settings.text.protected.iter().any(|own| own.is(&label))) {
        return None;
    }
    let codes: Vec<_> = items(related.value, "relationship").flat_map(codes_of).collect();
    if codes.iter().any(|code| settings.text.custody_codes.iter().any(|own| own.is(code))) {
        let sectors = super::Sector::ALL.to_vec();
        return Some(Guardianship { custody: Custody::Child, sectors });
    }
    let mandates = settings.mandate_sectors.iter();
    let sectors: Vec<_> = mandates
        .filter(|(own, _)| codes.iter().any(|code| own.is(code)))
        .flat_map(|(_, sectors)| sectors.iter().copied())
        .collect();
    (!sectors.is_empty()).then_some(Guardianship { custody: Custody::Mandate, sectors })
}
