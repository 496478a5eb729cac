//! kill -9 while a package is being installed: it is there as a whole or not at all, and the next
//! installation goes through.

use std::time::{Duration, Instant};

use kantele_tests::package::{archive, binary, value_set};
use kantele_tests::{Backend, TestServer, postgres};
use serde_json::{Value, json};

/// Value sets of the package: enough for the kill to come in the middle.
const SETS: usize = 3000;

#[test]
fn a_killed_installation_leaves_nothing_half() {
    kill_on_the_way(Backend::Sqlite);
}

#[test]
fn a_killed_installation_leaves_nothing_half_on_postgresql() {
    if postgres::is_present() {
        kill_on_the_way(Backend::Postgres);
    }
}

fn kill_on_the_way(backend: Backend) {
    let sets: Vec<Value> =
        (0..SETS).map(|at| value_set(&format!("v{at}"), &format!("c{at}"))).collect();
    let body = binary(&archive("x.big#1.0.0", &json!({}), &sets)).to_string();
    let mut server = TestServer::start(backend);
    let install = "$kantele-package-install";
    let headers = [("content-type", "application/fhir+json")];
    // How long a whole installation takes here and now.
    let begin = Instant::now();
    server.client().send("POST", install, &headers, body.as_bytes()).expecting(200);
    let whole = begin.elapsed();
    remove(&server);
    let mut left = Vec::new();
    for round in 1..=4_u32 {
        let client = server.client().clone();
        let sent = body.clone();
        let begin = Instant::now();
        let sender = std::thread::spawn(move || {
            // The server is killed before it answers, or just after.
            let _ = client.try_send("POST", install, &headers, sent.as_bytes());
        });
        let until: Duration = whole * round / 5;
        while begin.elapsed() < until {
            std::thread::yield_now();
        }
        server.kill();
        sender.join().unwrap();
        server.start_again();
        left.push(count(&server));
        remove(&server);
    }
    println!("{backend:?}: whole in {} ms, left {left:?}", whole.as_millis());
    server.client().send("POST", install, &headers, body.as_bytes()).expecting(200);
    assert_eq!(count(&server), SETS);
}

/// How many value sets of the package the server has: all of them where it lists the package.
fn count(server: &TestServer) -> usize {
    let list = server.client().get("$kantele-package-list").expecting(200).json();
    let is_listed = list["parameter"].is_array();
    let has = |at: usize| {
        let url = format!("ValueSet?url=http://x.org/v{at}");
        !server.client().search(&url).is_empty()
    };
    for at in [0, 1, SETS / 2, SETS - 1] {
        assert_eq!(has(at), is_listed, "value set {at} of a package that is there or not");
    }
    if !is_listed {
        return 0;
    }
    let parts = list["parameter"][0]["part"].as_array().unwrap();
    let resources = parts.iter().find(|part| part["name"] == "resources").unwrap();
    let count = resources["part"][0]["valueDecimal"].as_u64().unwrap();
    usize::try_from(count).unwrap()
}

fn remove(server: &TestServer) {
    let body = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "package", "valueString": "x.big" } ] });
    let reply = server.client().post("$kantele-package-uninstall", &body);
    assert!([200, 404].contains(&reply.status), "{}", reply.text());
}
