//! What a search gives back: parts of resources, links both ways, compartments, includes, and how
//! strictly it is asked. What each parameter finds is in conformance/search.
//! Spec: <https://hl7.org/fhir/R4/search.html#return>

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use kantele_tests::examples::{bundle, entry, glucose, patient_with_id};
use kantele_tests::{Client, Options, binary, on_each_backend, on_each_backend_with};
use serde_json::{Value, json};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/fhir+json")];
const FORM: [(&str, &str); 1] = [("Content-Type", "application/x-www-form-urlencoded")];

fn store_patients(client: &Client, count: usize) {
    for number in 0..count {
        client.store(&patient_with_id(&format!("p{number:03}"), "Virtanen"));
    }
}

fn store_observations(client: &Client, patient: &str, count: usize) {
    for number in 0..count {
        let text = glucose(patient, &format!("{number}.50"));
        client.send("POST", "Observation", &JSON, text.as_bytes()).expecting(201);
    }
}

/// How often each key came in all pages, for one search mode.
fn walk(client: &Client, query: &str, mode: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut next = Some(query.to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let page = client.get(&path).expecting(200);
        for key in page.keys(mode) {
            *found.entry(key).or_default() += 1;
        }
        next = page.link("next");
        pages += 1;
        assert!(pages <= 100, "the walk does not end");
    }
    found
}

fn is_subsetted(resource: &Value) -> bool {
    let tags = resource["meta"]["tag"].as_array().map_or(&[][..], Vec::as_slice);
    tags.iter().filter(|tag| tag["code"] == "SUBSETTED").count() == 1
}

#[test]
fn parts_of_resources_come_as_json_and_as_xml() {
    on_each_backend(|server| {
        let client = server.client();
        store_observations(client, "Patient/x", 1);
        let id = client.get("Observation").json()["entry"][0]["resource"]["id"].clone();
        let id = id.as_str().unwrap();
        for path in [
            format!("Observation/{id}?_elements=value"),
            format!("Observation/{id}/_history/1?_elements=value"),
            format!("Observation/{id}?_elements=Observation.value,Patient.name"),
        ] {
            let reply = client.get(&path).expecting(200);
            assert!(reply.header("ETag").is_some(), "{path}");
            let part = reply.json();
            assert!(is_subsetted(&part), "{path}: {part}");
            assert!(part["subject"].is_null() && part["status"] == "final", "{path}: {part}");
            assert!(reply.text().contains("0.50"), "{path}: digits stay: {part}");
        }
        let accept = [("Accept", "application/fhir+xml")];
        let path = format!("Observation/{id}?_summary=data");
        let xml = client.send("GET", &path, &accept, &[]).expecting(200).text();
        assert!(xml.contains("<code value=\"SUBSETTED\"/>"), "{xml}");
        let page = client.get("Observation?_summary=true").expecting(200).json();
        assert!(is_subsetted(&page["entry"][0]["resource"]), "{page}");
        let whole = client.get(&format!("Observation/{id}?_summary=false")).json();
        assert!(!is_subsetted(&whole), "{whole}");
        for bad in ["_summary=all", "_elements=nothing", "_summary=count", "_elements="] {
            client.get(&format!("Observation/{id}?{bad}")).expecting(400).issues();
        }
        client.get("Observation?_summary=text&_include=Observation:subject").expecting(400);
    });
}

#[test]
fn links_lead_back_and_forth_and_hide_what_was_posted() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 9);
        let first = client.get("Patient?_count=4&_sort=_id").expecting(200);
        assert!(first.link("previous").is_none());
        let second = client.get(&first.link("next").unwrap()).expecting(200);
        if let Some(previous) = second.link("previous") {
            let again = client.get(&previous).expecting(200);
            assert_eq!(again.keys("match"), first.keys("match"));
            assert!(again.link("previous").is_none(), "it is the first page");
        }
        let form = b"family=Virtanen&_count=4&_sort=_id";
        let posted = client.send("POST", "Patient/_search", &FORM, form).expecting(200);
        assert_eq!(posted.link("self").unwrap(), format!("{}/Patient/_search", client.base()));
        let next = client.get(&posted.link("next").unwrap()).expecting(200);
        assert_eq!(next.keys("match"), second.keys("match"));
        for page in [&posted, &next] {
            for relation in ["self", "first", "previous", "next"] {
                let url = page.link(relation).unwrap_or_default();
                assert!(!url.contains("Virtanen") && !url.contains("_sort"), "{relation}: {url}");
            }
        }
        let counted = client.get("Patient?_count=0&family=virt").expecting(200);
        assert_eq!(counted.json()["total"], 9);
        assert!(counted.link("next").is_none() && counted.link("previous").is_none());
        let head = client.send("HEAD", "Patient?_count=1", &[], &[]).expecting(200);
        assert!(head.text().is_empty());
    });
}

#[test]
fn estimates_are_called_so() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 3);
        let page = client.get("Patient?_total=estimate").expecting(200).json();
        assert!(page["total"].is_u64(), "{page}");
        let outcome = page["entry"].as_array().unwrap().last().unwrap();
        assert_eq!(outcome["search"]["mode"], "outcome");
        assert!(outcome.to_string().contains("estimate"), "{outcome}");
        let exact = client.get("Patient?_total=accurate").expecting(200).text();
        assert!(!exact.contains("estimate"));
    });
}

#[test]
fn compartments_are_searched_and_unknown_ones_are_told() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 2);
        store_observations(client, "Patient/p000", 2);
        store_observations(client, "Patient/p001", 1);
        assert_eq!(client.search("Patient/p000/Observation").len(), 2);
        assert_eq!(client.search("Patient/p001/*?_type=Observation,Condition").len(), 1);
        let posted = client.send("POST", "Patient/p000/Observation/_search", &FORM, b"_count=1");
        let posted = posted.expecting(200);
        assert_eq!(posted.keys("match").len(), 1);
        let next = client.get(&posted.link("next").unwrap()).expecting(200);
        assert_eq!(next.keys("match").len(), 1);
        assert!(client.search("Patient/nobody/Observation").is_empty());
        for (path, status) in [
            ("Patient/p000/Organization", 404),
            ("Observation/x/Patient", 404),
            ("Patient/p000/Observations", 404),
            ("Patient/p000/*?code=x", 400),
            ("Patient/p000/*?_type=Organization", 400),
        ] {
            client.get(path).expecting(status).issues();
        }
        let wrong = client.send("PUT", "Patient/p000/Observation", &JSON, b"{}");
        wrong.expecting(405);
    });
}

/// A Patient to whom 5,000 resources of two types refer: every page of the walk together.
#[test]
fn everything_that_refers_to_a_patient_comes_once() {
    on_each_backend(|server| {
        let client = server.client();
        client.store(&patient_with_id("aava", "Virtanen"));
        let subject = json!({"reference": "Patient/aava"});
        for start in (0..5_000).step_by(1_000) {
            let entries = (start..start + 1_000).map(|number| {
                let resource = if number % 2 == 0 {
                    json!({"resourceType": "Basic", "code": {"text": "x"}, "subject": subject})
                } else {
                    json!({"resourceType": "Flag", "status": "active", "code": {"text": "x"},
                        "subject": subject})
                };
                let kind = resource["resourceType"].as_str().unwrap().to_owned();
                entry("POST", &kind, None, Some(resource))
            });
            client.post("", &bundle("batch", entries.collect())).expecting(200);
        }
        let query = "Patient?_id=aava&_revinclude=*";
        let matches = walk(client, query, "match");
        assert_eq!(matches.into_iter().collect::<Vec<_>>(), [("Patient/aava".to_owned(), 1)]);
        let included = walk(client, query, "include");
        assert_eq!(included.len(), 5_000);
        assert!(included.values().all(|times| *times == 1));
    });
}

#[test]
fn circles_of_includes_end() {
    on_each_backend(|server| {
        let client = server.client();
        for (id, parent) in [("a", "b"), ("b", "c"), ("c", "a")] {
            let part_of = json!({"reference": format!("Organization/{parent}")});
            let body =
                json!({"resourceType": "Organization", "id": id, "name": id, "partOf": part_of});
            client.store(&body);
        }
        let page = client.get("Organization?_id=a&_include:iterate=Organization:partof");
        let keys: BTreeSet<String> = page.expecting(200).keys("include").into_iter().collect();
        let expected = ["Organization/b", "Organization/c"].map(str::to_owned);
        assert_eq!(keys, BTreeSet::from(expected));
        let once = client.get("Organization?_id=a&_include=Organization:partof");
        assert_eq!(once.keys("include"), ["Organization/b"]);
        let target = client.get("Organization?_id=a&_include=Organization:partof:Organization");
        assert_eq!(target.expecting(200).keys("include"), ["Organization/b"]);
    });
}

#[test]
fn a_search_is_taken_as_strictly_as_it_is_asked() {
    on_each_backend(|server| {
        let client = server.client();
        store_patients(client, 2);
        let refused = client.get("Patient?familly=x&_count=many").expecting(400);
        assert!(refused.issues().len() >= 2, "all faults at once");
        let allowed = client.get("Patient?_totalMethod=count").expecting(200);
        assert!(allowed.text().contains("_totalMethod"), "what is let through is said");
        assert!(!allowed.link("self").unwrap().contains("_totalMethod"));
        let prefer = |handling| [("Prefer", handling)];
        let lenient = prefer("handling=lenient");
        let page = client.send("GET", "Patient?familly=x&_count=1", &lenient, &[]).expecting(200);
        let own = page.link("self").unwrap();
        assert!(own.contains("_count=1") && !own.contains("familly"), "{own}");
        let next = client.get(&page.link("next").unwrap()).expecting(200);
        assert_eq!(next.keys("match").len(), 1);
        let strict = prefer("handling=strict");
        client.send("GET", "Patient?familly=x", &strict, &[]).expecting(400);
        let twice = client.get("Patient?gender=female&gender=male").expecting(200);
        assert!(twice.keys("match").is_empty(), "what repeats must hold each time");
        client.get("Patient?_count=1&_count=2").expecting(400).issues();
        let mixed = client.send("POST", "Patient/_search?gender=female", &FORM, b"gender=male");
        assert!(mixed.expecting(200).keys("match").is_empty());
    });
}

#[test]
fn plans_are_shown_only_where_they_may_be() {
    on_each_backend(|server| {
        server.client().get("Patient?_explain=true").expecting(400);
    });
    let environment = vec![("KANTELE_SEARCH_EXPLAIN".to_owned(), "true".to_owned())];
    let options = Options { environment, ..Options::default() };
    on_each_backend_with(&options, |server| {
        let client = server.client();
        store_patients(client, 2);
        let page = client.get("Patient?family=virt&_explain=true").expecting(200);
        assert_eq!(page.keys("match").len(), 2);
        let page = page.json();
        let entries = page["entry"].as_array().unwrap();
        let is_outcome = |entry: &&Value| entry["search"]["mode"] == "outcome";
        let outcome = entries.iter().find(is_outcome).unwrap();
        let plan = outcome["resource"]["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(plan.contains("driver:"), "{plan}");
        assert!(!plan.to_lowercase().contains("virt"), "a plan shows no values: {plan}");
        let explain = |search: &str| {
            let arguments = ["explain", search, "--server", client.base()];
            Command::new(binary::kantele()).args(arguments).output().unwrap()
        };
        let said = explain("Patient?family=virt");
        assert!(said.status.success(), "{said:?}");
        assert!(String::from_utf8_lossy(&said.stdout).contains("driver:"), "{said:?}");
        let refused = explain("Patient?familly=virt");
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("family"), "{refused:?}");
    });
}
