//! What must hold when many write at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use fhir_interaction::Conditions;
use fhir_model::VersionId;
use support::{Asked, TestApp, json, on_each_backend};

/// Sends the same kind of request from many threads; gives the statuses.
fn at_once(app: &TestApp, threads: usize, asked: impl Fn(usize) -> Asked + Sync) -> Vec<u16> {
    std::thread::scope(|scope| {
        let asked = &asked;
        let running: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || match app.send(&asked(number)) {
                    Ok(answer) => answer.status,
                    Err(failure) => failure.status(),
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn post(path: &str, body: String) -> Asked {
    Asked { method: "POST".to_owned(), path: path.to_owned(), body: Some(body), ..Asked::default() }
}

fn count(app: &TestApp, query: &str) -> u64 {
    json(&app.get(query).unwrap())["total"].as_u64().unwrap()
}

#[test]
fn a_conditional_create_creates_once() {
    on_each_backend(|app| {
        let body = r#"{"resourceType":"Patient","identifier":[{"system":"s","value":"1"}]}"#;
        let statuses = at_once(app, 16, |_| Asked {
            if_none_exist: Some("identifier=s|1".to_owned()),
            ..post("Patient", body.to_owned())
        });
        let created = statuses.iter().filter(|status| **status == 201).count();
        let found = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((created, found), (1, 15), "{statuses:?}");
        assert_eq!(count(app, "Patient?_summary=count"), 1);
    });
}

fn asked(method: &str, path: &str, body: &str) -> Asked {
    Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        body: Some(body.to_owned()),
        ..Asked::default()
    }
}

fn how_many(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

#[test]
fn sixty_four_conditional_creates_make_one_resource() {
    on_each_backend(|app| {
        let body = r#"{"resourceType":"Patient","identifier":[{"system":"s","value":"1"}]}"#;
        let statuses = at_once(app, 64, |_| Asked {
            if_none_exist: Some("identifier=s|1".to_owned()),
            ..post("Patient", body.to_owned())
        });
        assert_eq!((how_many(&statuses, 201), how_many(&statuses, 200)), (1, 63), "{statuses:?}");
        assert_eq!(count(app, "Patient?_summary=count"), 1);
    });
}

#[test]
fn sixty_four_conditional_updates_make_one_resource() {
    on_each_backend(|app| {
        let statuses = at_once(app, 64, |number| {
            let body = format!(
                r#"{{"resourceType":"Patient","identifier":[{{"system":"s","value":"1"}}],
                    "name":[{{"text":"{number}"}}]}}"#
            );
            asked("PUT", "Patient?identifier=s|1", &body)
        });
        assert_eq!((how_many(&statuses, 201), how_many(&statuses, 200)), (1, 63), "{statuses:?}");
        let page = json(&app.get("Patient").unwrap());
        assert_eq!(page["entry"].as_array().unwrap().len(), 1);
        // Nobody's update was lost: each made a version.
        assert_eq!(page["entry"][0]["resource"]["meta"]["versionId"], "64");
    });
}

#[test]
fn conditional_updates_of_one_given_id_make_one_resource() {
    on_each_backend(|app| {
        let body =
            r#"{"resourceType":"Patient","id":"a","identifier":[{"system":"s","value":"1"}]}"#;
        let statuses = at_once(app, 16, |_| asked("PUT", "Patient?identifier=s|1", body));
        assert_eq!((how_many(&statuses, 201), how_many(&statuses, 200)), (1, 15), "{statuses:?}");
        assert_eq!(app.get("Patient/a").unwrap().version, Some(VersionId(1)));
    });
}

#[test]
fn no_patch_of_many_is_lost() {
    on_each_backend(|app| {
        app.call("PUT", "Patient/a", Some(r#"{"resourceType":"Patient","id":"a"}"#)).unwrap();
        let statuses = at_once(app, 64, |number| {
            // Each adds to the list that the others make and add to.
            let body = format!(
                r#"[{{"op":"add","path":"/active","value":true}},
                    {{"op":"add","path":"/identifier","value":[{{"value":"{number}"}}]}}]"#
            );
            match number {
                0 => asked("PATCH", "Patient?_id=a", &body),
                _ => asked("PATCH", "Patient/a", &body),
            }
        });
        assert_eq!(how_many(&statuses, 200), 64, "{statuses:?}");
        assert_eq!(app.get("Patient/a").unwrap().version, Some(VersionId(65)));
        let statuses = at_once(app, 64, |number| {
            let body = format!(
                r#"[{{"op":"add","path":"/identifier/-","value":{{"value":"n{number}"}}}}]"#
            );
            asked("PATCH", "Patient/a", &body)
        });
        assert_eq!(how_many(&statuses, 200), 64, "{statuses:?}");
        let patient = json(&app.get("Patient/a").unwrap());
        let values: std::collections::BTreeSet<_> = patient["identifier"]
            .as_array()
            .unwrap()
            .iter()
            .map(|identifier| identifier["value"].to_string())
            .collect();
        assert_eq!(values.len(), 65, "the one that was there and 64 new ones: {values:?}");
    });
}

#[test]
fn of_many_conditional_deletes_one_deletes() {
    on_each_backend(|app| {
        let body =
            r#"{"resourceType":"Patient","id":"a","identifier":[{"system":"s","value":"1"}]}"#;
        app.call("PUT", "Patient/a", Some(body)).unwrap();
        let statuses = at_once(app, 16, |_| Asked {
            body: None,
            ..asked("DELETE", "Patient?identifier=s|1", "")
        });
        assert_eq!(how_many(&statuses, 204), 16, "{statuses:?}");
        let history = json(&app.get("Patient/a/_history").unwrap());
        assert_eq!(history["entry"].as_array().unwrap().len(), 2, "one delete, one version");
    });
}

#[test]
fn a_condition_inside_transactions_creates_once_and_all_refer_to_it() {
    on_each_backend(|app| {
        let statuses = at_once(app, 8, |number| {
            let body = format!(
                r#"{{"resourceType":"Bundle","type":"transaction","entry":[
                {{"fullUrl":"urn:uuid:1","request":{{"method":"POST","url":"Patient",
                    "ifNoneExist":"identifier=s|1"}},"resource":{{"resourceType":"Patient",
                    "identifier":[{{"system":"s","value":"1"}}]}}}},
                {{"request":{{"method":"PUT","url":"Observation/o{number}"}},"resource":{{
                    "resourceType":"Observation","id":"o{number}","status":"final",
                    "code":{{"text":"x"}},"subject":{{"reference":"urn:uuid:1"}}}}}}]}}"#
            );
            post("", body)
        });
        assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
        let done = statuses.iter().filter(|status| **status == 200).count();
        assert!(done > 0, "{statuses:?}");
        assert_eq!(count(app, "Patient?_summary=count"), 1);
        let patient = json(&app.get("Patient").unwrap())["entry"][0]["resource"]["id"].clone();
        let patient = patient.as_str().unwrap();
        let referring =
            count(app, &format!("Observation?subject=Patient/{patient}&_summary=count"));
        assert_eq!(referring, u64::try_from(done).unwrap());
    });
}

#[test]
fn one_update_of_a_version_wins() {
    on_each_backend(|app| {
        app.call("PUT", "Patient/a", Some(r#"{"resourceType":"Patient","id":"a"}"#)).unwrap();
        let statuses = at_once(app, 16, |number| Asked {
            method: "PUT".to_owned(),
            path: "Patient/a".to_owned(),
            body: Some(format!(
                r#"{{"resourceType":"Patient","id":"a","name":[{{"family":"F{number}"}}]}}"#
            )),
            conditions: Conditions { if_match: Some(vec![VersionId(1)]), ..Conditions::default() },
            ..Asked::default()
        });
        let won = statuses.iter().filter(|status| **status == 200).count();
        let lost = statuses.iter().filter(|status| **status == 412).count();
        assert_eq!((won, lost), (1, 15), "{statuses:?}");
    });
}

#[test]
fn overlapping_transactions_lose_nothing() {
    on_each_backend(|app| {
        let statuses = at_once(app, 8, |number| {
            let entries: Vec<String> = (0..20)
                .map(|at| {
                    // Each thread writes the same resources in another order.
                    let id = (at + number * 7) % 20;
                    format!(
                        r#"{{"request":{{"method":"PUT","url":"Patient/p{id}"}},"resource":{{
                            "resourceType":"Patient","id":"p{id}","name":[{{"text":"{number}"}}]}}}}"#
                    )
                })
                .collect();
            let entries = entries.join(",");
            post(
                "",
                format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#),
            )
        });
        assert_eq!(statuses, [200; 8]);
        assert_eq!(count(app, "Patient?_summary=count"), 20);
        // Each transaction gave each resource a version: nothing was lost on the way.
        for id in 0..20 {
            let answer = app.get(&format!("Patient/p{id}")).unwrap();
            assert_eq!(answer.version, Some(VersionId(8)), "p{id}");
        }
        let texts: std::collections::BTreeSet<String> = (0..20)
            .map(|id| {
                let patient = json(&app.get(&format!("Patient/p{id}")).unwrap());
                patient["name"][0]["text"].to_string()
            })
            .collect();
        assert_eq!(texts.len(), 1, "the last transaction wrote all of them: {texts:?}");
    });
}
