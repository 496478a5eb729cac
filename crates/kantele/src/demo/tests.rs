//! The population: the same in each run, and nobody who lives.

use std::collections::BTreeSet;

use kanta_identifiers::identity_code::{self, IdentityCode};
use serde_json::Value;

use super::crowd;
use super::world::World;

fn population() -> Vec<Value> {
    let world = World::read().unwrap();
    let (_, mut all) = crowd::make(&world).unwrap();
    all.extend(world.resources().unwrap());
    all
}

fn text<'a>(resource: &'a Value, pointer: &str) -> &'a str {
    resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn the_same_seed_gives_the_same_data_under_ids_of_their_own() {
    let all = population();
    assert_eq!(all, population());
    let key = |own: &Value| (text(own, "/resourceType").to_owned(), text(own, "/id").to_owned());
    let keys: BTreeSet<_> = all.iter().map(key).collect();
    assert_eq!(keys.len(), all.len());
}

#[test]
fn two_hundred_persons_of_all_ages_are_nobody() {
    let all = population();
    let patients = || all.iter().filter(|own| text(own, "/resourceType") == "Patient");
    assert_eq!(patients().count(), 200);
    let mut codes = BTreeSet::new();
    for patient in patients() {
        assert_eq!(text(patient, "/identifier/0/system"), identity_code::SYSTEM);
        let code = text(patient, "/identifier/0/value");
        assert!(IdentityCode::parse(code).unwrap().is_fictitious());
        assert!(codes.insert(code), "two persons have one code");
    }
    for years in [1926..1945, 1945..1965, 1965..1985, 1985..2005, 2009..2026] {
        let born = |own: &&Value| text(own, "/birthDate").get(..4).unwrap().parse().unwrap();
        let count = patients().filter(|own| years.contains(&born(own))).count();
        assert!(count >= 10, "{count} persons were born in {years:?}");
    }
}
