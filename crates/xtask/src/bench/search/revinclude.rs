//! A Patient with many referring resources: is each of them reached once by the links?

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::super::client::request;
use super::super::process::Process;
use super::http::{Client, next, refusal};
use super::population::Population;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

const HUB: &str = "bench-hub";

/// Walks `Patient?_id=…&_revinclude=*` over a copy of a population and counts.
pub(crate) fn run(
    binary: &Path,
    folder: &Path,
    population: &Population,
    referring: usize,
) -> Outcome {
    let database = folder.join("revinclude.sqlite");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("revinclude.sqlite{end}")));
    }
    std::fs::copy(&population.database, &database)?;
    let server = Process::server(binary, &database)?;
    let mut client = Client::new(server.address)?;
    put(&mut client, referring)?;
    let begin = Instant::now();
    let walked = walk(&mut client)?;
    let took = begin.elapsed();
    server.stop()?;
    std::fs::remove_file(&database)?;
    let repeated = walked.found.values().filter(|count| **count > 1).count();
    let (pages, unique) = (walked.pages, walked.found.len());
    println!("`Patient?_id={HUB}&_revinclude=*` over {} resources:", population.size + 5_001);
    println!(
        "{pages} pages in {:.0} ms (slowest {:.1} ms), {unique} unique resources of {}, \
         {repeated} more than once: {}",
        took.as_secs_f64() * 1e3,
        walked.slowest_us as f64 / 1e3,
        referring + 1,
        if unique == referring + 1 && repeated == 0 { "PASS" } else { "**MISS**" },
    );
    Ok(())
}

/// Puts the Patient and what refers to it: Observations, Conditions and Encounters in turns.
fn put(client: &mut Client, referring: usize) -> Result<(), Error> {
    let hub = format!(r#"{{"resourceType":"Patient","id":"{HUB}"}}"#);
    let others = (0..referring).map(|number| {
        let subject = format!(r#""subject":{{"reference":"Patient/{HUB}"}}"#);
        let id = format!("{HUB}-{number}");
        match number % 3 {
            0 => ("Condition", format!(r#"{{"resourceType":"Condition","id":"{id}",{subject}}}"#)),
            1 => (
                "Encounter",
                format!(
                    r#"{{"resourceType":"Encounter","id":"{id}","status":"planned","class":{{"code":"AMB"}},{subject}}}"#
                ),
            ),
            _ => (
                "Observation",
                format!(
                    r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},{subject}}}"#
                ),
            ),
        }
    });
    let hub = ("Patient", HUB.to_owned(), hub);
    let others = others.enumerate().map(|(at, (kind, text))| (kind, format!("{HUB}-{at}"), text));
    let all: Vec<String> = std::iter::once(hub)
        .chain(others)
        .map(|(kind, id, text)| {
            format!(r#"{{"resource":{text},"request":{{"method":"PUT","url":"{kind}/{id}"}}}}"#)
        })
        .collect();
    for entries in all.chunks(500) {
        let entries = entries.join(",");
        let body =
            format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}"#);
        let reply = client.send(&request("POST", "/fhir", body.as_bytes()))?;
        if reply.status != 200 {
            return Err(refusal(reply.status, reply.body).into());
        }
    }
    Ok(())
}

/// What a walk over all links gave.
struct Walked {
    pages: usize,
    slowest_us: u128,
    /// How often each `Type/id` came.
    found: BTreeMap<String, usize>,
}

fn walk(client: &mut Client) -> Result<Walked, Error> {
    let mut walked = Walked { pages: 0, slowest_us: 0, found: BTreeMap::new() };
    let mut path = Some(format!("Patient?_id={HUB}&_revinclude=*"));
    while let Some(current) = path {
        let reply = client.get(&current)?;
        if reply.status != 200 {
            return Err(refusal(reply.status, reply.body).into());
        }
        walked.pages += 1;
        walked.slowest_us = walked.slowest_us.max(reply.took.as_micros());
        let bundle = reply.json()?;
        for entry in bundle.get("entry").and_then(Value::as_array).into_iter().flatten() {
            let of = |name: &str| entry.pointer(name).and_then(Value::as_str).unwrap_or_default();
            let key = format!("{}/{}", of("/resource/resourceType"), of("/resource/id"));
            *walked.found.entry(key).or_default() += 1;
        }
        path = next(&bundle);
    }
    Ok(walked)
}
