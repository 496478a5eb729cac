//! Search parameters that come and go while the store is open.

use std::fmt::Write as _;

use fhir_definitions::ResourceType;
use fhir_model::Resource;
use fhir_search::CustomParameter;
use fhir_store::{Activation, ParameterState};

use crate::cases;
use crate::world::World;

cases!(
    a_new_parameter_finds_what_was_there_before,
    a_build_that_was_cut_goes_on,
    what_is_written_meanwhile_is_found,
    parameters_that_come_one_after_another_are_all_complete,
    what_is_known_stays_and_what_clashes_is_told,
    a_retired_parameter_is_gone,
    a_rebuild_changes_nothing,
);

fn definition(code: &str, url: &str, expression: &str) -> String {
    format!(
        r#"{{"resourceType":"SearchParameter","id":"x","url":"{url}","name":"X","status":"active",
        "description":"x","code":"{code}","base":["Patient"],"type":"token",
        "expression":"{expression}"}}"#
    )
}

fn activate(world: &World, json: &str) -> Activation {
    let resource = Resource::trusted(json.as_bytes().to_vec()).unwrap();
    let definitions = world.store.definitions();
    let custom = CustomParameter::read(resource.view(), &definitions.registry).unwrap();
    world.store.activate(&custom, json.as_bytes()).unwrap()
}

fn marital(world: &World) -> Activation {
    activate(world, &definition("marital", "urn:x:marital", "Patient.maritalStatus"))
}

/// Waits until nothing is being built. The work ends by itself, or with an error in the log.
fn finish(world: &World) {
    let is_done = || {
        let status = world.store.parameter_status().unwrap();
        let states = status.iter().map(|one| one.state);
        states.clone().all(|state| matches!(state, ParameterState::Live | ParameterState::Retired))
    };
    while !is_done() {
        std::thread::yield_now();
    }
}

fn patient(number: usize) -> String {
    let code = if number.is_multiple_of(3) { "M" } else { "S" };
    let mut json = format!(r#"{{"resourceType":"Patient","id":"p{number}","maritalStatus":"#);
    write!(json, r#"{{"coding":[{{"system":"urn:marital","code":"{code}"}}]}}}}"#).unwrap();
    json
}

fn patients(world: &World, numbers: std::ops::Range<usize>) {
    let all: Vec<String> = numbers.map(patient).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    all.chunks(100).for_each(|part| world.given(part));
}

fn married(world: &World) -> u64 {
    let query = world.query("Patient?marital=urn:marital|M");
    world.read(move |reader| reader.count(&query))
}

fn a_new_parameter_finds_what_was_there_before(world: &World) {
    patients(world, 0..900);
    assert_eq!(marital(world), Activation::Started);
    finish(world);
    assert_eq!(married(world), 300);
    let registry = &world.store.definitions().registry;
    assert!(registry.get(ResourceType::PATIENT, "marital").unwrap().is_live);
    let again = world.sibling();
    assert_eq!(married(&again), 300);
}

fn a_build_that_was_cut_goes_on(world: &World) {
    patients(world, 0..900);
    assert_eq!(marital(world), Activation::Started);
    let again = world.sibling();
    finish(&again);
    assert_eq!(married(&again), 300);
}

fn what_is_written_meanwhile_is_found(world: &World) {
    patients(world, 0..600);
    assert_eq!(marital(world), Activation::Started);
    patients(world, 600..900);
    let changed = patient(1).replace("\"S\"", "\"M\"");
    world.given(&[&changed]);
    let same_status = patient(0).replace("\"maritalStatus", "\"gender\":\"male\",\"maritalStatus");
    world.given(&[&same_status]);
    finish(world);
    assert_eq!(married(world), 301);
}

/// Each is asked for while the rows of those before it are being built.
fn parameters_that_come_one_after_another_are_all_complete(world: &World) {
    patients(world, 0..90);
    for number in 0..40 {
        let url = format!("urn:x:marital-{number}");
        let asked = definition(&format!("marital-{number}"), &url, "Patient.maritalStatus");
        assert_eq!(activate(world, &asked), Activation::Started);
    }
    finish(world);
    for number in 0..40 {
        let query = world.query(&format!("Patient?marital-{number}=urn:marital|M"));
        assert_eq!(world.read(move |reader| reader.count(&query)), 30, "number {number}");
    }
}

fn what_is_known_stays_and_what_clashes_is_told(world: &World) {
    assert_eq!(marital(world), Activation::Started);
    finish(world);
    assert_eq!(marital(world), Activation::Unchanged);
    let url = "http://hl7.org/fhir/SearchParameter/Patient-language";
    let own = definition("language", url, "Patient.communication.language");
    assert_eq!(activate(world, &own), Activation::Unchanged);
    let other = own.replace("communication.language", "contact.relationship");
    assert_eq!(activate(world, &other), Activation::Clash(ResourceType::PATIENT));
    let changed = definition("marital", "urn:x:marital", "Patient.contact.relationship");
    assert_eq!(activate(world, &changed), Activation::Started);
    finish(world);
    patients(world, 0..3);
    assert_eq!(married(world), 0);
}

fn a_retired_parameter_is_gone(world: &World) {
    marital(world);
    finish(world);
    assert!(world.store.retire("urn:x:marital").unwrap());
    assert!(!world.store.retire("urn:x:marital").unwrap());
    assert!(world.store.definitions().registry.get(ResourceType::PATIENT, "marital").is_none());
    patients(world, 0..3);
    marital(world);
    finish(world);
    assert_eq!(married(world), 1);
}

fn a_rebuild_changes_nothing(world: &World) {
    patients(world, 0..300);
    marital(world);
    finish(world);
    assert!(world.store.rebuild(None).unwrap());
    assert_eq!(married(world), 100);
    finish(world);
    assert_eq!(married(world), 100);
    assert!(!world.store.rebuild(Some("urn:unknown")).unwrap());
}
