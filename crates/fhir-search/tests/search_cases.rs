//! Runs the cases of `conformance/search` in memory: what the parser makes of a query, held
//! against the rows of the population by [`SearchQuery::holds`]. The stores' SQL meets the same
//! cases over HTTP; where only one of the two runs fails, the fault is on its side.
//!
//! Order is left to the stores: what a sorted search finds is compared as a set.
#![cfg(test)]

mod population;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Instant, Resource, ResourceKey};
use fhir_search::{
    Found, Indexer, ParameterId, ParseSettings, Registry, Scope, SearchQuery, ValueHasher,
};
use serde_json::Value;

use self::population::{Known, Population};

const BASE: &str = "http://own.example/fhir";
/// 2026-11-01, after everything in the populations: `ap` widens by the distance to now.
const NOW: Instant = Instant(1_793_500_000_000_000);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/search")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

struct Setting {
    registry: Registry,
    hasher: ValueHasher,
    population: BTreeMap<String, (Vec<Found>, Vec<Value>)>,
}

fn setting() -> Setting {
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    let registry = Registry::r4(&mut |base, code, _url| {
        let next = i32::try_from(numbers.len()).unwrap() + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    });
    let hasher = ValueHasher::new(&[5; 16]);
    let indexer = Indexer::compile(&registry, hasher.clone(), Zone::default());
    let indexer = indexer.with_base(Some(BASE.to_owned())).with_text(true);
    let mut population = BTreeMap::new();
    for entry in std::fs::read_dir(folder().join("given")).unwrap() {
        let path = entry.unwrap().path();
        let bundle = json(&path);
        let rows = bundle["entry"].as_array().unwrap().iter().map(|entry| {
            let source = serde_json::to_vec(&entry["resource"]).unwrap();
            let resource = Resource::trusted(source).unwrap();
            let key = ResourceKey::new(resource.resource_type(), resource.id().unwrap());
            let rows = Arc::new(indexer.index(resource.view(), &key));
            Found { hash: hasher.reference(&key), key, updated: NOW, rows }
        });
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let documents = bundle["entry"].as_array().unwrap().iter();
        let documents = documents.map(|entry| entry["resource"].clone()).collect();
        population.insert(name, (rows.collect(), documents));
    }
    Setting { registry, hasher, population }
}

#[test]
fn every_case_finds_what_it_says() {
    let setting = setting();
    let mut count = 0;
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            count += 1;
            if let Err(failure) = check(&setting, &json(&path)) {
                failures.push(format!("{name}: {failure}"));
            }
        }
    }
    assert!(count > 100, "only {count} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check(setting: &Setting, case: &Value) -> Result<(), String> {
    let when = case["when"].as_str().unwrap().replace("{base}", BASE);
    let (name, query) = when.split_once('?').unwrap_or((&when, ""));
    let scope = match ResourceType::named(name) {
        Some(resource_type) => Scope::Type(resource_type),
        None if name.is_empty() => Scope::All,
        None => return Ok(()), // a matter of routes
    };
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let given = case["given"].as_array().unwrap().iter().filter_map(Value::as_str);
    let (mut found, mut documents) = (Vec::new(), Vec::new());
    for (rows, sources) in given.map(|name| &setting.population[name]) {
        found.extend(rows.iter().cloned());
        documents.extend(sources.iter().cloned());
    }
    let given = found;
    let mut known = Known { found: &given, documents: &documents };
    let resolved = parse(setting, scope, &pairs).and_then(|mut query| {
        let resolved = query.resolve(&setting.registry, &setting.hasher, &mut known);
        resolved.map(|()| query).map_err(|failure| failure.to_string())
    });
    if case["refused"].is_number() {
        return resolved.err().map(drop).ok_or_else(|| "it was not refused".to_owned());
    }
    let query = resolved?;
    let found: BTreeSet<String> = given
        .iter()
        .filter(|found| query.holds(found, &mut Population(&given)).unwrap())
        .map(|found| found.key.to_string())
        .collect();
    let expected: BTreeSet<String> = case["then"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, not {expected:?}")) }
}

fn parse(
    setting: &Setting,
    scope: Scope,
    pairs: &[(String, String)],
) -> Result<SearchQuery, String> {
    let settings = ParseSettings {
        strict: true,
        default_count: 20,
        max_count: 1000,
        always_allowed: Vec::new(),
        now: NOW,
        base: Some(BASE.to_owned()),
        explain: false,
    };
    let zone = Zone::default();
    fhir_search::parse(pairs, scope, &setting.registry, &setting.hasher, &zone, &settings)
        .map_err(|failure| failure.to_string())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = String::from_utf8(digits.to_vec()).unwrap();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap()
}
