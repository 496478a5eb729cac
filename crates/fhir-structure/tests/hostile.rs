//! Definitions that somebody has damaged: real ones with members removed, doubled, renamed and
//! filled with other values. Each ends with a snapshot or with faults, and never with a panic.
#![cfg(test)]

use fhir_model::Resource;
use fhir_structure::{StructureDefinition, make_snapshot, r4};
use serde_json::{Value, json};

/// A small generator of numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

const STRANGE: [&str; 12] = [
    "",
    ".",
    "Patient",
    "a.b.c",
    "Observation.value[x]",
    "#Questionnaire.item",
    "-1",
    "*",
    "99999999999999999999",
    "http://hl7.org/fhir/StructureDefinition/Extension",
    "x/y/z",
    "[x]",
];

#[test]
fn damaged_definitions_end_with_a_snapshot_or_faults() {
    let mut dice = Dice(4);
    let heads = r4().heads();
    let profiles: Vec<_> = heads.iter().filter(|head| head.derivation == "constraint").collect();
    let (mut made, mut refused) = (0, 0);
    for round in 0..900 {
        let head = profiles[dice.roll(profiles.len())];
        let mut whole: Value = serde_json::from_str(r4().find(head.url).unwrap().source()).unwrap();
        if round % 5 > 0 {
            whole.as_object_mut().unwrap().remove("snapshot");
        }
        for _ in 0..=dice.roll(4) {
            damage(&mut whole, &mut dice);
        }
        let Ok(resource) = Resource::trusted(serde_json::to_vec(&whole).unwrap()) else { continue };
        if let Ok(definition) = StructureDefinition::read(resource.view()) {
            let _ = (definition.snapshot(), definition.differential());
        }
        let result = make_snapshot(&resource, r4());
        match result.definition {
            Some(_) => made += 1,
            None => {
                assert!(!result.faults.is_empty(), "nothing says why: {whole}");
                refused += 1;
            }
        }
    }
    assert!(made > 100 && refused > 100, "made {made}, refused {refused}");
}

/// Walks down to some member and damages it.
fn damage(value: &mut Value, dice: &mut Dice) {
    let stops = dice.roll(6) == 0;
    match value {
        Value::Object(members) if !stops && !members.is_empty() => {
            let key = members.keys().nth(dice.roll(members.len())).unwrap().clone();
            match dice.roll(14) {
                0 => drop(members.remove(&key)),
                1 => {
                    let old = members.remove(&key).unwrap();
                    members.insert(format!("{key}x"), old);
                }
                _ => damage(members.get_mut(&key).unwrap(), dice),
            }
        }
        Value::Array(items) if !stops && !items.is_empty() => {
            let (at, other) = (dice.roll(items.len()), dice.roll(items.len()));
            match dice.roll(12) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items.swap(at, other),
                _ => damage(&mut items[at], dice),
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            *value = match dice.roll(6) {
                0 => Value::Null,
                1 => json!([]),
                2 => json!({}),
                3 => json!(-7),
                4 => json!(true),
                _ => json!(STRANGE[dice.roll(STRANGE.len())]),
            }
        }
    }
}

#[test]
fn paths_without_end_are_refused() {
    let deep = format!("Extension{}", ".extension".repeat(5000));
    let wide = |count: usize| -> Vec<Value> {
        let element = |index| {
            json!({"id": format!("Extension.extension:s{index}.extension.extension.url"),
                "path": "Extension.extension.extension.extension.url"})
        };
        (0..count).map(element).collect()
    };
    for elements in [json!([{"path": deep}]), json!(wide(3000)), json!(wide(20_000))] {
        let whole = json!({"resourceType": "StructureDefinition", "url": "u", "kind": "complex-type",
            "type": "Extension", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
            "derivation": "constraint", "differential": {"element": elements}});
        let resource = Resource::trusted(serde_json::to_vec(&whole).unwrap()).unwrap();
        assert!(!make_snapshot(&resource, r4()).faults.is_empty());
    }
}
