//! A small population of Patients and Observations, made by chance.

use std::convert::Infallible;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use fhir_search::{Found, ParameterId, World as Sight};
use fhir_store::WriteGroup;
use rand::Rng;
use rand::rngs::StdRng;

use crate::world::World;

/// The population, in row order.
pub(crate) struct People {
    pub(crate) all: Vec<Found>,
}

impl Sight for &People {
    type Error = Infallible;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, Infallible> {
        let is_one = |one: &&Found| hashes.contains(&one.hash) && one.key.resource_type == target;
        Ok(self.all.iter().filter(is_one).cloned().collect())
    }

    fn referring(&mut self, hash: i64, of: &[ParameterId]) -> Result<Vec<Found>, Infallible> {
        let is_one = |one: &&Found| {
            one.rows
                .reference
                .iter()
                .any(|row| row.target == hash && of.contains(&ParameterId(row.p)))
        };
        Ok(self.all.iter().filter(is_one).cloned().collect())
    }
}

pub(crate) fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

fn patient(random: &mut StdRng, n: usize) -> String {
    let families = ["Virtanen", "Virta", "Korhonen", "Åberg", "Mäki Ranta"];
    let mut parts = vec![format!(r#""resourceType":"Patient","id":"p{n:03}""#)];
    if random.random_bool(0.8) {
        let name = if random.random_bool(0.1) {
            r#"{"use":"official"}"#.to_owned()
        } else {
            format!(
                r#"{{"family":"{}","given":["{}"]}}"#,
                pick(random, &families),
                pick(random, &["Anna", "Aino"])
            )
        };
        let more = if random.random_bool(0.2) {
            format!(r#",{{"family":"{}"}}"#, pick(random, &families))
        } else {
            String::new()
        };
        parts.push(format!(r#""name":[{name}{more}]"#));
    }
    if random.random_bool(0.7) {
        parts.push(format!(r#""gender":"{}""#, pick(random, &["male", "female"])));
    }
    if random.random_bool(0.7) {
        parts.push(format!(
            r#""birthDate":"{}""#,
            pick(random, &["1970-05-06", "1980", "1980-02", "1999-12-31"])
        ));
    }
    if n > 0 && random.random_bool(0.3) {
        let other = random.random_range(0..n);
        parts.push(format!(
            r#""link":[{{"other":{{"reference":"Patient/p{other:03}"}},"type":"seealso"}}]"#
        ));
    }
    format!("{{{}}}", parts.join(","))
}

fn observation(random: &mut StdRng, n: usize) -> String {
    let mut parts = vec![format!(
        r#""resourceType":"Observation","id":"o{n:03}","status":"{}""#,
        pick(random, &["final", "amended"])
    )];
    let coding = |random: &mut StdRng| {
        let (system, code) = (pick(random, &["urn:c", "urn:d"]), pick(random, &["a", "b", "c"]));
        format!(r#"{{"system":"{system}","code":"{code}"}}"#)
    };
    let codings: Vec<String> = (0..*pick(random, &[1, 1, 2, 3])).map(|_| coding(random)).collect();
    parts.push(format!(r#""code":{{"coding":[{}]}}"#, codings.join(",")));
    if random.random_bool(0.9) {
        parts.push(format!(
            r#""subject":{{"reference":"Patient/p{:03}"}}"#,
            random.random_range(0..45)
        ));
    }
    match random.random_range(0..5) {
        0 => {
            parts.push(r#""effectivePeriod":{"start":"2024-01-01","end":"2024-12-31"}"#.to_owned())
        }
        1 => parts.push(
            r#""effectivePeriod":{"extension":[{"url":"urn:x","valueCode":"x"}]}"#.to_owned(),
        ),
        2 => {}
        _ => parts.push(format!(
            r#""effectiveDateTime":"2024-0{}-1{}""#,
            random.random_range(1..4),
            random.random_range(0..3)
        )),
    }
    match random.random_range(0..8) {
        0 | 1 => {}
        2 => parts.push(r#""valueQuantity":{"unit":"kg"}"#.to_owned()),
        3 => parts.push(format!(
            r#""valueSampledData":{{"origin":{{"value":{}}},"period":1,"dimensions":1}}"#,
            random.random_range(1..6)
        )),
        _ => parts.push(format!(
            r#""valueQuantity":{{"value":{},"unit":"{}"}}"#,
            random.random_range(1..6),
            pick(random, &["kg", "mg"])
        )),
    }
    format!("{{{}}}", parts.join(","))
}

/// Patients and Observations, one of which is deleted again.
pub(crate) fn population(world: &World, random: &mut StdRng) -> People {
    let mut resources: Vec<String> = (0..40).map(|n| patient(random, n)).collect();
    resources.extend((0..80).map(|n| observation(random, n)));
    // Patients and observations lie among each other.
    for place in (1..resources.len()).rev() {
        resources.swap(place, random.random_range(0..=place));
    }
    let mut found = Vec::new();
    let ops = resources.iter().map(|json| {
        let op = world.put(json);
        if let fhir_store::Action::Put { rows, .. } = &op.action {
            found.push((op.key.clone(), Arc::new((**rows).clone())));
        }
        op
    });
    let ops: Vec<_> = ops.collect();
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let gone = pick(random, &found).0.clone();
    world.op(world.delete(&gone.to_string()));
    found.retain(|(key, _)| *key != gone);
    let keys: Vec<ResourceKey> = found.iter().map(|(key, _)| key.clone()).collect();
    let versions = world.read(move |reader| reader.load_keys(&keys));
    let hasher = world.store.hasher();
    let mut all: Vec<_> = found
        .into_iter()
        .map(|(key, rows)| {
            let version = versions.iter().find(|version| version.key == key).unwrap();
            let hash = hasher.reference(&key);
            (version.row, Found { key, hash, updated: version.updated, rows })
        })
        .collect();
    all.sort_by_key(|(row, _)| *row);
    People { all: all.into_iter().map(|(_, found)| found).collect() }
}
