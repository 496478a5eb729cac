//! Many clients whose transactions overlap: nothing is lost, nothing is doubled, versions have no
//! gaps, and nobody is told of a deadlock.
//!
//! Every transaction leaves its mark in everything that it writes. Afterwards the histories are
//! read and held against what the clients were answered. `KANTELE_TEST_STORM_SECONDS` makes the
//! storm longer.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a storm says how strong it was")]
#![allow(clippy::disallowed_methods, reason = "a storm lasts by the machine's clock")]

mod booking;
mod calm;
mod large;
mod transaction;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kantele_tests::{Backend, Client, TestServer, postgres, scale};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::transaction::Sent;

/// Clients that send at the same time.
const CLIENTS: u64 = 32;

/// What the answers said: for each resource, the mark of each version that was acknowledged.
#[derive(Default)]
struct Acknowledged {
    versions: BTreeMap<String, BTreeMap<i64, String>>,
    transactions: usize,
    latencies: Vec<Duration>,
    faults: Vec<String>,
}

#[test]
fn overlapping_transactions_on_sqlite() {
    storm(Backend::Sqlite);
}

#[test]
fn overlapping_transactions_on_postgresql() {
    if postgres::is_present() {
        storm(Backend::Postgres);
    }
}

fn storm(backend: Backend) {
    let server = TestServer::start(backend);
    transaction::prepare(server.client());
    let duration = Duration::from_secs(scale("KANTELE_TEST_STORM_SECONDS", 4));
    let (begin, acknowledged) = (Instant::now(), Mutex::new(Acknowledged::default()));
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, acknowledged) = (&server, &acknowledged);
            scope.spawn(move || {
                // A client of its own, with a connection of its own.
                let client = Client::new(server.client().base());
                let mut random = StdRng::seed_from_u64(number);
                let mut round = 0;
                while begin.elapsed() < duration {
                    let mark = format!("m{number}-{round}");
                    round += 1;
                    send(&client, &mark, &mut random, acknowledged);
                }
            });
        }
    });
    let elapsed = begin.elapsed();
    let mut acknowledged = acknowledged.into_inner().unwrap();
    acknowledged.latencies.sort();
    let at = |percent: usize| {
        let place = acknowledged.latencies.len() * percent / 100;
        acknowledged.latencies.get(place).copied().unwrap_or_default().as_millis()
    };
    println!(
        "{backend:?}: {} transactions of {} entries by {CLIENTS} clients in {:.1} s, median {} ms, \
         99 % below {} ms, {} faults",
        acknowledged.transactions,
        transaction::ENTRIES,
        elapsed.as_secs_f64(),
        at(50),
        at(99),
        acknowledged.faults.len(),
    );
    let mut faults = std::mem::take(&mut acknowledged.faults);
    faults.extend(calm::faults(server.client(), &acknowledged));
    assert!(acknowledged.transactions >= 2, "too few transactions to overlap");
    let shown = &faults[..faults.len().min(20)];
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), shown.join("\n"));
}

fn send(client: &Client, mark: &str, random: &mut StdRng, all: &Mutex<Acknowledged>) {
    let sent = Sent::draw(mark, random.random());
    let begin = Instant::now();
    let reply = client.post("", &sent.bundle);
    let elapsed = begin.elapsed();
    let mut all = all.lock().unwrap();
    all.latencies.push(elapsed);
    if reply.status != 200 {
        all.faults.push(format!("{mark}: {} {}", reply.status, reply.text()));
        return;
    }
    all.transactions += 1;
    match sent.written(&reply.json()) {
        Err(fault) => all.faults.push(format!("{mark}: {fault}")),
        Ok(written) => {
            for (key, version) in written {
                let versions = all.versions.entry(key.clone()).or_default();
                if let Some(other) = versions.insert(version, mark.to_owned()) {
                    let fault = format!("{key} version {version} went to {mark} and to {other}");
                    all.faults.push(fault);
                }
            }
        }
    }
}
