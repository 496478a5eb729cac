//! conformance/interaction: stories of requests, told to started servers in JSON and in XML.
//!
//! Cases share a server with all others that have the same settings, and keep apart by `{case}`
//! in their ids; what looks at everything in a database has a server alone. The time of a run is
//! spent in starting servers, so a few threads work side by side.

mod case;
mod coverage;
mod format;
mod teller;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use kantele_tests::{Backend, Options, TestServer, postgres};

use self::case::{Case, Format, load};
use self::teller::Teller;
use super::gaps;

/// How many cases are told at the same time.
const THREADS: usize = 4;

#[test]
fn stories_go_as_written_on_sqlite() {
    gaps::judge("interaction", &run(Backend::Sqlite));
}

#[test]
fn stories_go_as_written_on_postgresql() {
    if postgres::is_present() {
        gaps::judge("interaction", &run(Backend::Postgres));
    }
}

/// Each case with what went otherwise. `KANTELE_TEST_CASES` names a part of the names to run.
fn run(backend: Backend) -> Vec<(String, Option<String>)> {
    let mut cases = load();
    if let Ok(part) = std::env::var("KANTELE_TEST_CASES") {
        cases.retain(|(name, _)| name.contains(&part));
    }
    let mut servers: BTreeMap<_, OnceLock<TestServer>> = BTreeMap::new();
    for (_, case) in &cases {
        servers.entry(case.environment.clone()).or_default();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, case)) = cases.get(number) else { break };
                    let shared = || servers[&case.environment].get_or_init(|| start(backend, case));
                    let faults = faults(backend, case, number, shared);
                    let failure = (!faults.is_empty()).then(|| faults.join("\n    "));
                    results.lock().unwrap().push((name.clone(), failure));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort();
    results
}

fn faults<'s>(
    backend: Backend,
    case: &Case,
    number: usize,
    shared: impl Fn() -> &'s TestServer,
) -> Vec<String> {
    let mut faults = Vec::new();
    for format in &case.formats {
        let letter = match format {
            Format::Json => 'j',
            Format::Xml => 'x',
        };
        let mark = format!("c{number}{letter}");
        let tell =
            |server: &TestServer| Teller::new(server.client(), *format, mark.clone()).tell(case);
        faults.extend(if case.alone { tell(&start(backend, case)) } else { tell(shared()) });
    }
    faults
}

fn start(backend: Backend, case: &Case) -> TestServer {
    let environment = case.environment.clone().into_iter().collect();
    TestServer::start_with(backend, Options { environment, ..Options::default() })
}
