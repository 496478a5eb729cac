//! Runs the cases of `conformance/index`: resources with the rows that they must give.
//!
//! A case lists every row of the parameters that it names and nothing of the others. A row is
//! told by its texts (`system`, `code`, `reference`, `number`, `unitSystem`,
//! `unitCode`, `unit`, `from`, `to`, `string`, `exact`, `latitude`, `longitude`,
//! `uri`, with a 2 for the second part of a composite); the hashes are made here. A string without
//! `exact` is a word or the text of a code. `present` and `missing` list parameters that the
//! resource has a value for and has none for, `narrative` and `content` its words, `sorted` the
//! texts by which parameters put it in order, `unpaired` that values do not all stand in a
//! composite's rows, `codeDates` its main codes beside its main dates, `contained` the types inside and `inside` the rows of
//! what is inside by itself.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fhir_definitions::ResourceType;
use fhir_model::date::{Zone, instants};
use fhir_model::decimal::Decimal;
use fhir_model::{Resource, ResourceKey};
use fhir_search::rows::{LONG_SPAN_US, MANY_DATES, OPEN_END_US, OPEN_START_US};
use fhir_search::{IndexRows, Indexer, ParameterId, ParameterKind, Registry, ValueHasher, place};
use serde_json::Value;

const BASE: &str = "http://own.example/fhir";

struct Setting {
    registry: Registry,
    indexer: Indexer,
    hasher: ValueHasher,
}

fn setting() -> Setting {
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    let registry = Registry::r4(&mut |base, code, _url| {
        let next = i32::try_from(numbers.len()).unwrap() + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    });
    let hasher = ValueHasher::new(&[7; 16]);
    let indexer = Indexer::compile(&registry, hasher.clone(), Zone::default());
    let indexer = indexer.with_base(Some(BASE.to_owned())).with_text(true);
    Setting { registry, indexer, hasher }
}

#[test]
fn every_case_gives_its_rows() {
    let setting = setting();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/index");
    let mut count = 0;
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let cases: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for case in cases.as_array().unwrap() {
            count += 1;
            let file = path.file_name().unwrap().to_string_lossy();
            let name = format!("{file}: {}", case["name"].as_str().unwrap());
            failures
                .extend(check(&setting, case).into_iter().map(|each| format!("{name}: {each}")));
        }
    }
    assert!(count > 40, "only {count} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check(setting: &Setting, case: &Value) -> Vec<String> {
    let source = serde_json::to_vec(&case["resource"]).unwrap();
    let resource = Resource::trusted(source).unwrap();
    let key = ResourceKey::new(resource.resource_type(), resource.id().unwrap());
    let rows = setting.indexer.index(resource.view(), &key);
    let mut failures = check_rows(setting, &key, &rows, &case["rows"]);
    failures.extend(check_contained(setting, &resource, &rows, case));
    failures.extend(check_presence(setting, &key, &rows, case));
    failures.extend(check_access(setting, &rows, case));
    failures.extend(check_texts(setting, &resource, &rows, case));
    failures
}

fn check_rows(
    setting: &Setting,
    key: &ResourceKey,
    rows: &IndexRows,
    expected: &Value,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (code, expected) in expected.as_object().unwrap() {
        let Some(parameter) = setting.registry.get(key.resource_type, code) else {
            failures.push(format!("there is no parameter {code}"));
            continue;
        };
        let p = parameter.id.0;
        let expected: BTreeSet<String> = expected
            .as_array()
            .unwrap()
            .iter()
            .map(|row| expected_row(setting, p, parameter.kind, row))
            .collect();
        let found = rows_of(rows, p);
        for row in expected.difference(&found) {
            failures.push(format!("{code} lacks {row}"));
        }
        for row in found.difference(&expected) {
            failures.push(format!("{code} has also {row}"));
        }
    }
    failures
}

fn check_contained(
    setting: &Setting,
    resource: &Resource,
    rows: &IndexRows,
    case: &Value,
) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(types) = case["contained"].as_array() {
        let p = |name: &str| setting.registry.contained(ResourceType::named(name).unwrap());
        let expected = types.iter().map(|name| p(name.as_str().unwrap()).unwrap().0);
        let all = ResourceType::all().filter_map(|base| setting.registry.contained(base));
        let all: BTreeSet<i32> = all.map(|p| p.0).collect();
        let found = rows.token.iter().filter(|row| all.contains(&row.p));
        assert!(found.clone().all(|row| (row.code, row.sys) == (1, 0)));
        if found.map(|row| row.p).collect::<BTreeSet<_>>() != expected.collect() {
            failures.push("the types inside are others".to_owned());
        }
    }
    let Some(inside) = case["inside"].as_object() else { return failures };
    let found: Vec<_> = setting.indexer.contained(resource.view()).collect();
    let names: BTreeSet<String> = found.iter().map(|each| each.key.to_string()).collect();
    assert_eq!(names, inside.keys().cloned().collect());
    for each in &found {
        let expected = &inside[&each.key.to_string()];
        failures.extend(check_rows(setting, &each.key, &each.rows, expected));
    }
    failures
}

fn check_texts(
    setting: &Setting,
    resource: &Resource,
    rows: &IndexRows,
    case: &Value,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, found) in [("narrative", &rows.text.narrative), ("content", &rows.text.content)] {
        if case[name].as_str().is_some_and(|expected| expected != found) {
            failures.push(format!("the {name} is {found}"));
        }
    }
    for (code, expected) in case["sorted"].as_object().into_iter().flatten() {
        let parameter = setting.registry.get(resource.resource_type(), code).unwrap();
        let found = setting.indexer.sort_texts(resource.view(), parameter);
        if *expected != Value::from(found.clone()) {
            failures.push(format!("{code} is sorted by {found:?}"));
        }
    }
    failures
}

fn check_presence(
    setting: &Setting,
    key: &ResourceKey,
    rows: &IndexRows,
    case: &Value,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (list, is_present) in [("present", true), ("missing", false)] {
        for code in case[list].as_array().into_iter().flatten() {
            let code = code.as_str().unwrap();
            let parameter = setting.registry.get(key.resource_type, code).unwrap();
            if rows.has(parameter.id) != is_present {
                failures.push(format!("{code} is not {list}"));
            }
        }
    }
    failures
}

fn check_access(setting: &Setting, rows: &IndexRows, case: &Value) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(person) = case["person"].as_str() {
        let expected = setting.hasher.hash(person);
        if rows.access.person != expected {
            failures.push(format!("the person is not {person}"));
        }
    }
    if let Some(date) = case["date"].as_str().map(start_us) {
        let found = rows.main_date.map(|(lo, _)| lo);
        if found != Some(date) {
            failures.push(format!("the main date is {found:?}, not {date:?}"));
        }
    }
    if let Some(pairs) = case["codeDates"].as_array() {
        let hash = |pair: &Value| setting.hasher.code(pair["code"].as_str().unwrap());
        let mut expected: Vec<(bool, i64, i64)> = pairs
            .iter()
            .map(|pair| {
                let lo = pair["from"].as_str().map_or(MANY_DATES, start_us);
                (pair["long"] == true, hash(pair), lo)
            })
            .collect();
        let mut found: Vec<_> =
            rows.code_date.iter().map(|row| (row.p < 0, row.code, row.lo)).collect();
        expected.sort_unstable();
        found.sort_unstable();
        if found != expected {
            failures.push(format!("codes and dates are {found:?}, not {expected:?}"));
        }
    }
    if let Some(is_sole) = case["soleSubject"].as_bool()
        && rows.access.is_sole_subject != is_sole
    {
        failures.push(format!("that the person is the only subject is not {is_sole}"));
    }
    if let Some(labels) = case["labels"].as_array() {
        let mut expected: Vec<i64> =
            labels.iter().map(|label| setting.hasher.hash(label.as_str().unwrap())).collect();
        expected.sort_unstable();
        assert_eq!(rows.access.labels, expected);
    }
    failures
}

fn expected_row(setting: &Setting, p: i32, kind: ParameterKind, row: &Value) -> String {
    let text = |name: &str| row[name].as_str();
    let hash = |name: &str| text(name).map_or(0, |text| setting.hasher.hash(text));
    let code = |name: &str| text(name).map_or(0, |text| setting.hasher.code(text));
    let key = |name: &str| text(name).map_or(Vec::new(), number_key);
    let (code_1, sys) = (code("code"), hash("system"));
    let is_composite = kind == ParameterKind::Composite || text("code2").is_some();
    if let Some(folded) = text("string") {
        if is_composite {
            return format!("string {code_1} {sys} {folded}");
        }
        let exact = text("exact").map_or(0, |text| setting.hasher.exact(text));
        return format!("string {folded} {exact}");
    }
    if let (Some(latitude), Some(longitude)) = (text("latitude"), text("longitude")) {
        return format!("place {:?}", place::point(latitude, longitude).unwrap());
    }
    if row["unpaired"] == true {
        return "token 0 0".to_owned();
    }
    if text("number").is_some() {
        let unit = unit_text(hash("unitSystem"), hash("unitCode"), hash("unit"));
        let v = key("number");
        if is_composite {
            return format!("number {code_1} {sys} {unit} {v:?} {:?}", key("number2"));
        }
        return format!("number {unit} {v:?}");
    }
    if text("from").is_some() || text("to").is_some() {
        let lo = text("from").map_or(OPEN_START_US, start_us);
        let hi = text("to").map_or(OPEN_END_US, start_us);
        if is_composite {
            return format!("date {code_1} {sys} {lo} {hi}");
        }
        let p = if hi - lo > LONG_SPAN_US { -p } else { p };
        return format!("date {p} {lo} {hi}");
    }
    if is_composite {
        let first = if text("target").is_some() { hash("target") } else { code_1 };
        return format!("token {first} {sys} {} {}", code("code2"), hash("system2"));
    }
    if let Some(uri) = text("uri") {
        return format!("uri {uri}");
    }
    if text("reference").is_some() {
        return format!("reference {}", hash("reference"));
    }
    format!("token {code_1} {sys}")
}

fn unit_text(sys: i64, code: i64, text: i64) -> String {
    format!("{sys}|{code}|{text}")
}

fn rows_of(rows: &IndexRows, p: i32) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |own: i32, text: String| {
        if own == p || own == -p {
            found.insert(text);
        }
    };
    for row in &rows.token {
        add(row.p, format!("token {} {}", row.code, row.sys));
    }
    for row in &rows.reference {
        add(row.p, format!("reference {}", row.target));
    }
    for row in &rows.date {
        add(row.p, format!("date {} {} {}", row.p, row.lo, row.hi));
    }
    // What stands behind the number of a unit.
    let unit = |p: i32, unit: i64| match rows.unit.iter().find(|row| (row.p, row.unit) == (p, unit))
    {
        Some(row) => unit_text(row.sys, row.code, row.text),
        None if unit == 0 => unit_text(0, 0, 0),
        None => "unknown unit".to_owned(),
    };
    for row in &rows.number {
        add(row.p, format!("number {} {:?}", unit(row.p, row.unit), row.v));
    }
    for row in &rows.string {
        add(row.p, format!("string {} {}", row.folded, row.exact));
    }
    for row in &rows.place {
        add(row.p, format!("place {:?}", (row.x, row.y, row.z)));
    }
    for row in &rows.uri {
        add(row.p, format!("uri {}", row.text));
    }
    for row in &rows.composite_token {
        add(row.p, format!("token {} {} {} {}", row.code, row.sys, row.code2, row.sys2));
    }
    for row in &rows.composite_number {
        let unit = unit(row.p, row.unit);
        let text = format!("number {} {} {unit} {:?} {:?}", row.code, row.sys, row.v, row.v2);
        add(row.p, text);
    }
    for row in &rows.composite_date {
        add(row.p, format!("date {} {} {} {}", row.code, row.sys, row.lo, row.hi));
    }
    for row in &rows.composite_string {
        add(row.p, format!("string {} {} {}", row.code, row.sys, row.folded));
    }
    found
}

fn number_key(text: &str) -> Vec<u8> {
    text.parse::<Decimal>().unwrap().to_key()
}

fn start_us(text: &str) -> i64 {
    instants(text, &Zone::default()).unwrap().start
}
