//! Search over HTTP: the Bundle, its links, paging, sorting, totals, includes.
//! What each parameter finds is in conformance/search. Spec: <https://hl7.org/fhir/R4/search.html>

use std::collections::BTreeSet;

use kantele_tests::examples::{glucose, patient_with_id};
use kantele_tests::{Client, on_each_backend};
use serde_json::{Value, json};

fn store_patients(client: &Client, count: usize) {
    for number in 0..count {
        let mut patient =
            patient_with_id(&format!("p{number:03}"), &format!("Virtanen{number:03}"));
        patient["birthDate"] = json!(format!("19{:02}-06-15", number % 7 + 10));
        client.store(&patient);
    }
}

fn store_observations(client: &Client, patient: &str, count: usize) {
    let json = [("Content-Type", "application/fhir+json")];
    for number in 0..count {
        let text = glucose(patient, &format!("{number}.5"));
        client.send("POST", "Observation", &json, text.as_bytes()).expecting(201);
    }
}

/// Every page of a search.
fn pages(client: &Client, query: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(query.to_owned());
    while let Some(path) = next {
        let reply = client.get(&path).expecting(200);
        next = reply.link("next");
        pages.push(reply.json());
        assert!(pages.len() <= 100, "the walk does not end");
    }
    pages
}

#[test]
fn the_answer_is_a_searchset_with_a_self_link() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let page = client.get("Patient?family=virt&gender=female").expecting(200).json();
        assert_eq!(page["resourceType"], "Bundle");
        assert_eq!(page["type"], "searchset");
        let entry = &page["entry"][0];
        assert_eq!(entry["fullUrl"], format!("{}/Patient/aava", client.base()));
        assert_eq!(entry["search"]["mode"], "match");
        assert_eq!(entry["resource"]["meta"]["versionId"], "1");
        let own = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "self");
        let url = own.unwrap()["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("{}/Patient?", client.base())), "{url}");
        assert!(url.contains("family=virt") && url.contains("gender=female"), "{url}");
        assert_eq!(client.get(&url).keys("match"), ["Patient/aava"]);
        assert!(page["total"].is_null(), "a total only when it is asked for");
        let none = client.get("Patient?family=nobody").expecting(200).json();
        assert!(none["entry"].is_null() || none["entry"].as_array().unwrap().is_empty());
    });
}

#[test]
fn pages_give_everything_once_while_others_write() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 25);
        for query in ["Patient?_count=4", "Patient?_count=7&_sort=birthdate"] {
            let mut next = Some(query.to_owned());
            let mut seen = Vec::new();
            let mut number = 0;
            while let Some(path) = next {
                let page = client.get(&path).expecting(200);
                seen.extend(page.keys("match"));
                next = page.link("next");
                number += 1;
                client.delete(&format!("Patient/late{}", number - 1));
                client.store(&patient_with_id(&format!("late{number}"), "Uusi"));
            }
            let old: Vec<&String> = seen.iter().filter(|key| key.contains("/p0")).collect();
            let distinct: BTreeSet<_> = old.iter().collect();
            assert_eq!((old.len(), distinct.len()), (25, 25), "{query}: {seen:?}");
        }
    });
}

#[test]
fn a_cursor_that_was_tampered_with_is_refused() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 3);
        let next = client.get("Patient?_count=1").link("next").unwrap();
        assert!(!next.contains("Virtanen"));
        let mut letters: Vec<char> = next.chars().collect();
        let middle = letters.len() - 8;
        letters[middle] = if letters[middle] == 'A' { 'B' } else { 'A' };
        let changed: String = letters.into_iter().collect();
        client.get(&changed).expecting(400).issues();
    });
}

#[test]
fn sorting_holds_over_pages_and_directions() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 12);
        for (query, is_descending) in [
            ("Patient?_sort=birthdate&_count=5", false),
            ("Patient?_sort=-birthdate&_count=5", true),
        ] {
            let mut dates: Vec<String> = Vec::new();
            for page in pages(client, query) {
                for entry in page["entry"].as_array().unwrap() {
                    dates.push(entry["resource"]["birthDate"].as_str().unwrap().to_owned());
                }
            }
            let mut sorted = dates.clone();
            sorted.sort();
            if is_descending {
                sorted.reverse();
            }
            assert_eq!(dates, sorted, "{query}");
            assert_eq!(dates.len(), 12, "{query}");
        }
        let newest = client.get("Patient?_sort=-_lastUpdated&_count=1").keys("match");
        assert_eq!(newest, ["Patient/p011"]);
        let oldest = client.get("Patient?_sort=_lastUpdated&_count=1").keys("match");
        assert_eq!(oldest, ["Patient/p000"]);
        client.get("Patient?_sort=nonsense").expecting(400).issues();
    });
}

#[test]
fn totals_and_counts_only_when_asked() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 5);
        let total = |query: &str| client.get(query).expecting(200).json()["total"].clone();
        assert_eq!(total("Patient?_total=accurate&_count=2"), 5);
        assert_eq!(total("Patient?_total=accurate&birthdate=1910-06-15"), 1);
        assert_eq!(total("Patient?_summary=count"), 5);
        assert_eq!(total("Patient?_count=0"), 5);
        assert_eq!(total("Patient?_total=none"), Value::Null);
        let counted = client.get("Patient?_summary=count").json();
        assert!(counted["entry"].is_null());
    });
}

#[test]
fn includes_come_beside_the_matches() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 2);
        store_observations(client, "Patient/p000", 3);
        let page = client.get("Observation?code=15074-8&_include=Observation:subject");
        assert_eq!(page.keys("match").len(), 3);
        assert_eq!(page.keys("include"), ["Patient/p000"], "once, however often it is referred to");
        let page = client.get("Patient?_id=p000&_revinclude=Observation:subject");
        assert_eq!(page.keys("match"), ["Patient/p000"]);
        assert_eq!(page.keys("include").len(), 3);
        client.get("Observation?_include=Observation:nonsense").expecting(400).issues();
        client.get("Observation?_include=subject").expecting(400).issues();
    });
}

#[test]
fn a_posted_search_answers_as_a_get_does() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 6);
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let posted = client
            .send("POST", "Patient/_search", &form, b"birthdate=lt1914-01-01&_sort=-birthdate")
            .expecting(200);
        let got = client.get("Patient?birthdate=lt1914-01-01&_sort=-birthdate");
        assert_eq!(posted.keys("match"), got.keys("match"));
        assert_eq!(posted.keys("match").len(), 4);
        let mixed = client.send("POST", "Patient/_search?_count=2", &form, b"gender=female");
        assert_eq!(mixed.expecting(200).keys("match").len(), 2);
    });
}

#[test]
fn the_system_is_searched_over_types() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 2);
        store_observations(client, "Patient/p000", 1);
        let found = client.search("?_type=Patient,Observation&_count=2");
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(client.search("?_type=Observation").len(), 1);
        assert_eq!(client.search("?_id=p001&_type=Patient"), ["Patient/p001"]);
    });
}

#[test]
fn a_misspelt_parameter_never_returns_everybody() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 2);
        let refused = client.get("Patient?familly=Virtanen").expecting(400);
        assert!(refused.text().contains("familly") && refused.text().contains("family"));
        client.get("Patient?family:fuzzy=Virtanen").expecting(400).issues();
        client.get("Patient?birthdate=31.12.1990").expecting(400).issues();
        client.get("Patient?_count=-1").expecting(400).issues();
        client.get("Patient?_count=many").expecting(400).issues();
        let lenient = [("Prefer", "handling=lenient")];
        let page = client.send("GET", "Patient?familly=Virtanen", &lenient, &[]).expecting(200);
        assert_eq!(page.keys("match").len(), 2);
        assert!(page.text().contains("familly"), "what was left out is said: {}", page.text());
        assert!(!page.link("self").unwrap().contains("familly"));
    });
}

#[test]
fn very_many_alternatives_are_refused_and_never_a_fault_of_the_server() {
    on_each_backend(|server| {
        for (kind, name, value) in [
            ("Patient", "_id", "a{}"),
            ("Patient", "birthdate", "1{}"),
            ("Patient", "name", "n{}x"),
            ("Observation", "value-quantity", "{}"),
            ("Observation", "code-value-quantity", "c{}$1"),
            ("Observation", "subject:Patient.identifier", "s|{}"),
        ] {
            for (count, expected) in [(240, 200), (241, 400), (2_000, 400)] {
                let values: Vec<String> =
                    (0..count).map(|each| value.replace("{}", &(each + 100).to_string())).collect();
                let body = format!("{name}={}", values.join(","));
                let headers = [("Content-Type", "application/x-www-form-urlencoded")];
                let path = format!("{kind}/_search");
                let reply = server.client().send("POST", &path, &headers, body.as_bytes());
                assert_eq!(reply.status, expected, "{name} {count}: {}", reply.text());
            }
        }
    });
}
