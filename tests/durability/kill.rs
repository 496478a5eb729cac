//! kill -9 in the middle of a write storm.
//!
//! Clients create, update and transact as fast as they can and note what was acknowledged. At a
//! seeded moment the server is killed and started again. Then every acknowledged write is there,
//! every transaction is there as a whole or not at all, and the counters agree with the contents.
//!
//! `KANTELE_TEST_KILL_ROUNDS` (3) and `KANTELE_TEST_SEED` (1) scale it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};

use kantele_tests::examples::{bundle, entry, patient_with_id};
use kantele_tests::{Backend, Client, TestServer, postgres, scale};
use serde_json::json;

const CLIENTS: u64 = 8;

/// A write that was tried, and whether it was acknowledged.
#[derive(Debug)]
enum Write {
    /// `POST Patient`, under the id that the answer named.
    Created { id: String, family: String },
    /// `PUT` of a client's own Patient: the version that the answer named.
    Updated { id: String, version: u64, family: String },
    /// A transaction of three Patients with this prefix.
    Transacted { prefix: String },
    /// The same, but no answer came.
    Unanswered { prefix: String },
}

#[test]
fn acknowledged_writes_survive_kills() {
    storm(Backend::Sqlite, scale("KANTELE_TEST_KILL_ROUNDS", 3));
}

#[test]
fn acknowledged_writes_survive_kills_on_postgresql() {
    if postgres::is_present() {
        storm(Backend::Postgres, scale("KANTELE_TEST_KILL_ROUNDS", 3));
    }
}

fn storm(backend: Backend, rounds: u64) {
    let mut server = TestServer::start(backend);
    let mut random = Random(scale("KANTELE_TEST_SEED", 1));
    let mut all = Vec::new();
    for round in 0..rounds {
        let writes = write_until_killed(&mut server, round, 20 + random.below(400));
        server.start_again();
        let acknowledged = writes.iter().filter(|it| !matches!(it, Write::Unanswered { .. }));
        println!("round {round}: {} writes acknowledged", acknowledged.count());
        check(server.client(), &writes);
        all.extend(writes);
    }
    check(server.client(), &all);
    let counted = server.client().get("Patient?_summary=count").expecting(200).json();
    let found = server.client().search("Patient?_count=1000").len();
    assert_eq!(counted["total"], found, "the counter agrees with what is there");
    println!("{backend:?}: {rounds} rounds, {} writes, {found} Patients", all.len());
}

/// Lets the clients write until `kill_after` writes were acknowledged, then kills.
fn write_until_killed(server: &mut TestServer, round: u64, kill_after: u64) -> Vec<Write> {
    let (sender, receiver) = channel();
    let client = server.client().clone();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (client, sender) = (client.clone(), sender.clone());
            scope.spawn(move || write(&client, round, number, &sender));
        }
        drop(sender);
        let mut writes: Vec<Write> = (0..kill_after).map_while(|_| receiver.recv().ok()).collect();
        server.kill();
        writes.extend(receiver.iter());
        writes
    })
}

/// One client: writes until the server is gone.
fn write(client: &Client, round: u64, number: u64, sender: &Sender<Write>) {
    let own = format!("own-{number}");
    for step in 0_u64.. {
        let family = format!("Virtanen-{round}-{number}-{step}");
        let is_alive = match step % 3 {
            0 => create(client, family, sender),
            1 => update(client, &own, family, sender),
            _ => transact(client, format!("t-{round}-{number}-{step}"), sender),
        };
        if !is_alive {
            return;
        }
    }
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/fhir+json")];

fn create(client: &Client, family: String, sender: &Sender<Write>) -> bool {
    let body = patient_with_id("ignored", &family).to_string();
    let Ok(reply) = client.try_send("POST", "Patient", &JSON, body.as_bytes()) else {
        return false;
    };
    let id = reply.expecting(201).json()["id"].as_str().unwrap().to_owned();
    sender.send(Write::Created { id, family }).is_ok()
}

fn update(client: &Client, id: &str, family: String, sender: &Sender<Write>) -> bool {
    let body = patient_with_id(id, &family).to_string();
    let path = format!("Patient/{id}");
    let Ok(reply) = client.try_send("PUT", &path, &JSON, body.as_bytes()) else {
        return false;
    };
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    let version = reply.json()["meta"]["versionId"].as_str().unwrap().parse().unwrap();
    sender.send(Write::Updated { id: id.to_owned(), version, family }).is_ok()
}

fn transact(client: &Client, prefix: String, sender: &Sender<Write>) -> bool {
    let entries = ids(&prefix)
        .map(|id| {
            let body = patient_with_id(&id, &prefix);
            entry("PUT", &format!("Patient/{id}"), None, Some(body))
        })
        .to_vec();
    let body = json!(bundle("transaction", entries)).to_string();
    match client.try_send("POST", "", &JSON, body.as_bytes()) {
        Ok(reply) => {
            reply.expecting(200);
            sender.send(Write::Transacted { prefix }).is_ok()
        }
        Err(_) => {
            let _ = sender.send(Write::Unanswered { prefix });
            false
        }
    }
}

fn ids(prefix: &str) -> [String; 3] {
    ["a", "b", "c"].map(|part| format!("{prefix}-{part}"))
}

fn check(client: &Client, writes: &[Write]) {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for write in writes {
        match write {
            Write::Created { id, family } => {
                let found = client.get(&format!("Patient/{id}")).expecting(200).json();
                assert_eq!(found["name"][0]["family"], *family, "{write:?}");
            }
            Write::Updated { id, version, family } => {
                let path = format!("Patient/{id}/_history/{version}");
                let found = client.get(&path).expecting(200).json();
                assert_eq!(found["name"][0]["family"], *family, "{write:?}");
                let newest = newest.entry(id).or_default();
                *newest = (*newest).max(*version);
            }
            Write::Transacted { prefix } => {
                ids(prefix).iter().for_each(|id| {
                    client.get(&format!("Patient/{id}")).expecting(200);
                });
            }
            Write::Unanswered { prefix } => {
                let statuses = ids(prefix).map(|id| client.get(&format!("Patient/{id}")).status);
                let is_whole = statuses == [200; 3] || statuses == [404; 3];
                assert!(is_whole, "half a transaction: {prefix} {statuses:?}");
            }
        }
    }
    for (id, version) in newest {
        let found = client.get(&format!("Patient/{id}")).expecting(200).json();
        let current: u64 = found["meta"]["versionId"].as_str().unwrap().parse().unwrap();
        assert!(current >= version, "{id}: {current} after {version} was acknowledged");
    }
}

/// A small generator of our own: the moments differ, the run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
