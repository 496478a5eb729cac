//! What searches are driven from, on a population in which most lists are long: `plans.json`.
//!
//! A case holds a query, what its driver must name, and perhaps what one of its statements must;
//! where the back ends differ, `postgres` says what it is there, or null where that is left to it.

use fhir_store::{DatabaseUrl, WriteGroup};
use serde_json::Value;

use crate::cases;
use crate::world::World;

cases!(searches_are_driven_from_what_is_short, a_start_of_few_values_is_asked_for_by_them);

const PATIENTS: usize = 60;
const OBSERVATIONS: usize = 1_500;

fn patient(n: usize) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"p{n}","identifier":[{{"system":"urn:i","value":"i{n}"}}],"name":[{{"family":"Family{n}"}}],"gender":"{}"}}"#,
        ["male", "female"][n % 2]
    )
}

/// Three codes of 500 observations each, a rare one of 15, twelve months of 125, values up to 500.
fn observation(n: usize) -> String {
    let rare = if n.is_multiple_of(100) { r#",{"system":"urn:c","code":"rare"}"# } else { "" };
    let status = if n.is_multiple_of(50) { "amended" } else { "final" };
    format!(
        r#"{{"resourceType":"Observation","id":"o{n}","status":"{status}","text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">word{}</div>"}},"code":{{"coding":[{{"system":"urn:c","code":"c{}"}}{rare}]}},"subject":{{"reference":"Patient/p{}"}},"effectiveDateTime":"2024-{:02}-{:02}","valueQuantity":{{"value":{},"unit":"u"}}}}"#,
        n % 300,
        n % 3,
        n % PATIENTS,
        n * 7 % 12 + 1,
        n % 28 + 1,
        n * 11 % 500
    )
}

fn searches_are_driven_from_what_is_short(world: &World) {
    let patients = (0..PATIENTS).map(|n| world.put(&patient(n)));
    let ops = patients.chain((0..OBSERVATIONS).map(|n| world.put(&observation(n)))).collect();
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let cases: Vec<Value> = serde_json::from_str(include_str!("../plans.json")).unwrap();
    let is_postgres = matches!(world.url, DatabaseUrl::Postgres(_));
    let mut failures = Vec::new();
    for case in &cases {
        let when = case["when"].as_str().unwrap();
        let driver = if is_postgres { case.get("postgres") } else { None };
        let query = world.query(when);
        let explained = world.read(move |reader| reader.explain(&query, 20));
        let driver = driver.unwrap_or(&case["driver"]);
        if driver.as_str().is_some_and(|driver| !explained.driver.contains(driver)) {
            failures.push(format!("{when}: driven from {}, not {driver}", explained.driver));
        }
        let statement = case["statement"].as_str().filter(|_| !is_postgres);
        let has = |part: &str| explained.statements.iter().any(|one| one.text.contains(part));
        if statement.is_some_and(|part| !has(part)) {
            failures.push(format!("{when}: no statement says {}", case["statement"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Two towns begin alike, of 300 each, while every family has a name of its own.
fn resident(n: usize) -> String {
    let town = ["Turku", "Turkula", "Tampere"][n % 3];
    let year = 1950 + n / 3 % 40;
    format!(
        r#"{{"resourceType":"Patient","id":"r{n:03}","name":[{{"family":"Family{n}"}}],"address":[{{"city":"{town}"}}],"birthDate":"{year}-05-01"}}"#
    )
}

fn a_start_of_few_values_is_asked_for_by_them(world: &World) {
    const RESIDENTS: usize = 900;
    let ops = (0..RESIDENTS).map(|n| world.put(&resident(n))).collect();
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let born = |n: &usize| (1960..1980).contains(&(1950 + n / 3 % 40));
    let all = |is_one: &dyn Fn(&usize) -> bool| -> Vec<String> {
        (0..RESIDENTS).filter(born).filter(is_one).map(|n| format!("r{n:03}")).collect()
    };
    let years = "birthdate=ge1960&birthdate=lt1980";
    let turku = format!("Patient?address-city=turku&{years}");
    assert_eq!(world.found(&turku), all(&|n| n % 3 < 2));
    assert_eq!(world.pages(&turku, 7), all(&|n| n % 3 < 2));
    assert_eq!(world.count(&turku), 300);
    let several = format!("Patient?address-city=turkul,tam&{years}");
    assert_eq!(world.found(&several), all(&|n| n % 3 > 0));
    // Everybody's name begins with this.
    assert_eq!(world.found(&format!("Patient?family=fam&{years}")), all(&|_| true));
    let says = |when: &str, part: &str| {
        let query = world.query(when);
        let explained = world.read(move |reader| reader.explain(&query, 20));
        explained.statements.iter().any(|one| one.text.contains(part))
    };
    assert!(says(&turku, "folded = "));
    assert!(!says(&format!("Patient?family=fam&{years}"), "folded = "));
}
