//! What a person has declared: Consents as information, permissions and denials.
//!
//! Two shapes are understood, and a mixture of them: Kanta's, where the category says what it is,
//! the first provision whether it holds for everything, and nested permits to whom and what it is
//! limited; and that of IHE Privacy Consent on FHIR, where the first provision is the rule and
//! nested ones are its exceptions. Spec: <https://hl7.org/fhir/R4/consent.html>

use fhir_model::{Instant, ResourceView, Value};

use super::item::{coding, codings};
use super::reading::{codes_of, in_force, items, key_of, oid_of, text};
use super::settings::{Meaning, Settings, bare};
use super::situation::{Class, Denial, Direction, Permission, Register, Sector, Situation, Target};

/// Takes a Consent into the situation.
pub(super) fn take(
    consent: ResourceView<'_>,
    settings: &Settings,
    now: Instant,
    into: &mut Situation,
) {
    if text(consent.value, "status").as_deref() != Some("active") {
        return;
    }
    let provision = consent.value.get("provision");
    let starts = text(consent.value, "dateTime").and_then(|date| settings.start_us(&date));
    let is_later = starts.is_some_and(|start| start > now.0);
    let is_over = provision.is_some_and(|own| !in_force(own.get("period"), settings, now));
    if is_later || is_over {
        return;
    }
    let categories = items(consent.value, "category").flat_map(codes_of);
    let mut meanings: Vec<Meaning> = categories.filter_map(|own| settings.meaning(&own)).collect();
    meanings.dedup();
    for meaning in meanings {
        match meaning {
            Meaning::Information => into.informed = true,
            Meaning::Permission(direction) => {
                permission(direction, provision, settings, now, into);
            }
            Meaning::Denial(sector) => denials(sector, provision, settings, now, into),
            Meaning::Policy(sector) => policy(sector, provision, settings, now, into),
        }
    }
}

fn is_deny(provision: Value<'_>) -> bool {
    text(provision, "type").as_deref() == Some("deny")
}

/// Nested provisions in force.
fn nested<'a>(
    provision: Option<Value<'a>>,
    settings: &'a Settings,
    now: Instant,
) -> impl Iterator<Item = Value<'a>> {
    let all = provision.into_iter().flat_map(|own| items(own, "provision"));
    all.filter(move |own| in_force(own.get("period"), settings, now))
}

/// A permission for everything, or for what nested permits name.
fn permission(
    direction: Direction,
    provision: Option<Value<'_>>,
    settings: &Settings,
    now: Instant,
    into: &mut Situation,
) {
    let Some(first) = provision.filter(|own| is_deny(*own)) else {
        let whole = provision.map_or_else(
            || Permission { direction, recipients: None, classes: None },
            |own| limited(direction, own, settings),
        );
        into.permissions.push(whole);
        return;
    };
    let permits = nested(Some(first), settings, now).filter(|own| !is_deny(*own));
    into.permissions.extend(permits.map(|own| limited(direction, own, settings)));
}

/// A permission as one provision limits it.
fn limited(direction: Direction, provision: Value<'_>, settings: &Settings) -> Permission {
    let recipients: Vec<String> = actors(provision, "CST", false).filter_map(oid_of).collect();
    let classes: Vec<Class> = items(provision, "class").map(|own| class(own, settings)).collect();
    Permission {
        direction,
        recipients: (!recipients.is_empty()).then_some(recipients),
        classes: (!classes.is_empty()).then_some(classes),
    }
}

fn class(own: Value<'_>, settings: &Settings) -> Class {
    let extensions = items(own, "extension");
    let functions = extensions
        .filter(|each| text(*each, "url").as_deref() == Some(&settings.text.function_extension))
        .filter_map(|each| each.get("valueCoding").and_then(coding));
    Class {
        code: text(own, "code").unwrap_or_default(),
        functions: functions.map(|(_, code)| code).collect(),
    }
}

/// The actors whose role is (or isn't) this one.
fn actors<'a>(
    provision: Value<'a>,
    role: &'a str,
    is_wanted: bool,
) -> impl Iterator<Item = Value<'a>> {
    let all = items(provision, "actor").filter(move |actor| {
        let own = codings(actor.get("role").and_then(|role| role.get("coding")));
        own.into_iter().any(|(_, code)| code == role) == is_wanted
    });
    all.filter_map(|actor| actor.get("reference"))
}

/// Denials of the first provision and of each nested denial.
fn denials(
    sector: Option<Sector>,
    provision: Option<Value<'_>>,
    settings: &Settings,
    now: Instant,
    into: &mut Situation,
) {
    let yields = |own: Value<'_>| {
        nested(Some(own), settings, now).any(|each| {
            let purposes = codings(each.get("purpose"));
            !is_deny(each)
                && purposes
                    .into_iter()
                    .any(|(_, code)| settings.text.emergency_purposes.contains(&code))
        })
    };
    let of_all = provision.is_some_and(yields);
    let deep: Vec<Value<'_>> =
        nested(provision, settings, now).filter(|own| is_deny(*own)).collect();
    let own_targets = provision.map(|own| targets(own, settings)).unwrap_or_default();
    for (own, each) in deep.iter().map(|own| (yields(*own), targets(*own, settings))) {
        into.denials.extend(each.into_iter().map(|target| Denial {
            sector,
            target,
            yields_in_emergency: own || of_all,
        }));
    }
    // A denial that names nothing that it is aimed at is aimed at everything.
    let is_bare = own_targets.is_empty() && deep.is_empty();
    let own_targets = if is_bare { vec![Target::Everything] } else { own_targets };
    into.denials.extend(own_targets.into_iter().map(|target| Denial {
        sector,
        target,
        yields_in_emergency: of_all,
    }));
    // So is one whose nested denials name nothing that can be understood.
    if deep.iter().any(|own| targets(*own, settings).is_empty()) {
        into.denials.push(Denial {
            sector,
            target: Target::Everything,
            yields_in_emergency: of_all,
        });
    }
}

/// A rule with exceptions.
fn policy(
    sector: Sector,
    provision: Option<Value<'_>>,
    settings: &Settings,
    now: Instant,
    into: &mut Situation,
) {
    let Some(first) = provision else { return };
    if is_deny(first) {
        let permits = nested(Some(first), settings, now).filter(|own| !is_deny(*own));
        let direction = Direction::Within(sector);
        let permits: Vec<Permission> =
            permits.map(|own| limited(direction, own, settings)).collect();
        if permits.is_empty() {
            denials(Some(sector), provision, settings, now, into);
        }
        into.permissions.extend(permits);
        return;
    }
    into.permissions.push(limited(Direction::Within(sector), first, settings));
    for own in nested(Some(first), settings, now).filter(|own| is_deny(*own)) {
        let mut targets = targets(own, settings);
        if targets.is_empty() {
            targets.push(Target::Everything);
        }
        into.denials.extend(targets.into_iter().map(|target| Denial {
            sector: Some(sector),
            target,
            yields_in_emergency: false,
        }));
    }
}

/// What one provision is aimed at.
fn targets(provision: Value<'_>, settings: &Settings) -> Vec<Target> {
    let mut all = Vec::new();
    for data in items(provision, "data").filter_map(|data| data.get("reference")) {
        match (key_of(data), oid_of(data)) {
            (Some(key), _) => all.push(Target::Document(key)),
            (None, Some(oid)) => all.push(Target::Event(oid)),
            (None, None) => {}
        }
    }
    for own in items(provision, "class") {
        let class = class(own, settings);
        all.extend(class.functions.into_iter().map(Target::Function));
        let system = text(own, "system").unwrap_or_default();
        if system == settings.system(super::Mark::Function) {
            all.push(Target::Function(class.code));
        }
    }
    for controller in actors(provision, "CST", true) {
        let Some(oid) = oid_of(controller) else { continue };
        let extension = |url: &str| {
            items(controller, "extension").find(|own| text(*own, "url").as_deref() == Some(url))
        };
        let kind = extension(&settings.text.register_type_extension)
            .and_then(|own| own.get("valueCoding").and_then(coding));
        let specifier = extension(&settings.text.register_specifier_extension)
            .and_then(|own| own.get("valueIdentifier").and_then(|own| text(own, "value")))
            .map(|value| bare(&value).to_owned());
        all.push(match kind {
            Some((system, code)) => Target::Register(Register {
                controller: oid,
                kind: settings.typed(&system, &code),
                specifier,
            }),
            None => Target::Controller(oid),
        });
    }
    all
}
