//! The packages in `profiles/` as data: each file parses strictly and is named after its canonical,
//! what it needs is there, and its differential gets a snapshot. That examples are valid, and that
//! each rule can fail, is shown by the cases in `conformance/validation`.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhir_model::{Limits, Resource};
use fhir_structure::{Structures, make_snapshot, r4};
use serde_json::Value;

/// What is named but cannot be had: it is imposed by profiles that say so.
const NOT_AT_HAND: &str = "http://hl7.org/fhir/uv/ipa/";

/// One file of a package.
struct Held {
    /// `folder/file`.
    name: String,
    package: String,
    json: Value,
    resource: Arc<Resource>,
}

impl Held {
    fn text(&self, member: &str) -> &str {
        self.json.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

/// All definitions, by canonical.
struct Packages {
    held: Vec<Held>,
    manifests: BTreeMap<String, Value>,
}

impl Structures for Packages {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let url = canonical.split('|').next().unwrap_or_default();
        let is_it = |held: &&Held| {
            held.text("resourceType") == "StructureDefinition" && held.text("url") == url
        };
        self.held.iter().find(is_it).map(|held| Arc::clone(&held.resource))
    }

    fn generation(&self) -> u64 {
        0
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    entries
}

fn packages() -> Packages {
    let mut packages = Packages { held: Vec::new(), manifests: BTreeMap::new() };
    for folder in sorted(&folder()).into_iter().filter(|path| path.is_dir()) {
        let package = folder.file_name().unwrap().to_string_lossy().into_owned();
        for file in sorted(&folder) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".json") {
                continue;
            }
            let text = fs::read(&file).unwrap();
            let json: Value = serde_json::from_slice(&text).unwrap();
            if name == "package.json" {
                packages.manifests.insert(package.clone(), json);
                continue;
            }
            let name = format!("{package}/{name}");
            let resource = Resource::from_json(text, &Limits::default())
                .unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            packages.held.push(Held {
                name,
                package: package.clone(),
                json,
                resource: Arc::new(resource),
            });
        }
    }
    packages
}

/// The last part of a canonical, after a slash or a colon.
fn tail(url: &str) -> &str {
    url.rsplit(['/', ':']).next().unwrap_or_default()
}

#[test]
fn files_are_named_after_their_resources_and_these_after_their_canonicals() {
    let packages = packages();
    let mut urls = BTreeSet::new();
    for held in &packages.held {
        let (kind, id, url) = (held.text("resourceType"), held.text("id"), held.text("url"));
        assert_eq!(held.name, format!("{}/{kind}-{id}.json", held.package));
        if kind == "NamingSystem" {
            continue;
        }
        assert_eq!(id, tail(url), "{}: the id is the last part of the url", held.name);
        assert!(urls.insert((kind, url)), "{}: {url} is told twice", held.name);
        let version = packages.manifests[&held.package]["version"].as_str();
        assert_eq!(Some(held.text("version")), version, "{}: the package's version", held.name);
        assert_eq!(held.text("publisher"), "Kantele", "{}: nobody else's", held.name);
    }
}

#[test]
fn dependencies_are_there_and_go_no_way_back() {
    let packages = packages();
    for (name, manifest) in &packages.manifests {
        assert_eq!(manifest["name"].as_str(), Some(name.as_str()));
        assert_eq!(manifest["fhirVersions"][0], "4.0.1", "{name}");
        let mut open: Vec<&str> = vec![name];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            let Some(manifest) = packages.manifests.get(next) else {
                assert_eq!(next, "hl7.fhir.r4.core", "{name} needs a package that is not here");
                continue;
            };
            for (dependency, version) in manifest["dependencies"].as_object().unwrap() {
                assert_ne!(dependency, name, "{name} needs itself");
                if let Some(found) = packages.manifests.get(dependency) {
                    assert_eq!(&found["version"], version, "{next} needs {dependency}");
                }
                if seen.insert(dependency) {
                    open.push(dependency);
                }
            }
        }
    }
}

/// All canonicals of profiles, types, value sets and extensions that a definition names.
fn named<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let is_canonical = matches!(
                    name.as_str(),
                    "profile" | "targetProfile" | "valueSet" | "baseDefinition" | "valueCanonical"
                );
                let text = if is_canonical { value.as_str() } else { None };
                found.extend(text);
                if is_canonical {
                    found.extend(value.as_array().into_iter().flatten().filter_map(Value::as_str));
                }
                named(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_definitions_name_is_there() {
    let packages = packages();
    let urls: BTreeSet<&str> = packages.held.iter().map(|held| held.text("url")).collect();
    let mut missing = Vec::new();
    for held in packages.held.iter().filter(|held| held.text("resourceType") != "NamingSystem") {
        let mut found = Vec::new();
        named(&held.json, &mut found);
        for canonical in found {
            let is_core = canonical.starts_with("http://hl7.org/fhir/ValueSet/")
                || r4().head(canonical).is_some();
            let is_known =
                urls.contains(canonical) || is_core || canonical.starts_with(NOT_AT_HAND);
            if !is_known {
                missing.push(format!("{}: {canonical}", held.name));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_differential_gets_a_snapshot_without_a_fault() {
    let packages = packages();
    let (mut count, mut wrong) = (0, Vec::new());
    for held in &packages.held {
        if held.text("resourceType") != "StructureDefinition" {
            continue;
        }
        count += 1;
        let made = make_snapshot(&held.resource, &packages);
        let elements = made
            .definition
            .as_ref()
            .and_then(|made| Some(made.view().at(&["snapshot", "element"])?.items().count()));
        if elements.unwrap_or_default() == 0 {
            wrong.push(format!("{}: no snapshot", held.name));
        }
        wrong.extend(made.faults.iter().map(|fault| format!("{}: {fault:?}", held.name)));
    }
    assert!(count >= 150, "only {count} definitions");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_parse_strictly_and_name_a_profile_that_is_here() {
    let packages = packages();
    let urls: BTreeSet<&str> = packages.held.iter().map(|held| held.text("url")).collect();
    let mut count = 0;
    for folder in sorted(&folder()).into_iter().map(|path| path.join("example")) {
        for file in if folder.is_dir() { sorted(&folder) } else { Vec::new() } {
            let name = file.display();
            let text = fs::read(&file).unwrap();
            let json: Value = serde_json::from_slice(&text).unwrap();
            Resource::from_json(text, &Limits::default())
                .unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            let mut profiles = json["meta"]["profile"].as_array().into_iter().flatten();
            let is_bundle = json["resourceType"] == "Bundle";
            let is_here = profiles.any(|url| urls.contains(url.as_str().unwrap()));
            assert!(is_bundle || is_here, "{name}: names no profile that is here");
            count += 1;
        }
    }
    assert!(count >= 25, "only {count} examples");
}

/// Whether an element says what `conformance/facts.json` says: `min 1`, `type`, `patternCode`,
/// `binding required`, `constraint key`.
fn says(element: &Value, fact: &str) -> bool {
    let (aspect, value) = fact.split_once(' ').unwrap_or((fact, ""));
    match aspect {
        "min" => element["min"].as_u64().map(|min| min.to_string()).as_deref() == Some(value),
        "max" => element["max"] == value,
        "binding" => element["binding"]["strength"] == value,
        "constraint" => {
            let mut list = element["constraint"].as_array().into_iter().flatten();
            list.any(|constraint| constraint["key"] == value)
        }
        member => element.get(member).is_some(),
    }
}

#[test]
fn what_the_facts_say_is_in_the_snapshots() {
    let packages = packages();
    let path = folder().join("../conformance/facts.json");
    let facts: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut snapshots: BTreeMap<&str, Value> = BTreeMap::new();
    for held in
        packages.held.iter().filter(|held| held.text("resourceType") == "StructureDefinition")
    {
        let made = make_snapshot(&held.resource, &packages).definition.unwrap();
        let json: Value = serde_json::from_str(made.source()).unwrap();
        snapshots.insert(held.text("url"), json["snapshot"]["element"].clone());
    }
    let (mut count, mut wrong) = (0, Vec::new());
    let mut look = |source: &str, url: &str, id: &str, fact: &str| {
        count += 1;
        let elements = snapshots.get(url).and_then(Value::as_array).into_iter().flatten();
        let mut elements = elements.filter(|element| element["id"] == id);
        if !elements.any(|element| says(element, fact)) {
            wrong.push(format!("{source}: {url}#{id}: {fact}"));
        }
    };
    for (source, definitions) in facts["held"].as_object().unwrap() {
        for (url, elements) in definitions.as_object().unwrap() {
            for (id, list) in elements.as_object().unwrap() {
                for fact in list.as_array().unwrap() {
                    look(source, url, id, fact.as_str().unwrap());
                }
            }
        }
    }
    for fact in facts["otherwise"].as_array().unwrap() {
        let text = |key: &str| fact[key].as_str().unwrap_or_default();
        assert!(!text("why").is_empty(), "{}: no reason", text("fact"));
        if !text("url").is_empty() {
            look("otherwise", text("url"), text("id"), text("says"));
        }
    }
    assert!(count >= 2400, "only {count} facts");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
