//! Loading from files: marks, ids of resources without one, what is run and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use fhir_definitions::ResourceType;
use fhir_interaction::load::{self, Loaded};
use fhir_model::Failure;
use fhir_store::JournalRow;
use support::{TestApp, json, on_each_backend, request, resource, wait};

fn load(app: &TestApp, position: i64, text: &str) -> Result<Loaded, Failure> {
    let mark = JournalRow { file: "a.ndjson".to_owned(), position };
    wait(load::load(&app.app, &request(), &resource(text).unwrap(), mark))
}

#[test]
fn what_is_loaded_twice_changes_once() {
    on_each_backend(|app| {
        let first = r#"{"resourceType":"Patient","id":"a","active":true}"#;
        assert_eq!(load(app, 1, first).unwrap(), Loaded::Created);
        assert_eq!(load(app, 1, first).unwrap(), Loaded::Unchanged);
        let second = r#"{"resourceType":"Patient","id":"a","active":false}"#;
        assert_eq!(load(app, 2, second).unwrap(), Loaded::Updated);
        let nameless = r#"{"resourceType":"Basic","code":{"text":"x"}}"#;
        let same = r#"{ "resourceType" : "Basic", "code" : { "text" : "x" } }"#;
        assert_eq!(load(app, 3, nameless).unwrap(), Loaded::Created);
        assert_eq!(load(app, 4, same).unwrap(), Loaded::Unchanged);
        let id = load::content_id(&resource(nameless).unwrap());
        assert_eq!(app.get(&format!("Basic/{id}")).unwrap().status, 200);
        let marks = wait(load::loaded(&app.app, &request(), "a.ndjson".to_owned())).unwrap();
        assert_eq!(marks, [1, 2, 3, 4]);
        let marks = wait(load::loaded(&app.app, &request(), "b.ndjson".to_owned())).unwrap();
        assert!(marks.is_empty());
    });
}

#[test]
fn transactions_and_batches_run_and_other_bundles_are_stored() {
    on_each_backend(|app| {
        let entries = r#"[
            {"request":{"method":"PUT","url":"Patient/a"},
             "resource":{"resourceType":"Patient","id":"a"}},
            {"request":{"method":"PUT","url":"Patient/b","ifMatch":"W/\"5\""},
             "resource":{"resourceType":"Patient","id":"b"}}]"#;
        let bundle = |kind: &str| {
            format!(r#"{{"resourceType":"Bundle","id":"x","type":"{kind}","entry":{entries}}}"#)
        };
        let failure = load(app, 1, &bundle("transaction")).unwrap_err();
        assert_eq!(failure.status(), 412);
        assert_eq!(app.get("Patient/a").unwrap_err().status(), 404);
        let Loaded::Executed(refused) = load(app, 2, &bundle("batch")).unwrap() else {
            panic!("a batch is executed");
        };
        assert_eq!(refused.len(), 1);
        assert!(refused[0].to_string().contains("Bundle.entry[1]"), "{}", refused[0]);
        assert_eq!(app.get("Patient/a").unwrap().status, 200);
        let collection = r#"{"resourceType":"Bundle","id":"x","type":"collection","entry":[
            {"fullUrl":"http://example.org/fhir/Patient/a",
             "resource":{"resourceType":"Patient","id":"a"}}]}"#;
        assert_eq!(load(app, 3, collection).unwrap(), Loaded::Created);
        assert_eq!(json(&app.get("Bundle/x").unwrap())["type"], "collection");
        let marks = wait(load::loaded(&app.app, &request(), "a.ndjson".to_owned())).unwrap();
        assert_eq!(marks, [2, 3], "what was refused has no mark");
    });
}

#[test]
fn what_a_loaded_bundle_creates_has_the_same_ids_in_any_database() {
    let entry = r#"{"request":{"method":"POST","url":"Basic"},
        "resource":{"resourceType":"Basic","code":{"text":"x"}}}"#;
    let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
    on_each_backend(|app| {
        for kind in ["transaction", "batch"] {
            let bundle =
                format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entry},{entry}]}}"#);
            assert_eq!(load(app, 1, &bundle).unwrap(), Loaded::Executed(Vec::new()));
        }
        let found = json(&app.get("Basic").unwrap());
        let ids: Vec<_> = found["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["resource"]["id"].to_string())
            .collect();
        assert_eq!(ids.len(), 4);
        seen.lock().unwrap().extend(ids);
    });
    assert_eq!(seen.lock().unwrap().len(), 4, "{seen:?}");
}

#[test]
fn what_has_no_endpoint_is_refused_with_a_reason() {
    on_each_backend(|app| {
        let failure = load(app, 1, r#"{"resourceType":"Parameters","id":"p"}"#).unwrap_err();
        assert!(failure.to_string().contains("no endpoint"), "{failure}");
        assert!(load::refusal(ResourceType::PARAMETERS).is_some());
        assert!(load::refusal(ResourceType::BUNDLE).is_none());
    });
}
