//! Every access is in the trace: of random requests, whatever they came to, and through kills.
//!
//! Clients ask at random and note what was answered; at seeded moments the server is killed and
//! started again. Then each answer has its AuditEvents, one for each patient that it told of, every
//! version that stands in the database has the AuditEvent of its write, and the chain holds.
//!
//! `KANTELE_TEST_TRACED` (600 requests), `KANTELE_TEST_KILL_ROUNDS` (3) and `KANTELE_TEST_SEED` (1)
//! scale it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Sender, channel};

use kantele_tests::{Backend, Client, Options, TestServer, postgres, scale};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const CLIENTS: u64 = 6;
const PATIENTS: u64 = 9;

/// A request that was answered: its id, its status, and the patients that the answer told of.
struct Answered {
    request_id: String,
    told: String,
    status: u16,
    patients: BTreeSet<String>,
}

/// What the trace says of one request.
#[derive(Default)]
struct Traced {
    patients: BTreeSet<String>,
    outcomes: BTreeSet<String>,
}

#[test]
fn every_access_has_its_trace() {
    run(Backend::Sqlite);
}

#[test]
fn every_access_has_its_trace_on_postgresql() {
    if postgres::is_present() {
        run(Backend::Postgres);
    }
}

fn run(backend: Backend) {
    let arguments = ["--set", "trace.mode=on", "--set", "trace.seal_every_s=1"];
    let arguments = arguments.map(ToOwned::to_owned).to_vec();
    let options = Options { arguments, ..Options::default() };
    let mut server = TestServer::start_with(backend, options);
    let rounds = scale("KANTELE_TEST_KILL_ROUNDS", 3);
    let requests = scale("KANTELE_TEST_TRACED", 600);
    let mut answered = Vec::new();
    for round in 0..rounds {
        answered.extend(ask_until_killed(&mut server, round, requests / rounds));
        server.start_again();
    }
    let (events, versions) = (traced(server.client()), written(server.client()));
    for one in &answered {
        let traced = events.0.get(&one.request_id);
        let traced = traced.unwrap_or_else(|| panic!("not traced: {}", one.told));
        let is_success = one.status < 400;
        // An operation that meets nothing to do succeeds within a batch that is answered with 200.
        assert!(!is_success || traced.outcomes.contains("0"), "{}", one.told);
        assert!(is_success || traced.outcomes.contains("4"), "{}: {:?}", one.told, traced.outcomes);
        let missing: Vec<_> = one.patients.difference(&traced.patients).collect();
        assert!(missing.is_empty(), "{}: {missing:?} of {:?}", one.told, traced.patients);
    }
    let unwritten: Vec<_> = versions.difference(&events.1).collect();
    assert!(unwritten.is_empty(), "versions without their trace: {unwritten:?}");
    // While the server runs, and once it has stopped: what a kill left unsealed is sealed too.
    assert!(server.run(&["verify"]).status.success());
    assert!(server.stop().success());
    let verified = server.run(&["verify"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    let is_sealed = said.contains("not sealed yet: 0\n") && said.contains("whole");
    assert!(verified.status.success() && is_sealed, "{verified:?}");
    println!("{backend:?}: {} answers, {} versions, {said}", answered.len(), versions.len());
}

fn ask_until_killed(server: &mut TestServer, round: u64, until: u64) -> Vec<Answered> {
    let (sender, receiver) = channel();
    let client = server.client().clone();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (client, sender) = (client.clone(), sender.clone());
            let seed = scale("KANTELE_TEST_SEED", 1) << 32 | round << 8 | number;
            scope.spawn(move || ask(&client, seed, &sender));
        }
        drop(sender);
        let mut answered: Vec<Answered> = (0..until).map_while(|_| receiver.recv().ok()).collect();
        server.kill();
        answered.extend(receiver.iter());
        answered
    })
}

/// One client: asks until the server is gone.
fn ask(client: &Client, seed: u64, sender: &Sender<Answered>) {
    let mut random = StdRng::seed_from_u64(seed);
    for step in 0_u64.. {
        let (method, path, body) = request(&mut random);
        let request_id = format!("r-{seed}-{step}");
        let headers = [
            ("X-Request-Id", request_id.as_str()),
            ("Content-Type", if path.ends_with("_search") { FORM } else { JSON }),
            ("Prefer", "return=representation"),
        ];
        let Ok(reply) = client.try_send(method, &path, &headers, body.as_bytes()) else { return };
        let mut patients = BTreeSet::new();
        if reply.body.starts_with(b"{") {
            patients_in(&reply.json(), &mut patients);
        }
        let told = format!("{method} {path} {body} was answered {}", reply.status);
        let status = reply.status;
        if sender.send(Answered { request_id, told, status, patients }).is_err() {
            return;
        }
    }
}

const JSON: &str = "application/fhir+json";
const FORM: &str = "application/x-www-form-urlencoded";

fn request(random: &mut StdRng) -> (&'static str, String, String) {
    let patient = format!("Patient/p{}", random.random_range(0..PATIENTS));
    let observation = format!("Observation/o{}", random.random_range(0..PATIENTS * 2));
    let resource = |key: &str| {
        let (kind, id) = key.split_once('/').unwrap();
        let mut resource = json!({"resourceType": kind, "id": id});
        if kind == "Patient" {
            resource["name"] = json!([{"family": "Virtanen"}]);
        } else {
            resource["status"] = json!("final");
            resource["code"] = json!({"text": "x"});
            resource["subject"] = json!({"reference": patient});
        }
        resource
    };
    let get = |path: String| ("GET", path, String::new());
    match random.random_range(0..16) {
        0 | 1 => ("PUT", patient.clone(), resource(&patient).to_string()),
        2 | 3 => ("PUT", observation.clone(), resource(&observation).to_string()),
        4 => ("POST", "Observation".to_owned(), resource(&observation).to_string()),
        5 => ("DELETE", observation, String::new()),
        6 => get(patient),
        7 => get(observation),
        8 => get(format!("Observation?subject={patient}&_include=Observation:subject")),
        9 => ("POST", "Observation/_search".to_owned(), "status=final&_count=50".to_owned()),
        10 => get(format!("{observation}/_history")),
        11 => get(format!("{patient}/$everything")),
        12 => get("Observation?nonsense=1".to_owned()),
        13 => get("Patient/nobody".to_owned()),
        14 => ("POST", "Patient".to_owned(), "{\"resourceType\":".to_owned()),
        _ => {
            let kind = if random.random() { "transaction" } else { "batch" };
            let put = |key: &str| {
                json!({"resource": resource(key),
                "request": {"method": "PUT", "url": key}})
            };
            let read = json!({"request": {"method": "GET", "url": "Patient?_count=5"}});
            let bundle = json!({"resourceType": "Bundle", "type": kind,
                "entry": [put(&patient), put(&observation), read]});
            ("POST", String::new(), bundle.to_string())
        }
    }
}

/// The patients of the resources in an answer.
fn patients_in(value: &Value, found: &mut BTreeSet<String>) {
    if value["resourceType"] == "Patient"
        && let Some(id) = value["id"].as_str()
    {
        found.insert(format!("Patient/{id}"));
    }
    if let Some(subject) = value["subject"]["reference"].as_str() {
        found.insert(subject.to_owned());
    }
    for entry in value["entry"].as_array().into_iter().flatten() {
        patients_in(&entry["resource"], found);
    }
}

/// What the trace says of each request, and the versions whose writes it tells of.
fn traced(client: &Client) -> (BTreeMap<String, Traced>, BTreeSet<String>) {
    let mut requests: BTreeMap<String, Traced> = BTreeMap::new();
    let (mut versions, mut ids) = (BTreeSet::new(), BTreeSet::new());
    let mut next = Some("trace/AuditEvent?_count=1000".to_owned());
    while let Some(url) = next {
        let page = client.get(&url).expecting(200);
        for entry in page.json()["entry"].as_array().into_iter().flatten() {
            let event = &entry["resource"];
            if event["resourceType"] != "AuditEvent" {
                continue;
            }
            assert!(ids.insert(event["id"].to_string()), "an event comes twice");
            let entities = event["entity"].as_array().unwrap();
            let of = |code: &str| entities.iter().find(|each| each["type"]["code"] == code);
            let id = of("XrequestId").map(|each| &each["what"]["identifier"]["value"]);
            let request = requests.entry(id.unwrap().as_str().unwrap().to_owned()).or_default();
            request.outcomes.insert(event["outcome"].as_str().unwrap().to_owned());
            let patient = of("1").and_then(|each| each["what"]["reference"].as_str());
            request.patients.extend(patient.map(ToOwned::to_owned));
            if ["C", "U", "D"].contains(&event["action"].as_str().unwrap()) {
                let data = of("2").and_then(|each| each["what"]["reference"].as_str());
                versions.extend(data.map(ToOwned::to_owned));
            }
        }
        next = page.link("next");
    }
    (requests, versions)
}

/// Every version that stands in the database: `Patient/1/_history/2`.
fn written(client: &Client) -> BTreeSet<String> {
    let mut versions = BTreeSet::new();
    let mut next = Some("_history?_count=1000".to_owned());
    while let Some(url) = next {
        let page = client.get(&url).expecting(200);
        for entry in page.json()["entry"].as_array().into_iter().flatten() {
            let url = entry["fullUrl"].as_str().unwrap();
            let key: Vec<&str> = url.rsplit('/').take(2).collect();
            let version = entry["response"]["etag"].as_str().unwrap();
            let version = version.trim_start_matches("W/").trim_matches('"');
            versions.insert(format!("{}/{}/_history/{version}", key[1], key[0]));
        }
        next = page.link("next");
    }
    versions
}
