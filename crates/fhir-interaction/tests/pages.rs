//! Walks over pages: each resource once, whatever others write meanwhile; includes are paged too.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::collections::BTreeMap;

use fhir_interaction::InteractionSettings;
use support::{TestApp, json, keys, link, on_each_backend, on_each_backend_with};

fn store_patients(app: &TestApp, prefix: &str, count: usize) {
    for number in 0..count {
        let id = format!("{prefix}{number:02}");
        let body = format!(
            r#"{{"resourceType":"Patient","id":"{id}","birthDate":"19{:02}-01-01"}}"#,
            number % 5 + 60
        );
        app.call("PUT", &format!("Patient/{id}"), Some(&body)).unwrap();
    }
}

fn store_observations(app: &TestApp, patient: &str, count: usize) {
    for number in 0..count {
        let body = format!(
            r#"{{"resourceType":"Observation","id":"o{number:02}","status":"final",
                "code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
        );
        app.call("PUT", &format!("Observation/o{number:02}"), Some(&body)).unwrap();
    }
}

/// How often each key comes in all pages, by search mode; `between` runs after each page.
fn walk(
    app: &TestApp,
    first: &str,
    mode: &str,
    mut between: impl FnMut(usize),
) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut next = Some(first.to_owned());
    let mut number = 0;
    while let Some(path) = next {
        let page = json(&app.get(&path).unwrap());
        for key in keys(&page, mode) {
            *found.entry(key).or_default() += 1;
        }
        between(number);
        number += 1;
        assert!(number < 100, "the walk ends");
        next = link(&page, "next");
    }
    found
}

#[test]
fn every_resource_comes_once_while_others_write() {
    on_each_backend(|app| {
        store_patients(app, "p", 23);
        for query in [
            "Patient?_count=4",
            "Patient?_count=3&_sort=birthdate",
            "Patient?_count=5&_sort=-birthdate,_id",
            "Patient?_count=6&_sort=-_lastUpdated",
        ] {
            let found = walk(app, query, "match", |number| {
                let id = format!("late{number:02}");
                let body =
                    format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1962-01-01"}}"#);
                app.call("PUT", &format!("Patient/{id}"), Some(&body)).unwrap();
                app.call("DELETE", &format!("Patient/{id}"), None).unwrap();
            });
            assert_eq!(found.len(), 23, "{query}: {found:?}");
            assert!(found.values().all(|times| *times == 1), "{query}: {found:?}");
        }
    });
}

#[test]
fn a_history_is_walked_to_its_end() {
    on_each_backend(|app| {
        store_patients(app, "p", 3);
        for number in 0..5 {
            let body =
                format!(r#"{{"resourceType":"Patient","id":"p00","active":{}}}"#, number % 2 == 0);
            app.call("PUT", "Patient/p00", Some(&body)).unwrap();
        }
        for (path, expected) in [("Patient/p00/_history", 6), ("Patient/_history", 8)] {
            for count in [1, 2, 3, 5, 8, 20] {
                let mut versions = Vec::new();
                let mut next = Some(format!("{path}?_count={count}"));
                while let Some(path) = next {
                    let page = json(&app.get(&path).unwrap());
                    for entry in page["entry"].as_array().unwrap() {
                        versions.push(entry["resource"]["meta"]["lastUpdated"].to_string());
                    }
                    next = link(&page, "next");
                }
                let mut sorted = versions.clone();
                sorted.sort();
                sorted.reverse();
                sorted.dedup();
                assert_eq!(versions, sorted, "newest first, each once");
                assert_eq!(versions.len(), expected, "{path} {count}");
            }
        }
    });
}

#[test]
fn included_resources_are_paged_and_none_is_dropped() {
    let settings = InteractionSettings { max_included: 4, ..InteractionSettings::default() };
    on_each_backend_with(&settings, |app| {
        store_patients(app, "p", 3);
        store_observations(app, "p01", 13);
        for query in [
            "Patient?_count=2&_revinclude=Observation:subject",
            "Patient?_revinclude=Observation:subject",
            "Patient?_revinclude:iterate=Observation:subject",
        ] {
            let included = walk(app, query, "include", |_| {});
            assert_eq!(included.len(), 13, "{query}: {included:?}");
            assert!(included.values().all(|times| *times == 1), "{query}: {included:?}");
            let matches = walk(app, query, "match", |_| {});
            assert_eq!(matches.len(), 3, "{query}");
            assert!(matches.values().all(|times| *times == 1), "{query}: {matches:?}");
        }
        let query = "Observation?_count=5&_include=Observation:subject";
        let included = walk(app, query, "include", |_| {});
        assert_eq!(included["Patient/p01"], 3, "with each page that needs it, once");
    });
}

#[test]
fn a_posted_search_shows_no_values_in_the_links_that_follow() {
    on_each_backend(|app| {
        store_patients(app, "p", 5);
        let first =
            json(&app.call("POST", "Patient/_search?birthdate=ge1900&_count=2", None).unwrap());
        let next = link(&first, "next").unwrap();
        assert!(!next.contains("birthdate") && !next.contains("1900"), "{next}");
        let found = walk(app, &next, "match", |_| {});
        assert_eq!(found.len(), 3);
        let again = link(&first, "first").unwrap();
        assert_eq!(walk(app, &again, "match", |_| {}).len(), 5);
    });
}

#[test]
fn a_cursor_fits_only_its_own_question() {
    on_each_backend(|app| {
        store_patients(app, "p", 3);
        let page = json(&app.get("Patient?_count=1").unwrap());
        let next = link(&page, "next").unwrap();
        let cursor = next.split_once("_cursor=").unwrap().1;
        let other = app.get(&format!("Patient?_count=2&_cursor={cursor}")).unwrap_err();
        assert_eq!(other.status(), 400);
        let other = app.get(&format!("Patient/_history?_cursor={cursor}")).unwrap_err();
        assert_eq!(other.status(), 400);
    });
}

#[test]
fn pages_are_walked_back_as_they_came() {
    on_each_backend(|app| {
        store_patients(app, "p", 11);
        for query in [
            "Patient?_count=3",
            "Patient?_count=4&_sort=birthdate",
            "Patient?_count=2&_sort=-birthdate,_id",
        ] {
            let mut there = Vec::new();
            let mut page = json(&app.get(query).unwrap());
            assert!(link(&page, "previous").is_none(), "nothing is before the first page");
            loop {
                there.push(keys(&page, "match"));
                let Some(next) = link(&page, "next") else { break };
                page = json(&app.get(&next).unwrap());
            }
            let mut back = vec![keys(&page, "match")];
            while let Some(previous) = link(&page, "previous") {
                page = json(&app.get(&previous).unwrap());
                back.push(keys(&page, "match"));
                assert!(back.len() <= there.len(), "{query}: the walk back ends");
            }
            back.reverse();
            // A store may give up walking backwards; what it gives is what was there.
            let tail = there.len() - back.len();
            assert_eq!(there[tail..], back, "{query}");
        }
        let posted = json(&app.call("POST", "Patient/_search?_count=3", None).unwrap());
        assert_eq!(link(&posted, "self").unwrap(), "Patient/_search");
        let second = json(&app.get(&link(&posted, "next").unwrap()).unwrap());
        for relation in ["self", "first", "previous", "next"] {
            let link = link(&second, relation).unwrap_or_default();
            assert!(!link.contains("_count"), "{relation}: {link}");
        }
    });
}
