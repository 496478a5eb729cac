//! Visits and appointments.

use crate::json::Json;
use crate::random::Random;
use crate::{Context, lists, location, organization, practitioner, text};

pub(crate) fn encounter(context: &Context, random: &mut Random, json: &mut Json) {
    let day = text::recent_day(random);
    let (hour, minute) = (random.between(7, 18), random.below(12) * 5);
    let (doctor, name) = practitioner(context.seed, random);
    text::narrative(json, &text::note(random, 2));
    json.one("identifier", |identifier| {
        identifier.text("system", "urn:oid:1.2.246.10.99999999.14");
        identifier.text("value", &format!("{:016x}", random.next()));
    });
    json.text(
        "status",
        random.pick(&["finished", "finished", "finished", "in-progress", "planned"]),
    );
    json.put("class", |class| {
        let (code, display) = random.pick(&[
            ("AMB", "ambulatory"),
            ("VR", "virtual"),
            ("IMP", "inpatient encounter"),
        ]);
        class.text("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode");
        class.text("code", code);
        class.text("display", display);
    });
    context.patient_link("subject", json);
    json.one("participant", |participant| {
        participant.put("individual", |individual| {
            individual.text("reference", &doctor);
            individual.text("display", &name);
        });
    });
    json.put("period", |period| {
        period.text("start", &text::time_at(day, hour, minute, 0));
        period.text(
            "end",
            &text::time_at(day, hour, minute + random.between(0, 4), random.below(60)),
        );
    });
    let (code, display, _) = random.pick(lists::DIAGNOSES);
    json.one("reasonCode", |reason| {
        reason.coding("urn:oid:1.2.246.537.6.1", code, display);
        reason.text("text", &text::note(random, 1));
    });
    json.one("location", |place| {
        place.put("location", |reference| reference.text("reference", &location(random)));
    });
    json.put("serviceProvider", |provider| provider.text("reference", &organization(random)));
}

pub(crate) fn appointment(context: &Context, random: &mut Random, json: &mut Json) {
    let (doctor, name) = practitioner(context.seed, random);
    let day = text::recent_day(random) + 200;
    let (hour, minute) = (random.between(8, 15), random.below(4) * 15);
    let length = random.pick(&[15, 20, 30, 45]);
    let end = hour * 60 + minute + length;
    json.text("status", random.pick(&["booked", "booked", "fulfilled", "cancelled", "noshow"]));
    json.one("serviceType", |service| {
        let (code, display) = random.pick(&[
            ("1", "Lääkärin vastaanotto"),
            ("2", "Hoitajan vastaanotto"),
            ("3", "Etävastaanotto"),
            ("4", "Rokotus"),
            ("5", "Laboratoriokäynti"),
        ]);
        service.coding("urn:oid:1.2.246.537.6.49999.2014", code, display);
    });
    json.one("reasonCode", |reason| reason.text("text", &text::note(random, 1)));
    json.text(
        "description",
        &format!("{}: {}", random.pick(lists::UNITS_OF_CARE), text::note(random, 1)),
    );
    json.text("start", &text::time_at(day, hour, minute, 0));
    json.text("end", &text::time_at(day, end / 60, end % 60, 0));
    json.raw("minutesDuration", &length.to_string());
    let before = day - random.between(3, 90);
    json.text("created", &text::time(random, before));
    json.text("patientInstruction", &text::note(random, 1));
    let patient = context.link("Patient", context.patient);
    json.list("participant", 2, |participant, at| {
        participant.put("actor", |actor| {
            actor.text("reference", if at == 0 { &patient } else { &doctor });
            if at == 1 {
                actor.text("display", &name);
            }
        });
        participant.text("required", "required");
        participant.text("status", "accepted");
    });
}
