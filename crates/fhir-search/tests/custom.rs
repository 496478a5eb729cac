//! The cases of `conformance/custom-parameters`: SearchParameter resources with the faults that
//! keep them from use, or with the rows that they give for a resource.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fhir_definitions::ResourceType;
use fhir_model::date::{Zone, instants};
use fhir_model::decimal::Decimal;
use fhir_model::{Limits, Resource, ResourceKey};
use fhir_search::rows::{CompositeDateRow, CompositeNumberRow, CompositeStringRow};
use fhir_search::{CustomParameter, IndexRows, Indexer, ParameterId, Registry, ValueHasher};
use serde_json::{Value, json};

fn cases() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/custom-parameters");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for case in file["cases"].as_array().unwrap() {
            let mut case = case.clone();
            if case["given"].is_null() {
                case["given"] = file["given"].clone();
            }
            cases.push((format!("{name}: {}", case["why"].as_str().unwrap()), case));
        }
    }
    cases
}

fn resource(value: &Value) -> Resource {
    Resource::from_json(serde_json::to_vec(value).unwrap(), &Limits::NONE).unwrap()
}

fn intern() -> impl FnMut(ResourceType, &str, &str) -> ParameterId {
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    move |base, code, _url| {
        let next = i32::try_from(numbers.len()).unwrap() + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    }
}

/// The case's parameter with what every SearchParameter has.
fn parameter(case: &Value) -> Value {
    let mut whole = json!({
        "resourceType": "SearchParameter",
        "url": "http://parameters.example/own",
        "name": "Own",
        "status": "active",
        "description": "x",
        "code": "own",
        "base": [case["given"]["resourceType"]],
        "type": "token",
    });
    for (key, value) in case["parameter"].as_object().unwrap() {
        whole[key] = value.clone();
    }
    whole
}

#[test]
fn every_case_gives_its_faults_or_rows() {
    let mut intern = intern();
    let registry = Registry::r4(&mut intern);
    let hasher = ValueHasher::new(&[9; 16]);
    let mut failures = Vec::new();
    let cases = cases();
    for (name, case) in &cases {
        let definition = resource(&parameter(case));
        let expected = list(&case["faults"]);
        let custom = match CustomParameter::read(definition.view(), &registry) {
            Ok(custom) => custom,
            Err(failure) => {
                let told = failure.issues.iter().map(|issue| {
                    let place = issue.expression.as_deref().unwrap_or_default();
                    format!("{place}: {}", issue.diagnostics)
                });
                let told: BTreeSet<String> = told.collect();
                if told != expected {
                    failures.push(format!("{name} has the faults {told:#?}"));
                }
                continue;
            }
        };
        if !expected.is_empty() {
            failures.push(format!("{name} has no faults"));
            continue;
        }
        let own = custom.parameters(&mut intern);
        let p = own[0].id;
        let indexer =
            Indexer::compile(&registry.clone().with(own), hasher.clone(), Zone::default());
        assert!(indexer.uncompiled().is_empty(), "{name}: {:?}", indexer.uncompiled());
        let given = resource(&case["given"]);
        let key = ResourceKey::new(given.resource_type(), "x".parse().unwrap());
        let rows = indexer.index(given.view(), &key);
        let found = shown(&rows, p);
        let expected: BTreeSet<String> =
            list(&case["rows"]).iter().map(|row| hashed(row, &hasher)).collect();
        if found != expected {
            failures.push(format!("{name} gives {found:?}, not {expected:?}"));
        }
        let is_composite = parameter(case)["type"] == "composite";
        if !is_composite && rows.present.contains(&p) == expected.is_empty() {
            failures.push(format!("{name}: what is noted as present is something else"));
        }
    }
    assert!(cases.len() > 30, "only {} cases", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn list(value: &Value) -> BTreeSet<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// The rows of one parameter, told by their numbers.
fn shown(rows: &IndexRows, p: ParameterId) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let is_own = |other: i32| other.abs() == p.0;
    let token = rows.token.iter().filter(|row| is_own(row.p));
    all.extend(token.map(|row| format!("token {} {}", row.code, row.sys)));
    let string = rows.string.iter().filter(|row| is_own(row.p));
    all.extend(string.map(|row| format!("string {}", row.folded)));
    let number = rows.number.iter().filter(|row| is_own(row.p));
    all.extend(number.map(|row| format!("number {:?} {}", row.v, row.unit)));
    let date = rows.date.iter().filter(|row| is_own(row.p));
    all.extend(date.map(|row| format!("date {} {}", row.lo, row.hi)));
    let reference = rows.reference.iter().filter(|row| is_own(row.p));
    all.extend(reference.map(|row| format!("reference {}", row.target)));
    let uri = rows.uri.iter().filter(|row| is_own(row.p));
    all.extend(uri.map(|row| format!("uri {}", row.text)));
    let pair = rows.composite_token.iter().filter(|row| is_own(row.p));
    all.extend(pair.map(|row| format!("pair {} {}", row.code, row.code2)));
    let numbers = rows.composite_number.iter().filter(|row| is_own(row.p));
    all.extend(numbers.map(|CompositeNumberRow { code, v, .. }| format!("pair {code} {v:?}")));
    let dates = rows.composite_date.iter().filter(|row| is_own(row.p));
    all.extend(dates.map(|CompositeDateRow { code, lo, .. }| format!("pair {code} {lo}")));
    let strings = rows.composite_string.iter().filter(|row| is_own(row.p));
    let strings = strings.map(|CompositeStringRow { code, folded, .. }| (code, folded));
    all.extend(strings.map(|(code, folded)| format!("pair {code} {folded}")));
    all
}

/// A row of a case, `token system|code` or `date 2024-02`, with the numbers made of its texts.
fn hashed(row: &str, hasher: &ValueHasher) -> String {
    let (kind, text) = row.split_once(' ').unwrap();
    let key = |text: &str| text.parse::<Decimal>().unwrap().to_key();
    match kind {
        "token" => {
            let (system, code) = text.split_once('|').unwrap_or(("", text));
            format!("token {} {}", hasher.code(code), hasher.hash(system))
        }
        "system" => format!("token 0 {}", hasher.hash(text)),
        "number" => format!("number {:?} 0", key(text)),
        "quantity" => {
            let [number, system, code, unit] = text.split('|').collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            let unit = hasher.unit(hasher.hash(system), hasher.hash(code), hasher.hash(unit));
            format!("number {:?} {unit}", key(number))
        }
        "date" => {
            let range = instants(text, &Zone::default()).unwrap();
            format!("date {} {}", range.start, range.end)
        }
        "reference" => {
            let (name, id) = text.split_once('/').unwrap();
            let key = ResourceKey::new(name.parse().unwrap(), id.parse().unwrap());
            format!("reference {}", hasher.reference(&key))
        }
        "pair" => {
            let (code, other) = text.split_once('$').unwrap();
            let (what, other) = other.split_once(':').unwrap();
            let other = match what {
                "number" => format!("{:?}", key(other)),
                "token" => hasher.code(other).to_string(),
                "date" => instants(other, &Zone::default()).unwrap().start.to_string(),
                _ => other.to_owned(),
            };
            format!("pair {} {other}", hasher.code(code))
        }
        _ => row.to_owned(),
    }
}
