//! What a policy hides is hidden on every way in, and what it refuses is refused before anything
//! is read or written.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::sync::Arc;

use fhir_access::{Ask, Decision, Interaction, Limit, Policy, Reach, Refusal, Rights};
use fhir_definitions::ResourceType;
use fhir_interaction::INTERACTIONS;
use fhir_search::{Chain, Match, Predicate, RowMatch};
use fhir_store::Store;
use support::{TestApp, json, keys, on_each_backend};

/// Lets everybody reach the same.
struct Fixed(Arc<Reach>);

impl Fixed {
    fn boxed(lines: impl IntoIterator<Item = (ResourceType, Vec<Match>)>) -> Box<dyn Policy> {
        let mut reach = Reach::default();
        for (of, all) in lines {
            let all = all.into_iter().map(|each| Predicate { any: vec![each] }).collect();
            reach.set(of, Rights::ALL, &Limit::Such(all));
        }
        Box::new(Self(Arc::new(reach)))
    }
}

impl Policy for Fixed {
    fn decide(&self, _ask: &Ask<'_>) -> Decision {
        Decision::Allow(Arc::clone(&self.0))
    }
}

fn tagged(store: &Store, of: ResourceType, code: &str) -> Match {
    let p = store.definitions().registry.get(of, "_tag").unwrap().id;
    Match::Row(RowMatch::Token { p, code: store.hasher().code(code), sys: None })
}

const PATIENT: ResourceType = ResourceType::PATIENT;
const OBSERVATION: ResourceType = ResourceType::OBSERVATION;

/// Only what is tagged `open`.
fn only_open(store: &Store) -> Box<dyn Policy> {
    Fixed::boxed([PATIENT, OBSERVATION].map(|of| (of, vec![tagged(store, of, "open")])))
}

/// Refuses one interaction.
struct AllBut(Interaction);

impl Policy for AllBut {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        if ask.interaction == self.0 {
            return Decision::Refuse(Refusal::Forbidden);
        }
        Decision::Allow(Arc::new(Reach::everything()))
    }
}

fn put(app: &TestApp, key: &str, tag: &str, rest: &str) {
    let (kind, id) = key.split_once('/').unwrap();
    let body = format!(
        r#"{{"resourceType":"{kind}","id":"{id}","meta":{{"tag":[{{"code":"{tag}"}}]}}{rest}}}"#
    );
    app.call("PUT", key, Some(&body)).unwrap();
}

#[test]
fn what_is_hidden_is_hidden_everywhere() {
    on_each_backend(|app| {
        let about = |patient: &str| {
            format!(
                r#","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}"#
            )
        };
        put(app, "Patient/seen", "open", "");
        put(app, "Patient/hidden", "secret", "");
        put(app, "Observation/seen", "open", &about("hidden"));
        put(app, "Observation/hidden", "secret", &about("seen"));
        let guarded = app.guarded(only_open);
        assert_eq!(guarded.get("Patient/seen").unwrap().status, 200);
        for path in ["Patient/hidden", "Patient/hidden/_history/1", "Patient/hidden/_history"] {
            assert_eq!(guarded.get(path).unwrap_err().status(), 404, "{path}");
        }
        let page = |path: &str| json(&guarded.get(path).unwrap());
        assert_eq!(keys(&page("Patient"), "match"), ["Patient/seen"]);
        assert!(keys(&page("Patient?_id=hidden"), "match").is_empty());
        assert_eq!(page("Patient?_summary=count")["total"], 1);
        assert_eq!(page("Patient?_total=accurate")["total"], 1);
        let included = page("Observation?_include=Observation:subject");
        assert_eq!(keys(&included, "match"), ["Observation/seen"]);
        assert!(keys(&included, "include").is_empty());
        let included = page("Patient?_revinclude=Observation:subject");
        assert!(keys(&included, "include").is_empty());
        for path in ["_history", "Patient/_history", "Patient/_history?_count=1"] {
            let page = page(path);
            assert!(page["entry"][0]["resource"]["id"] == "seen", "{path}");
            assert!(!page.to_string().contains("secret"), "{path}");
        }
    });
}

/// Patients that are tagged `open`, and Observations about such Patients: a permit of chains and
/// negations over two types.
fn about_open(store: &Store) -> Box<dyn Policy> {
    let subject = store.definitions().registry.get(OBSERVATION, "subject").unwrap().id;
    let open = tagged(store, PATIENT, "open");
    let chain = Match::Chain(Chain {
        parameters: vec![subject],
        target: PATIENT,
        all: vec![Predicate { any: vec![open.clone()] }],
    });
    let not_secret = Match::Not(vec![tagged(store, OBSERVATION, "secret")]);
    Fixed::boxed([(PATIENT, vec![open]), (OBSERVATION, vec![chain, not_secret])])
}

#[test]
fn a_permit_may_say_anything_of_any_type() {
    on_each_backend(|app| {
        let about = |patient: &str| {
            format!(
                r#","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}"#
            )
        };
        put(app, "Patient/seen", "open", "");
        put(app, "Patient/hidden", "other", r#","gender":"male""#);
        put(app, "Observation/seen", "any", &about("seen"));
        put(app, "Observation/secret", "secret", &about("seen"));
        put(app, "Observation/hidden", "any", &about("hidden"));
        let guarded = app.guarded(about_open);
        let page = |path: &str| json(&guarded.get(path).unwrap());
        assert_eq!(keys(&page("Observation"), "match"), ["Observation/seen"]);
        assert_eq!(keys(&page("Patient"), "match"), ["Patient/seen"]);
        assert_eq!(page("?_type=Patient,Observation&_summary=count")["total"], 2);
        assert_eq!(page("_history?_summary=count")["total"], 2);
        assert_eq!(page("Basic?_summary=count")["total"], 0);
        let both = keys(&page("Patient?_revinclude=Observation:subject"), "include");
        assert_eq!(both, ["Observation/seen"]);
        for path in ["Observation/secret", "Observation/hidden", "Patient/hidden"] {
            assert_eq!(guarded.get(path).unwrap_err().status(), 404, "{path}");
        }
        assert_eq!(keys(&page("Patient/seen/Observation"), "match"), ["Observation/seen"]);
        assert!(keys(&page("Patient/hidden/Observation"), "match").is_empty());
        assert_eq!(page("Observation?_total=estimate")["total"], 1);
    });
}

#[test]
fn what_is_hidden_cannot_be_asked_for_through_what_refers_to_it() {
    on_each_backend(|app| {
        let subject =
            r#","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/hidden"}"#;
        put(app, "Patient/hidden", "secret", r#","gender":"male""#);
        put(app, "Observation/seen", "open", subject);
        put(app, "Patient/seen", "open", "");
        let secret = subject.replace("hidden", "seen");
        put(app, "Observation/secret", "secret", &secret);
        let found = |app: &TestApp, path: &str| keys(&json(&app.get(path).unwrap()), "match");
        let guarded = app.guarded(only_open);
        let chain = "Observation?subject:Patient.gender=male";
        assert_eq!(found(app, chain), ["Observation/seen"]);
        assert!(found(&guarded, chain).is_empty());
        let has = "Patient?_has:Observation:subject:status=final&_id=seen";
        assert_eq!(found(app, has), ["Patient/seen"]);
        assert!(found(&guarded, has).is_empty());
    });
}

#[test]
fn criteria_find_only_what_one_may_see() {
    on_each_backend(|app| {
        put(app, "Patient/hidden", "secret", r#","gender":"male""#);
        let guarded = app.guarded(only_open);
        assert_eq!(guarded.call("DELETE", "Patient?gender=male", None).unwrap().status, 204);
        assert_eq!(app.get("Patient/hidden").unwrap().status, 200, "nothing was deleted");
        let patch = Some(r#"[{"op":"add","path":"/active","value":true}]"#);
        for path in ["Patient?gender=male", "Patient/hidden"] {
            assert_eq!(guarded.call("PATCH", path, patch).unwrap_err().status(), 404, "{path}");
        }
        let body = Some(r#"{"resourceType":"Patient","gender":"male"}"#);
        let refused = guarded.call("PUT", "Patient?gender=male", body).unwrap_err();
        assert_eq!(refused.status(), 403, "it would be hidden from who writes it");
        let body = r#"{"resourceType":"Patient","gender":"male","meta":{"tag":[{"code":"open"}]}}"#;
        let body = Some(body);
        let made = guarded.call("PUT", "Patient?gender=male", body).unwrap();
        assert_eq!(made.status, 201, "what is hidden is no match");
        assert_eq!(app.get("Patient/hidden").unwrap().version.unwrap().0, 1);
    });
}

#[test]
fn every_interaction_asks_the_gate() {
    on_each_backend(|app| {
        put(app, "Patient/a", "open", "");
        let body = r#"{"resourceType":"Patient","id":"a","active":true}"#;
        let empty = |kind: &str| format!(r#"{{"resourceType":"Bundle","type":"{kind}"}}"#);
        for interaction in INTERACTIONS {
            let guarded = app.guarded(|_| Box::new(AllBut(*interaction)));
            let answer = match interaction {
                Interaction::Read => guarded.get("Patient/a"),
                Interaction::VRead => guarded.get("Patient/a/_history/1"),
                Interaction::Update => guarded.call("PUT", "Patient/a", Some(body)),
                Interaction::Delete => guarded.call("DELETE", "Patient/a", None),
                Interaction::HistoryInstance => guarded.get("Patient/a/_history"),
                Interaction::HistoryType => guarded.get("Patient/_history"),
                Interaction::HistorySystem => guarded.get("_history"),
                Interaction::Create => guarded.call("POST", "Patient", Some(body)),
                Interaction::SearchType => guarded.get("Patient"),
                Interaction::SearchSystem => guarded.get("?_type=Patient"),
                Interaction::Capabilities => guarded.get("metadata"),
                Interaction::Transaction => guarded.call("POST", "", Some(&empty("transaction"))),
                Interaction::Batch => guarded.call("POST", "", Some(&empty("batch"))),
                Interaction::Patch => guarded.call("PATCH", "Patient/a", Some("[]")),
                Interaction::Operation => panic!("not an interaction of the list"),
            };
            assert_eq!(answer.unwrap_err().status(), 403, "{interaction:?}");
        }
        assert_eq!(app.get("Patient/a").unwrap().version.unwrap().0, 1, "nothing was written");
    });
}

#[test]
fn entries_of_a_bundle_ask_the_gate_for_themselves() {
    on_each_backend(|app| {
        let guarded = app.guarded(|_| Box::new(AllBut(Interaction::Delete)));
        let entries = r#"[{"request":{"method":"PUT","url":"Patient/b"},
                "resource":{"resourceType":"Patient","id":"b"}},
            {"request":{"method":"DELETE","url":"Patient/a"}}]"#;
        let bundle = |kind: &str| {
            format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":{entries}}}"#)
        };
        let failure = guarded.call("POST", "", Some(&bundle("transaction"))).unwrap_err();
        assert_eq!(failure.status(), 403);
        assert_eq!(failure.issues[0].expression.as_deref(), Some("Bundle.entry[1]"));
        assert_eq!(app.get("Patient/b").unwrap_err().status(), 404);
        let answer = json(&guarded.call("POST", "", Some(&bundle("batch"))).unwrap());
        assert_eq!(answer["entry"][0]["response"]["status"], "201 Created");
        assert_eq!(answer["entry"][1]["response"]["status"], "403 Forbidden");
    });
}
