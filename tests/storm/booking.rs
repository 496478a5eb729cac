//! Many clients that book, hold, move and cancel: no slot and no practitioner is booked twice, and
//! what was answered is what is stored.
//!
//! Slots of two schedules of each practitioner overlap crosswise. Each client changes only
//! appointments of its own, so that it knows what has become of them. `KANTELE_TEST_BOOKINGS` says
//! how many calls there are.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kantele_tests::{Backend, Client, Reply, TestServer, postgres, scale};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const CLIENTS: u64 = 32;
const PRACTITIONERS: usize = 8;
const DAYS: usize = 4;

/// A slot: its id, its practitioner, and from when until when in minutes.
struct Offer {
    id: String,
    practitioner: usize,
    period: (usize, usize),
}

/// What an appointment must be in the end: its status and its slot.
type Expected = BTreeMap<String, (&'static str, String)>;

#[derive(Default)]
struct Tally {
    expected: Expected,
    answers: BTreeMap<(&'static str, u16), u64>,
    faults: Vec<String>,
}

#[test]
fn bookings_at_random_on_sqlite() {
    storm(Backend::Sqlite);
}

#[test]
fn bookings_at_random_on_postgresql() {
    if postgres::is_present() {
        storm(Backend::Postgres);
    }
}

#[test]
fn sixty_four_clients_want_one_slot() {
    kantele_tests::on_each_backend(|server| {
        let offers = prepare(server.client());
        let statuses = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let client = Client::new(server.client().base());
                    let reply = call(&client, "$book", None, Some(&offers[0].id));
                    let outcome = (reply.status == 409).then(|| reply.issues()[0].clone());
                    statuses.lock().unwrap().push((reply.status, outcome));
                });
            }
        });
        let statuses = statuses.into_inner().unwrap();
        assert_eq!(statuses.iter().filter(|(status, _)| *status == 200).count(), 1, "{statuses:?}");
        for (_, outcome) in statuses.iter().filter(|(status, _)| *status != 200) {
            let issue = outcome.as_ref().expect("a clean 409");
            assert_eq!(issue["code"], "conflict");
            assert_eq!(issue["expression"], json!(["Appointment.slot[0]"]));
        }
    });
}

/// Stores schedules and free slots.
fn prepare(client: &Client) -> Vec<Offer> {
    let mut offers = Vec::new();
    let mut entries = Vec::new();
    let mut put = |resource: Value| {
        let url = format!(
            "{}/{}",
            resource["resourceType"].as_str().unwrap(),
            resource["id"].as_str().unwrap()
        );
        entries.push(json!({ "resource": resource, "request": { "method": "PUT", "url": url } }));
    };
    for practitioner in 0..PRACTITIONERS {
        for (schedule, length, count) in [("a", 30, 16), ("b", 45, 10)] {
            let schedule = format!("s{practitioner}{schedule}");
            put(json!({ "resourceType": "Schedule", "id": schedule,
                "actor": [{ "reference": format!("Practitioner/p{practitioner}") }] }));
            for day in 0..DAYS {
                for number in 0..count {
                    let from = number * length;
                    let id = format!("{schedule}-{day}-{number}");
                    let at = |minute: usize| {
                        format!(
                            "2030-01-{:02}T{:02}:{:02}:00Z",
                            day + 1,
                            8 + minute / 60,
                            minute % 60
                        )
                    };
                    put(json!({ "resourceType": "Slot", "id": id, "status": "free",
                        "schedule": { "reference": format!("Schedule/{schedule}") },
                        "start": at(from), "end": at(from + length) }));
                    let begin = day * 1440 + from;
                    offers.push(Offer { id, practitioner, period: (begin, begin + length) });
                }
            }
        }
    }
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    client.post("", &bundle).expecting(200);
    offers
}

fn call(client: &Client, operation: &str, id: Option<&str>, slot: Option<&str>) -> Reply {
    let mut parameters = Vec::new();
    if let Some(id) = id {
        parameters.push(json!({ "name": "appt-id", "valueUri": id }));
    }
    if let Some(slot) = slot {
        let appointment = json!({ "resourceType": "Appointment", "status": "proposed",
            "slot": [{ "reference": format!("Slot/{slot}") }],
            "participant": [{ "actor": { "reference": "Patient/p" }, "status": "accepted" }] });
        parameters.push(json!({ "name": "appt-resource", "resource": appointment }));
    }
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    client.post(&format!("Appointment/{operation}"), &body)
}

fn storm(backend: Backend) {
    let server = TestServer::start(backend);
    let offers = prepare(server.client());
    let calls = scale("KANTELE_TEST_BOOKINGS", 600);
    let (begin, done, tally) = (Instant::now(), AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, offers, done, tally) = (&server, &offers, &done, &tally);
            scope.spawn(move || {
                let client = Client::new(server.client().base());
                let mut random = StdRng::seed_from_u64(number);
                let mut own = Expected::new();
                while done.fetch_add(1, Ordering::Relaxed) < calls {
                    one(&client, offers, &mut random, &mut own, tally);
                }
                tally.lock().unwrap().expected.extend(own);
            });
        }
    });
    let elapsed = begin.elapsed().as_secs_f64();
    let mut tally = tally.into_inner().unwrap();
    let stored = faults(server.client(), &offers, &tally.expected);
    tally.faults.extend(stored);
    println!(
        "{backend:?}: {calls} calls by {CLIENTS} clients in {elapsed:.1} s: {:?}",
        tally.answers
    );
    assert!(
        tally.answers.contains_key(&("$book", 200)) && tally.answers.contains_key(&("$book", 409))
    );
    let shown = &tally.faults[..tally.faults.len().min(20)];
    assert!(tally.faults.is_empty(), "{} faults:\n{}", tally.faults.len(), shown.join("\n"));
}

/// One call at random, and what it must have led to.
fn one(
    client: &Client,
    offers: &[Offer],
    random: &mut StdRng,
    own: &mut Expected,
    tally: &Mutex<Tally>,
) {
    let slot = offers[random.random_range(0..offers.len())].id.clone();
    let some = |own: &Expected, status: &str, random: &mut StdRng| {
        let such: Vec<_> =
            own.iter().filter(|(_, (is, _))| *is == status).map(|(id, _)| id).collect();
        (!such.is_empty()).then(|| such[random.random_range(0..such.len())].clone())
    };
    let (operation, id, asked) = match random.random_range(0..10) {
        0..4 => ("$book", None, Some(slot)),
        4..6 => ("$hold", None, Some(slot)),
        6..7 => match some(own, "pending", random) {
            Some(id) => ("$book", Some(id), None),
            None => ("$hold", None, Some(slot)),
        },
        7..8 => match some(own, "booked", random) {
            Some(id) => ("$book", Some(id), Some(slot)),
            None => ("$book", None, Some(slot)),
        },
        _ => match some(own, "booked", random).or_else(|| some(own, "pending", random)) {
            Some(id) => ("$cancel", Some(id), None),
            None => ("$book", None, Some(slot)),
        },
    };
    let reply = call(client, operation, id.as_deref(), asked.as_deref());
    let mut tally = tally.lock().unwrap();
    *tally.answers.entry((operation, reply.status)).or_default() += 1;
    if reply.status == 200 {
        let made = reply.json()["entry"][0]["resource"].clone();
        let made_id = made["id"].as_str().unwrap_or_default().to_owned();
        let slot = made["slot"][0]["reference"].as_str().unwrap_or_default();
        let status = match operation {
            "$book" => "booked",
            "$hold" => "pending",
            _ => "cancelled",
        };
        if made["status"] != status {
            tally.faults.push(format!("{operation} gave {made}"));
        }
        own.insert(made_id, (status, slot.trim_start_matches("Slot/").to_owned()));
    } else if reply.status != 409 || operation == "$cancel" {
        tally.faults.push(format!("{operation}: {} {}", reply.status, reply.text()));
    }
}

/// What is stored and should not be, or the other way round.
fn faults(client: &Client, offers: &[Offer], expected: &Expected) -> Vec<String> {
    let mut faults = Vec::new();
    let appointments = all(client, "Appointment");
    let slots = all(client, "Slot");
    let mut holders: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (id, resource) in &appointments {
        let status = resource["status"].as_str().unwrap_or_default();
        let slot = resource["slot"][0]["reference"].as_str().unwrap_or_default();
        let slot = slot.trim_start_matches("Slot/").to_owned();
        match expected.get(id) {
            Some((wanted, its)) if *wanted == status && *its == slot => {}
            other => faults.push(format!("{id} is {status} on {slot}, told {other:?}")),
        }
        if matches!(status, "booked" | "pending") {
            holders.entry(slot).or_default().push(status);
        }
    }
    if appointments.len() != expected.len() {
        faults.push(format!("{} are stored, {} told", appointments.len(), expected.len()));
    }
    let mut taken: BTreeMap<usize, Vec<&Offer>> = BTreeMap::new();
    for offer in offers {
        let status =
            slots.get(&offer.id).map_or("", |slot| slot["status"].as_str().unwrap_or_default());
        let wanted = match holders.get(&offer.id).map_or(&[][..], Vec::as_slice) {
            [] => "free",
            ["booked"] => "busy",
            ["pending"] => "busy-tentative",
            several => {
                faults.push(format!("{} is held by {several:?}", offer.id));
                continue;
            }
        };
        if status != wanted {
            faults.push(format!("{} is {status} and not {wanted}", offer.id));
        }
        if status != "free" {
            taken.entry(offer.practitioner).or_default().push(offer);
        }
    }
    for offers in taken.values_mut() {
        offers.sort_by_key(|offer| offer.period);
        for pair in offers.windows(2) {
            if pair[1].period.0 < pair[0].period.1 {
                faults.push(format!("{} and {} overlap", pair[0].id, pair[1].id));
            }
        }
    }
    faults
}

fn all(client: &Client, of: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut next = Some(format!("{of}?_count=1000"));
    while let Some(path) = next {
        let page = client.get(&path).expecting(200);
        for entry in page.json()["entry"].as_array().into_iter().flatten() {
            let resource = entry["resource"].clone();
            found.insert(resource["id"].as_str().unwrap().to_owned(), resource);
        }
        next = page.link("next");
    }
    found
}
