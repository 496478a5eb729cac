//! Measurements, diagnoses, medicines and documents.

use crate::json::Json;
use crate::lists::Measure;
use crate::random::Random;
use crate::{Context, lists, organization, practitioner, text};

const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const TAG: &str = "https://example.org/fhir/CodeSystem/tags";
const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";

pub(crate) fn observation(context: &Context, random: &mut Random, json: &mut Json) {
    let is_pressure = random.chance(15);
    let is_rare = random.below(125) == 0;
    let measure = random.pick(if is_rare { lists::RARE_MEASURES } else { lists::MEASURES });
    let day = text::recent_day(random);
    let taken = text::time(random, day);
    let value = random.bell(measure.found.0, measure.found.1);
    let (unit, power) = unit_of(&measure, random);
    let shown = text::shifted(value, measure.decimals, power);
    let (upper, lower) = (random.bell(92, 188), random.bell(48, 112));
    let told = if is_pressure {
        format!("Verenpaine {upper}/{lower} mmHg, {taken}")
    } else {
        format!("{} {shown} {unit}, {taken}", measure.name)
    };
    let is_vital_sign = !measure.is_laboratory || is_pressure;
    meta(random, json, if is_vital_sign { lists::VITAL_PROFILES } else { lists::PROFILES });
    text::narrative(json, &format!("{told}. {}", text::note(random, 1)));
    json.one("identifier", |identifier| {
        identifier.text("system", "urn:oid:1.2.246.10.99999999.15");
        identifier.text("value", &format!("{:016x}", random.next()));
    });
    json.text("status", random.pick(&["final", "final", "final", "amended", "preliminary"]));
    let (category, display) =
        if is_vital_sign { ("vital-signs", "Vital Signs") } else { ("laboratory", "Laboratory") };
    json.one("category", |concept| concept.coding(CATEGORY, category, display));
    json.put("code", |code| {
        if is_pressure {
            code.coding(LOINC, "85354-9", "Blood pressure panel with all children optional");
            code.text("text", "Verenpaine");
        } else {
            code.coding(LOINC, measure.code, measure.display);
            code.text("text", measure.name);
        }
    });
    context.patient_link("subject", json);
    json.put("encounter", |encounter| {
        encounter.text("reference", &context.encounter_link(random));
    });
    json.text("effectiveDateTime", &taken);
    json.text("issued", &text::time_at(day, 20, random.below(60), random.below(60)));
    let (performer, name) = practitioner(context.seed, random);
    json.one("performer", |reference| {
        reference.text("reference", &performer);
        reference.text("display", &name);
    });
    if is_pressure {
        json.list("component", 2, |component, at| {
            let (code, display, value) = if at == 0 {
                ("8480-6", "Systolic blood pressure", upper)
            } else {
                ("8462-4", "Diastolic blood pressure", lower)
            };
            component.concept("code", LOINC, code, display);
            quantity(component, "valueQuantity", &value.to_string(), "mm[Hg]");
        });
    } else {
        measured(json, &measure, value, (&shown, unit));
    }
    if random.chance(40) {
        json.one("note", |note| note.text("text", &text::note(random, 1)));
    }
}

/// The unit that a value is told in, with the power of ten to divide it by.
fn unit_of(measure: &Measure, random: &mut Random) -> (&'static str, i8) {
    let other = lists::OTHER_UNITS.iter().find(|(usual, ..)| *usual == measure.unit);
    match other {
        Some((_, unit, power)) if random.chance(8) => (unit, *power),
        Some(_) | None => (measure.unit, 0),
    }
}

/// Profile, security label, tag and source, each in some resources only.
pub(crate) fn meta(random: &mut Random, json: &mut Json, profiles: &[&str]) {
    let drawn = random.below(100);
    if drawn >= 12 {
        return;
    }
    json.put("meta", |meta| {
        if drawn == 0 {
            let source = random.below(40);
            meta.text("source", &format!("https://source.example.org/{source}"));
        }
        if drawn < 6 {
            meta.texts("profile", &[random.pick(profiles)]);
        }
        if (4..11).contains(&drawn) {
            let (code, display) = random.pick(lists::CONFIDENTIALITY);
            meta.one("security", |label| label.triple(CONFIDENTIALITY, code, display));
        }
        if drawn >= 9 {
            let (code, display) = random.pick(lists::TAGS);
            meta.one("tag", |tag| tag.triple(TAG, code, display));
        }
    });
}

/// The value with what it means.
fn measured(json: &mut Json, measure: &Measure, value: u64, shown: (&str, &str)) {
    let (low, high) = measure.usual;
    let (code, display) = match value {
        _ if value < low => ("L", "Low"),
        _ if value > high => ("H", "High"),
        _ => ("N", "Normal"),
    };
    quantity(json, "valueQuantity", shown.0, shown.1);
    json.one("interpretation", |concept| concept.coding(INTERPRETATION, code, display));
    json.one("referenceRange", |range| {
        quantity(range, "low", &text::decimal(low, measure.decimals), measure.unit);
        quantity(range, "high", &text::decimal(high, measure.decimals), measure.unit);
    });
}

fn quantity(json: &mut Json, key: &str, value: &str, unit: &str) {
    json.put(key, |quantity| {
        quantity.raw("value", value);
        quantity.text("unit", unit);
        quantity.text("system", UCUM);
        quantity.text("code", unit);
    });
}

pub(crate) fn condition(context: &Context, random: &mut Random, json: &mut Json) {
    let (code, finnish, swedish) = random.pick(lists::DIAGNOSES);
    let day = text::recent_day(random);
    meta(random, json, &["https://example.org/fhir/StructureDefinition/diagnosis"]);
    text::narrative(json, &format!("{code} {finnish}. {}", text::note(random, 2)));
    let state = random.pick(&["active", "active", "resolved", "recurrence"]);
    json.put("clinicalStatus", |status| {
        status.coding("http://terminology.hl7.org/CodeSystem/condition-clinical", state, state);
    });
    json.put("verificationStatus", |status| {
        let system = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
        status.coding(system, "confirmed", "Confirmed");
    });
    json.one("category", |category| {
        let system = "http://terminology.hl7.org/CodeSystem/condition-category";
        category.coding(system, "encounter-diagnosis", "Encounter Diagnosis");
    });
    json.put("code", |concept| {
        concept.list("coding", 2, |coding, at| {
            let systems = ("urn:oid:1.2.246.537.6.1", "http://hl7.org/fhir/sid/icd-10");
            coding.text("system", if at == 0 { systems.0 } else { systems.1 });
            coding.text("code", code);
            coding.text("display", if at == 0 { finnish } else { swedish });
        });
        concept.text("text", finnish);
    });
    context.patient_link("subject", json);
    json.put("encounter", |encounter| {
        encounter.text("reference", &context.encounter_link(random));
    });
    json.text("onsetDateTime", &text::date(day));
    if state == "resolved" {
        json.text("abatementDateTime", &text::date(day + random.between(3, 400)));
    }
    json.text("recordedDate", &text::time(random, day));
    json.put("recorder", |recorder| {
        recorder.text("reference", &practitioner(context.seed, random).0);
    });
    json.one("note", |note| note.text("text", &text::note(random, 2)));
}

fn medicine(random: &mut Random, json: &mut Json) -> String {
    let (code, substance, strength) = random.pick(lists::MEDICINES);
    json.put("medicationCodeableConcept", |concept| {
        concept.coding("http://www.whocc.no/atc", code, substance);
        concept.text("text", &format!("{substance} {strength}"));
    });
    format!("{substance} {strength}")
}

fn dosage(random: &mut Random, json: &mut Json, key: &str) {
    let (count, times) = (random.between(1, 2), random.between(1, 3));
    json.one(key, |dosage| {
        let reason = text::note(random, 1);
        dosage.text("text", &format!("{count} tabl. {times} kertaa vuorokaudessa. {reason}"));
        dosage.put("timing", |timing| {
            timing.put("repeat", |repeat| {
                repeat.raw("frequency", &times.to_string());
                repeat.raw("period", "1");
                repeat.text("periodUnit", "d");
            });
        });
        dosage.one("doseAndRate", |dose| {
            dose.put("doseQuantity", |quantity| {
                quantity.raw("value", &format!("{count}.0"));
                quantity.text("unit", "tabl.");
            });
        });
    });
}

pub(crate) fn medication_request(context: &Context, random: &mut Random, json: &mut Json) {
    json.text("status", random.pick(&["active", "completed", "stopped"]));
    json.text("intent", "order");
    medicine(random, json);
    context.patient_link("subject", json);
    json.put("encounter", |encounter| {
        encounter.text("reference", &context.encounter_link(random));
    });
    let day = text::recent_day(random);
    json.text("authoredOn", &text::time(random, day));
    let (requester, name) = practitioner(context.seed, random);
    json.put("requester", |reference| {
        reference.text("reference", &requester);
        reference.text("display", &name);
    });
    json.one("note", |note| note.text("text", &text::note(random, 1)));
    dosage(random, json, "dosageInstruction");
    json.put("dispenseRequest", |request| {
        request.put("validityPeriod", |period| {
            period.text("start", &text::date(day));
            period.text("end", &text::date(day + 730));
        });
        request.raw("numberOfRepeatsAllowed", &random.below(5).to_string());
        request.put("quantity", |quantity| {
            quantity.raw("value", &random.pick(&[28, 30, 98, 100]).to_string());
            quantity.text("unit", "tabl.");
        });
    });
}

pub(crate) fn medication_statement(context: &Context, random: &mut Random, json: &mut Json) {
    json.text("status", random.pick(&["active", "completed", "on-hold"]));
    medicine(random, json);
    context.patient_link("subject", json);
    let day = text::recent_day(random);
    json.put("effectivePeriod", |period| period.text("start", &text::date(day)));
    let later = day + random.below(30);
    json.text("dateAsserted", &text::time(random, later));
    json.put("informationSource", |source| {
        source.text("reference", &context.link("Patient", context.patient));
    });
    json.one("note", |note| note.text("text", &text::note(random, 2)));
    dosage(random, json, "dosage");
}

pub(crate) fn document_reference(context: &Context, random: &mut Random, json: &mut Json) {
    let day = text::recent_day(random);
    let (author, _) = practitioner(context.seed, random);
    let (code, display) = random.pick(&[
        ("34133-9", "Summary of episode note"),
        ("11488-4", "Consult note"),
        ("18842-5", "Discharge summary"),
        ("57133-1", "Referral note"),
    ]);
    json.put("masterIdentifier", |identifier| {
        identifier.text("system", "urn:ietf:rfc:3986");
        let number = random.between(1_000_000, 9_999_999);
        identifier.text("value", &format!("urn:oid:1.2.246.10.{number}.11.{}", context.number));
    });
    json.text("status", "current");
    json.text("docStatus", random.pick(&["final", "final", "preliminary"]));
    json.put("type", |kind| kind.coding(LOINC, code, display));
    context.patient_link("subject", json);
    json.text("date", &text::time(random, day));
    json.one("author", |reference| reference.text("reference", &author));
    json.put("custodian", |custodian| custodian.text("reference", &organization(random)));
    json.text("description", &text::note(random, 2));
    json.one("content", |content| {
        content.put("attachment", |attachment| {
            attachment.text("contentType", "application/pdf");
            attachment.text("language", random.pick(&["fi", "fi", "fi", "sv"]));
            attachment
                .text("url", &format!("https://documents.example.org/{:016x}", random.next()));
            attachment.raw("size", &random.between(4_000, 900_000).to_string());
            attachment.text("title", &format!("{display} {}", text::date(day)));
            attachment.text("creation", &text::time(random, day));
        });
    });
    json.put("context", |related| {
        related.one("encounter", |encounter| {
            encounter.text("reference", &context.encounter_link(random));
        });
    });
}
