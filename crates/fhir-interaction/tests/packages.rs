//! Packages through the face of the crate, on each back end: all or nothing, found by others, read
//! where the store has nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::fs;
use std::path::Path;

use fhir_interaction::App;
use fhir_interaction::package::{Installation, install_at_start};
use fhir_model::{Failure, ResourceType};
use fhir_package::{Choice, Fate, INSTALL_LIMITS, Package};
use serde_json::{Value, json};
use support::{TestApp, on_each_backend};

/// A package in a folder.
fn write(folder: &Path, id: &str, needs: Value, resources: &[Value]) {
    let (name, version) = id.split_once('#').unwrap();
    fs::create_dir_all(folder).unwrap();
    let manifest = json!({ "name": name, "version": version, "fhirVersions": ["4.0.1"],
        "dependencies": needs });
    fs::write(folder.join("package.json"), manifest.to_string()).unwrap();
    for resource in resources {
        let name = format!("{}-{}.json", resource["resourceType"], resource["id"]).replace('"', "");
        fs::write(folder.join(name), resource.to_string()).unwrap();
    }
}

fn package(id: &str, needs: Value, resources: &[Value]) -> Package {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), id, needs, resources);
    Package::read(folder.path(), INSTALL_LIMITS).unwrap()
}

fn value_set(version: &str, code: &str) -> Value {
    json!({ "resourceType": "ValueSet", "id": "v", "url": "http://x.org/v", "version": version,
        "status": "active",
        "compose": { "include": [ { "system": "urn:s", "concept": [ { "code": code } ] } ] } })
}

fn install(app: &App, packages: &[Package]) -> Result<Vec<Fate>, Failure> {
    let outcomes = app.install_packages(packages, &Installation::default())?;
    Ok(outcomes.into_iter().map(|outcome| outcome.fate).collect())
}

fn installed(app: &App) -> String {
    let ids = app.installed_packages().into_iter().map(|package| package.id.to_string());
    ids.collect::<Vec<_>>().join(" ")
}

fn bundle(app: &TestApp, path: &str) -> Value {
    serde_json::from_slice(&app.get(path).unwrap().body.unwrap()).unwrap()
}

fn found(app: &TestApp, path: &str) -> Vec<String> {
    let bundle = bundle(app, path);
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn packages_are_installed_all_or_none() {
    on_each_backend(|app| {
        let app = &app.app;
        let lacking = [
            package("a#1.0.0", json!({ "hl7.fhir.r4.core": "4.0.1", "b": "1.0.x" }), &[]),
            package("c#1.0.0", json!({ "b": "1.0.x", "d": "2.0.0", "e": "current" }), &[]),
        ];
        let refused = install(app, &lacking).unwrap_err();
        assert_eq!(refused.status(), 422);
        let told: Vec<_> = refused.issues.iter().map(|one| one.diagnostics.to_string()).collect();
        assert_eq!(told[0], "b 1.0.x is missing, needed by a#1.0.0, c#1.0.0");
        assert_eq!(told[1], "d 2.0.0 is missing, needed by c#1.0.0");
        assert!(told[2].starts_with("c#1.0.0 needs e, whose version can't be had"), "{told:?}");
        assert_eq!((installed(app).as_str(), app.packages().generation()), ("", 1));

        let whole = [lacking[0].clone(), package("b#1.0.7", json!({ "a": "1.0.0" }), &[])];
        let dry = Installation { dry_run: true, ..Installation::default() };
        assert_eq!(app.install_packages(&whole, &dry).unwrap().len(), 2);
        assert_eq!(installed(app), "");
        assert_eq!(install(app, &whole).unwrap(), [Fate::New, Fate::New]);
        assert_eq!(installed(app), "a#1.0.0 b#1.0.7");
        let generation = app.packages().generation();
        assert_eq!(install(app, &whole).unwrap(), [Fate::Unchanged, Fate::Unchanged]);
        assert_eq!(app.packages().generation(), generation, "nothing has changed");

        let needed = app.uninstall_packages(&["b".to_owned()], false, false).unwrap_err();
        assert_eq!(needed.status(), 409);
        assert_eq!(needed.to_string(), "b#1.0.7 is needed by a#1.0.0");
        let absent = app.uninstall_packages(&["x".to_owned()], true, false).unwrap_err();
        assert_eq!(absent.status(), 404);
        let gone = app.uninstall_packages(&["b#1.0.7".to_owned()], true, false).unwrap();
        assert_eq!((gone.len(), installed(app).as_str()), (1, "a#1.0.0"));
    });
}

#[test]
fn codes_come_from_packages_unless_the_store_has_the_value_set() {
    on_each_backend(|test| {
        let app = &test.app;
        for code in ["one", "two", "own"] {
            let coded = json!({ "resourceType": "Observation", "id": code, "status": "final",
                "code": { "coding": [ { "system": "urn:s", "code": code } ] } });
            let path = format!("Observation/{code}");
            test.call("PUT", &path, Some(&coded.to_string())).unwrap();
        }
        let by = "Observation?code:in=http://x.org/v";
        assert_eq!(test.get(by).unwrap_err().status(), 400);
        install(app, &[package("a#1.0.0", json!({}), &[value_set("1.0.0", "one")])]).unwrap();
        assert_eq!(found(test, by), ["one"]);
        install(app, &[package("a#2.0.0", json!({}), &[value_set("2.0.0", "two")])]).unwrap();
        assert_eq!(found(test, by), ["two"]);
        assert_eq!(found(test, &format!("{by}%7C1.0.0")), ["one"]);
        let own = value_set("0.1.0", "own").to_string();
        test.call("PUT", "ValueSet/v", Some(&own)).unwrap();
        assert_eq!(found(test, by), ["own"]);
        test.call("DELETE", "ValueSet/v", None).unwrap();
        app.uninstall_packages(&["a#2.0.0".to_owned()], false, false).unwrap();
        assert_eq!(found(test, by), ["one"]);
        app.uninstall_packages(&["a".to_owned()], false, false).unwrap();
        assert_eq!(test.get(by).unwrap_err().status(), 400);
    });
}

#[test]
fn supplements_of_packages_add_to_code_systems() {
    on_each_backend(|test| {
        let app = &test.app;
        for code in ["one", "two"] {
            let coded = json!({ "resourceType": "Observation", "id": code, "status": "final",
                "code": { "coding": [ { "system": "urn:s", "code": code } ] } });
            test.call("PUT", &format!("Observation/{code}"), Some(&coded.to_string())).unwrap();
        }
        let system = json!({ "resourceType": "CodeSystem", "id": "s", "url": "urn:s",
            "status": "active", "content": "complete",
            "property": [{ "code": "size", "type": "integer" }],
            "concept": [{ "code": "one", "display": "supplements" }, { "code": "two" }] });
        let filter = json!([{ "property": "size", "op": "=", "value": "9" }]);
        let large = json!({ "resourceType": "ValueSet", "id": "w", "url": "http://x.org/w",
            "status": "active",
            "compose": { "include": [{ "system": "urn:s", "filter": filter }] } });
        let supplement = |id: &str, of: &str, code: &str| {
            let property = json!([{ "code": "size", "valueInteger": 9 }]);
            json!({ "resourceType": "CodeSystem", "id": id, "url": format!("http://x.org/{id}"),
                "status": "active", "content": "supplement", "supplements": of,
                "concept": [{ "code": code, "property": property }] })
        };
        install(app, &[package("a#1.0.0", json!({}), &[system, large])]).unwrap();
        let by = "Observation?code:in=http://x.org/w";
        assert_eq!(found(test, by), [""; 0]);
        let others = [supplement("s1", "urn:s", "two"), supplement("s2", "urn:t", "one")];
        install(app, &[package("b#1.0.0", json!({ "a": "1.0.0" }), &others)]).unwrap();
        assert_eq!(found(test, by), ["two"]);
        let other_version = [supplement("s3", "urn:s|7", "one")];
        install(app, &[package("c#1.0.0", json!({}), &other_version)]).unwrap();
        assert_eq!(found(test, by), ["two"]);
        app.uninstall_packages(&["b".to_owned()], false, false).unwrap();
        assert_eq!(found(test, by), [""; 0]);
    });
}

#[test]
fn what_packages_have_is_read_where_the_store_has_nothing() {
    on_each_backend(|test| {
        let app = &test.app;
        let packages = [
            package("a#1.0.0", json!({}), &[value_set("1.0.0", "one")]),
            package("a#2.0.0", json!({}), &[value_set("2.0.0", "two")]),
        ];
        install(app, &packages).unwrap();
        let answer = test.get("ValueSet/v").unwrap();
        let read: Value = serde_json::from_slice(answer.body.as_deref().unwrap()).unwrap();
        assert_eq!((read["version"].as_str(), answer.status), (Some("2.0.0"), 200));
        assert!(answer.version.is_some() && answer.last_modified.is_some());
        let versions = |path: &str| {
            let entries = bundle(test, path)["entry"].as_array().cloned().unwrap_or_default();
            let version = |entry: &Value| entry["resource"]["version"].as_str().unwrap().to_owned();
            entries.iter().map(version).collect::<Vec<_>>()
        };
        assert_eq!(versions("ValueSet?url=http://x.org/v"), ["2.0.0", "1.0.0"]);
        assert_eq!(versions("ValueSet?url=http://x.org/v&version=1.0.0"), ["1.0.0"]);
        assert_eq!(bundle(test, "ValueSet?url=http://x.org/v&_summary=count")["total"], 2);
        for other in [
            "ValueSet",
            "ValueSet?status=active",
            "ValueSet?url=http://x.org/w",
            "ValueSet?url=http://x.org/v&status=active",
            "CodeSystem?url=http://x.org/v",
        ] {
            assert_eq!(versions(other), [""; 0], "{other}");
        }
        test.call("PUT", "ValueSet/v", Some(&value_set("0.1.0", "own").to_string())).unwrap();
        assert_eq!(versions("ValueSet?url=http://x.org/v"), ["0.1.0"]);
        test.call("DELETE", "ValueSet/v", None).unwrap();
        assert_eq!(test.get("ValueSet/v").unwrap_err().status(), 410);
    });
}

#[test]
fn another_server_on_the_same_store_takes_the_change_over() {
    on_each_backend(|test| {
        let other = test.guarded(|_| Box::new(fhir_access::AllowAll::default()));
        let generation = other.app.packages().generation();
        install(&test.app, &[package("a#1.0.0", json!({}), &[value_set("1", "one")])]).unwrap();
        let types = [ResourceType::VALUE_SET];
        assert!(other.app.packages().find(&types, "http://x.org/v").is_none());
        assert!(other.app.refresh_packages().unwrap());
        assert!(!other.app.refresh_packages().unwrap());
        assert!(other.app.packages().generation() > generation);
        assert!(other.app.packages().find(&types, "http://x.org/v").is_some());
        let late = [package("b#1.0.0", json!({ "a": "1.0.0" }), &[])];
        test.app.uninstall_packages(&["a".to_owned()], false, false).unwrap();
        let refused = install(&other.app, &late).unwrap_err();
        assert_eq!(refused.to_string(), "a 1.0.0 is missing, needed by b#1.0.0");
    });
}

#[test]
fn folders_are_installed_where_they_have_changed() {
    on_each_backend(|test| {
        let app = &test.app;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let set = |code: &str| [value_set("1.0.0", code)];
        write(&root.join("a"), "a#1.0.0", json!({ "b": "1.0.0" }), &set("one"));
        write(&root.join("b/package"), "b#1.0.0", json!({}), &[]);
        fs::create_dir(root.join("docs")).unwrap();
        fs::write(root.join("README.md"), "no package").unwrap();
        let start = |choice: &Choice| {
            let outcomes = install_at_start(app, &[root.to_owned()], choice)?;
            let told = outcomes.iter().map(|one| format!("{} {:?}", one.id, one.fate));
            Ok::<_, Failure>(told.collect::<Vec<_>>())
        };
        let strict = Choice::default();
        assert_eq!(start(&strict).unwrap(), ["a#1.0.0 New", "b#1.0.0 New"]);
        assert_eq!(start(&strict).unwrap(), [""; 0]);
        write(&root.join("a"), "a#1.0.0", json!({ "b": "1.0.0" }), &set("two"));
        assert_eq!(start(&strict).unwrap(), ["a#1.0.0 Replaced"]);
        write(&root.join("c"), "c#1.0.0", json!({ "x": "1.0.0" }), &[]);
        let refused = start(&strict).unwrap_err().to_string();
        assert_eq!(refused, "x 1.0.0 is missing, needed by c#1.0.0");
        let choice = Choice { without: ["x".to_owned()].into(), any_version: false };
        assert_eq!(start(&choice).unwrap(), ["c#1.0.0 New"]);
        assert_eq!(installed(app), "a#1.0.0 b#1.0.0 c#1.0.0");
        assert!(install_at_start(app, &[root.join("none")], &strict).is_err());
    });
}

#[test]
fn what_is_found_in_a_package_is_told_and_kept() {
    on_each_backend(|test| {
        let app = &test.app;
        let profile = |id: &str, base: &str| {
            json!({ "resourceType": "StructureDefinition", "id": id, "version": "1",
                "url": format!("http://x.org/{id}"), "name": id, "status": "active",
                "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
                "baseDefinition": base,
                "differential": { "element": [ { "id": "Patient.name", "path": "Patient.name",
                    "min": 1 } ] } })
        };
        let patient = "http://hl7.org/fhir/StructureDefinition/Patient";
        let resources = [
            profile("good", patient),
            profile("over", "http://x.org/good"),
            profile("bad", "http://x.org/nowhere"),
            json!({ "resourceType": "ValueSet", "id": "w", "url": "http://x.org/w" }),
            json!({ "resourceType": "Patient", "id": "p" }),
        ];
        let clash = package("z#1.0.0", json!({}), &[profile("good", patient)]);
        install(app, &[clash]).unwrap();
        install(app, &[package("a#1.0.0", json!({}), &resources)]).unwrap();
        let list = app.installed_packages();
        let report = &list[0].about.report;
        assert!(!report.is_clean());
        assert_eq!(report.counts["StructureDefinition"], 3);
        assert_eq!(report.left_out["Patient"], 1);
        assert_eq!((report.without_snapshot, report.snapshot_faults.len()), (3, 1));
        assert_eq!(report.snapshot_faults[0].url, "http://x.org/bad");
        assert_eq!(report.conflicts.len(), 1);
        assert_eq!(report.conflicts[0].canonical, "http://x.org/good|1");
        assert_eq!(report.faults.len(), 1);
        assert!(report.faults[0].reason.contains("ValueSet.status"), "{:?}", report.faults);
        assert!(list[1].about.report.is_clean());
    });
}
