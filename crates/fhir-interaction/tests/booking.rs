//! Booking: what becomes of slots and appointments, one after the other and all at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]

mod support;

use std::time::Duration;

use fhir_access::{Caller, CallerKind, Claims, LaunchContext, Scopes};
use fhir_interaction::{BookingSettings, InteractionSettings};
use fhir_model::Failure;
use serde_json::{Value, json};
use support::{TestApp, json as tree, keys, on_each_backend, on_each_backend_with};

fn put(app: &TestApp, resource: &Value) {
    let path = format!("{}/{}", resource["resourceType"].as_str().unwrap(), id(resource));
    app.call("PUT", &path, Some(&resource.to_string())).unwrap();
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

/// A schedule of a practitioner.
fn schedule(app: &TestApp, id: &str, practitioner: &str) {
    put(
        app,
        &json!({"resourceType": "Schedule", "id": id, "serviceType": [{"coding": [{"system": "s", "code": "dentist"}]}],
            "actor": [{"reference": format!("Practitioner/{practitioner}")}, {"reference": "Location/l"}]}),
    );
}

/// A slot of the schedule from and to these minutes of a day to come.
fn slot(id: &str, schedule: &str, status: &str, (from, to): (u32, u32)) -> Value {
    let at = |minute: u32| format!("2026-12-01T{:02}:{:02}:00+02:00", 8 + minute / 60, minute % 60);
    json!({"resourceType": "Slot", "id": id, "schedule": {"reference": format!("Schedule/{schedule}")},
        "status": status, "start": at(from), "end": at(to)})
}

fn appointment(status: &str, slots: &[&str]) -> Value {
    let slots: Vec<Value> =
        slots.iter().map(|id| json!({ "reference": format!("Slot/{id}") })).collect();
    let mut made = json!({"resourceType": "Appointment", "status": status,
        "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}]});
    if !slots.is_empty() {
        made["slot"] = slots.into();
    }
    made
}

fn parameters(parts: &[(&str, Value)]) -> String {
    let parts: Vec<Value> = parts
        .iter()
        .map(|(name, value)| {
            let key = match value {
                it if it["resourceType"].is_string() => "resource",
                it if it.is_object() => "valueCodeableConcept",
                _ => "valueUri",
            };
            json!({ "name": name, key: value })
        })
        .collect();
    json!({ "resourceType": "Parameters", "parameter": parts }).to_string()
}

fn booked(app: &TestApp, operation: &str, parts: &[(&str, Value)]) -> Result<Value, Failure> {
    let path = format!("Appointment/{operation}");
    let answer = app.call("POST", &path, Some(&parameters(parts)))?;
    Ok(tree(&answer)["entry"][0]["resource"].clone())
}

fn status(app: &TestApp, path: &str) -> String {
    tree(&app.get(path).unwrap())["status"].as_str().unwrap().to_owned()
}

fn conflict(result: Result<impl std::fmt::Debug, Failure>, place: &str) {
    let failure = result.unwrap_err();
    assert_eq!(failure.status(), 409, "{failure}");
    assert_eq!(failure.issues[0].expression.as_deref(), Some(place), "{failure}");
}

/// Asks from many threads at once; gives the statuses.
fn at_once(threads: usize, ask: impl Fn(usize) -> Result<Value, Failure> + Sync) -> Vec<u16> {
    std::thread::scope(|scope| {
        let ask = &ask;
        let running: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || ask(number).map_or_else(|it| it.status(), |_| 200)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn an_appointment_is_booked_moved_and_cancelled() {
    on_each_backend(|app| {
        schedule(app, "s", "a");
        put(app, &slot("1", "s", "free", (0, 30)));
        put(app, &slot("2", "s", "free", (30, 60)));
        let made = booked(app, "$book", &[("appt-resource", appointment("proposed", &["1"]))]);
        let made = made.unwrap();
        assert_eq!(made["status"], "booked");
        assert_eq!(made["start"], "2026-12-01T08:00:00+02:00");
        assert_eq!(made["end"], "2026-12-01T08:30:00+02:00");
        assert_eq!(status(app, "Slot/1"), "busy");
        conflict(
            booked(app, "$book", &[("appt-resource", appointment("proposed", &["2", "1"]))]),
            "Appointment.slot[1]",
        );
        assert_eq!(status(app, "Slot/2"), "free", "all or nothing");
        let to =
            [("appt-id", made["id"].clone()), ("appt-resource", appointment("booked", &["2"]))];
        let moved = booked(app, "$book", &to).unwrap();
        assert_eq!(moved["id"], made["id"]);
        assert_eq!((status(app, "Slot/1"), status(app, "Slot/2")), ("free".into(), "busy".into()));
        let path = format!("Appointment/{}/$cancel", id(&made));
        let reason = parameters(&[("reason", json!({"coding": [{"system": "s", "code": "pat"}]}))]);
        let ended = tree(&app.call("POST", &path, Some(&reason)).unwrap());
        let ended = &ended["entry"][0]["resource"];
        assert_eq!(ended["status"], "cancelled");
        assert_eq!(ended["cancelationReason"]["coding"][0]["code"], "pat");
        assert_eq!(status(app, "Slot/2"), "free");
        let version = ended["meta"]["versionId"].clone();
        let again = tree(&app.call("POST", &path, Some(&reason)).unwrap());
        assert_eq!(again["entry"][0]["resource"]["meta"]["versionId"], version);
    });
}

#[test]
fn what_cannot_be_booked_is_told() {
    on_each_backend(|app| {
        schedule(app, "s", "a");
        for (id, status) in [("b", "busy"), ("u", "busy-unavailable"), ("e", "entered-in-error")] {
            put(app, &slot(id, "s", status, (0, 30)));
            let asked = [("appt-resource", appointment("proposed", &[id]))];
            conflict(booked(app, "$book", &asked), "Appointment.slot[0]");
        }
        put(app, &slot("late", "s", "free", (300, 330)));
        for (body, expected) in [
            (parameters(&[]), 400),
            (parameters(&[("appt-id", json!("nobody"))]), 404),
            (parameters(&[("appt-id", json!("Patient/1"))]), 400),
            (parameters(&[("appt-resource", appointment("proposed", &[]))]), 422),
            (parameters(&[("appt-resource", appointment("proposed", &["nowhere"]))]), 422),
            (
                parameters(&[(
                    "appt-resource",
                    json!({"resourceType": "Appointment", "slot": [{"reference": "Slot/late"}]}),
                )]),
                400,
            ),
        ] {
            let failure = app.call("POST", "Appointment/$book", Some(&body)).unwrap_err();
            assert_eq!(failure.status(), expected, "{body} {failure}");
        }
        let mut early = appointment("proposed", &["late"]);
        early["start"] = json!("2026-12-01T06:00:00Z");
        let failure = booked(app, "$book", &[("appt-resource", early)]).unwrap_err();
        assert_eq!(failure.issues[0].expression.as_deref(), Some("Appointment.start"));
        assert_eq!(status(app, "Slot/late"), "free");
    });
}

#[test]
fn of_64_who_want_a_slot_one_gets_it() {
    on_each_backend(|app| {
        schedule(app, "s", "a");
        put(app, &slot("1", "s", "free", (0, 30)));
        let statuses = at_once(64, |_| {
            booked(app, "$book", &[("appt-resource", appointment("proposed", &["1"]))])
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 63, "{statuses:?}");
        let found = tree(&app.get("Appointment?slot=Slot/1&_summary=count").unwrap());
        assert_eq!(found["total"], 1);
    });
}

#[test]
fn slots_that_overlap_exclude_each_other_over_the_schedules_of_an_actor() {
    on_each_backend(|app| {
        for number in 0..4 {
            schedule(app, &format!("s{number}"), "a");
        }
        schedule(app, "other", "b");
        // Each overlaps with all others, on four schedules of one person.
        for number in 0..16 {
            let period = (number, 30 + number);
            put(app, &slot(&number.to_string(), &format!("s{}", number % 4), "free", period));
        }
        put(app, &slot("other", "other", "free", (0, 30)));
        put(app, &slot("next", "s1", "free", (45, 60)));
        let statuses = at_once(16, |number| {
            let number = number.to_string();
            booked(app, "$book", &[("appt-resource", appointment("proposed", &[&number]))])
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
        let open = tree(&app.get("Slot/$find?start=2026-12-01").unwrap());
        assert_eq!(keys(&open, "match"), ["Slot/other", "Slot/next"]);
        for id in ["other", "next"] {
            booked(app, "$book", &[("appt-resource", appointment("proposed", &[id]))]).unwrap();
        }
    });
}

#[test]
fn a_hold_keeps_a_slot_for_its_caller() {
    let caller = |name: &str| {
        let claims = Claims { subject: Some(name.to_owned()), ..Claims::default() };
        // Nobody is asked what they may: only who holds is of interest.
        Caller::new(CallerKind::Everyone, claims, Scopes::default(), LaunchContext::default())
    };
    on_each_backend(|app| {
        schedule(app, "s", "a");
        put(app, &slot("1", "s", "free", (0, 30)));
        let (anna, bo) = (app.asked_by(caller("anna")), app.asked_by(caller("bo")));
        let wish = [("appt-resource", appointment("proposed", &["1"]))];
        let held = booked(&anna, "$hold", &wish).unwrap();
        assert_eq!(held["status"], "pending");
        assert_eq!(status(app, "Slot/1"), "busy-tentative");
        assert!(!held.to_string().contains("anna"));
        conflict(booked(&bo, "$book", &wish), "Appointment.slot[0]");
        conflict(booked(&bo, "$hold", &wish), "Appointment.slot[0]");
        let it = [("appt-id", held["id"].clone())];
        conflict(booked(&bo, "$book", &it), "Appointment.status");
        let kept = booked(&anna, "$book", &it).unwrap();
        assert_eq!(
            (kept["status"].as_str(), kept["id"].clone()),
            (Some("booked"), held["id"].clone())
        );
        assert!(kept.get("extension").is_none());
        let taken = tree(&app.get("Slot/1").unwrap());
        assert_eq!(taken["status"], "busy");
        assert!(taken.get("extension").is_none());
        assert_eq!(booked(&anna, "$book", &it).unwrap()["meta"], kept["meta"], "once is enough");
    });
}

#[test]
fn a_hold_that_has_run_out_is_for_others() {
    let booking = BookingSettings { hold: Duration::ZERO, ..BookingSettings::default() };
    let settings = InteractionSettings { booking, ..InteractionSettings::default() };
    on_each_backend_with(&settings, |app| {
        schedule(app, "s", "a");
        put(app, &slot("1", "s", "free", (0, 30)));
        let wish = [("appt-resource", appointment("proposed", &["1"]))];
        let held = booked(app, "$hold", &wish).unwrap();
        assert_eq!(status(app, "Slot/1"), "busy-tentative");
        let open = tree(&app.get("Slot/$find?start=2026-12-01").unwrap());
        assert_eq!(keys(&open, "match"), ["Slot/1"]);
        conflict(booked(app, "$book", &[("appt-id", held["id"].clone())]), "Appointment.status");
        booked(app, "$book", &wish).unwrap();
        assert_eq!(status(app, "Slot/1"), "busy");
        assert_eq!(status(app, &format!("Appointment/{}", id(&held))), "cancelled");
    });
}

#[test]
fn books_and_cancels_at_the_same_time_keep_one_truth() {
    on_each_backend(|app| {
        schedule(app, "s", "a");
        put(app, &slot("1", "s", "free", (0, 30)));
        let wish = [("appt-resource", appointment("proposed", &["1"]))];
        for _ in 0..5 {
            let made = booked(app, "$book", &wish).unwrap();
            let statuses = at_once(16, |number| match number % 2 {
                0 => booked(app, "$book", &wish),
                _ => booked(app, "$cancel", &[("appt-id", made["id"].clone())]),
            });
            let books = statuses.iter().step_by(2).filter(|status| **status == 200).count();
            assert!(statuses.iter().skip(1).step_by(2).all(|status| *status == 200));
            assert!(books <= 1, "{statuses:?}");
            assert_eq!(status(app, &format!("Appointment/{}", id(&made))), "cancelled");
            let live = tree(&app.get("Appointment?slot=Slot/1&status=booked").unwrap());
            assert_eq!(keys(&live, "match").len(), books);
            let expected = if books == 1 { "busy" } else { "free" };
            assert_eq!(status(app, "Slot/1"), expected);
            for key in keys(&live, "match") {
                app.call("POST", &format!("{key}/$cancel"), None).unwrap();
            }
        }
    });
}

#[test]
fn plain_writes_keep_the_promise_where_settings_say_so() {
    let booking = BookingSettings { guards_writes: true, ..BookingSettings::default() };
    let settings = InteractionSettings { booking, ..InteractionSettings::default() };
    on_each_backend_with(&settings, |app| {
        schedule(app, "s", "a");
        for (id, period) in [("1", (0, 30)), ("2", (15, 45)), ("3", (60, 90))] {
            put(app, &slot(id, "s", "free", period));
        }
        let write = |method: &str, path: &str, body: &Value| {
            app.call(method, path, Some(&body.to_string()))
        };
        let timed = |slot: &str| {
            let mut timed = appointment("booked", &[slot]);
            timed["start"] = json!("2026-12-01T06:00:00Z");
            timed["end"] = json!("2026-12-01T06:30:00Z");
            timed
        };
        let plain = timed("1");
        conflict(write("POST", "Appointment", &plain), "Appointment.slot[0]");
        write("POST", "Appointment", &appointment("proposed", &["1"])).unwrap();
        let bundle = |kind: &str, slot_id: &str, period| {
            json!({"resourceType": "Bundle", "type": kind, "entry": [
                {"resource": slot(slot_id, "s", "busy", period), "request": {"method": "PUT", "url": format!("Slot/{slot_id}")}},
                {"fullUrl": "urn:uuid:6a1bcb8e-6b6a-4f6c-9d5e-2f2a5a3b7c01", "resource": timed(slot_id),
                    "request": {"method": "POST", "url": "Appointment"}}]})
        };
        write("POST", "", &bundle("transaction", "1", (0, 30))).unwrap();
        // A second one for the same slot, and one for a slot that overlaps.
        let statuses = [("1", (0, 30)), ("2", (15, 45))].map(|(id, period)| {
            write("POST", "", &bundle("transaction", id, period)).unwrap_err().status()
        });
        assert_eq!(statuses, [409, 409]);
        assert_eq!(status(app, "Slot/2"), "free");
        conflict(write("PUT", "Slot/1", &slot("1", "s", "free", (0, 30))), "Slot.status");
        conflict(app.call("DELETE", "Slot/1", None), "Slot.status");
        conflict(write("PUT", "Slot/2", &slot("2", "s", "busy", (15, 45))), "Slot.start");
        let told = tree(&write("POST", "", &bundle("batch", "2", (15, 45))).unwrap());
        for entry in told["entry"].as_array().unwrap() {
            assert_eq!(entry["response"]["status"], "409 Conflict", "{told}");
        }
        // What is away takes the time of free slots, and may be laid over what is booked.
        write("PUT", "Slot/away", &slot("away", "s", "busy-unavailable", (0, 120))).unwrap();
        let wish = [("appt-resource", appointment("proposed", &["3"]))];
        conflict(booked(app, "$book", &wish), "Slot.start");
        let mut commented = slot("1", "s", "busy", (0, 30));
        commented["comment"] = json!("moved to room 5");
        write("PUT", "Slot/1", &commented).unwrap();
    });
}

#[test]
fn slots_are_found_by_what_they_are_for() {
    on_each_backend(|app| {
        schedule(app, "s", "a");
        schedule(app, "t", "b");
        put(app, &slot("1", "s", "free", (0, 30)));
        put(app, &slot("2", "t", "free", (60, 90)));
        let mut other = slot("3", "t", "free", (30, 60));
        other["serviceType"] = json!([{"coding": [{"system": "s", "code": "hygienist"}]}]);
        put(app, &other);
        put(app, &slot("4", "t", "busy", (120, 150)));
        for (query, expected) in [
            ("start=2026-12-01", vec!["Slot/1", "Slot/3", "Slot/2"]),
            ("start=2026-12-01&end=2026-12-01", vec!["Slot/1", "Slot/3", "Slot/2"]),
            ("start=2026-12-01T06:15:00Z&end=2026-12-01T07:00:00Z", vec!["Slot/3"]),
            ("start=2026-12-02", vec![]),
            ("start=2026-12-01&practitioner=Practitioner/b", vec!["Slot/3", "Slot/2"]),
            ("start=2026-12-01&location=Location/l&schedule=Schedule/s", vec!["Slot/1"]),
            ("start=2026-12-01&service-type=s|dentist", vec!["Slot/1", "Slot/2"]),
            ("start=2026-12-01&service-type=hygienist", vec!["Slot/3"]),
            (
                "start=2026-12-01&service-type=s|hygienist,s|dentist&count=2",
                vec!["Slot/1", "Slot/3"],
            ),
        ] {
            let found = tree(&app.get(&format!("Slot/$find?{query}")).unwrap());
            assert_eq!(keys(&found, "match"), expected, "{query}");
        }
        let found = tree(&app.get("Slot/$find?start=2026-12-01&count=1").unwrap());
        assert_eq!(found["total"], 3);
        assert_eq!(keys(&found, "include"), ["Schedule/s"]);
        assert_eq!(app.get("Slot/$find?start=soon").unwrap_err().status(), 400);
        assert_eq!(app.get("Slot/$find?sort=start").unwrap_err().status(), 400);
    });
}
