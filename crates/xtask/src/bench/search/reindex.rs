//! A SearchParameter that is added to a large store: what searches notice of it, whether it
//! survives a kill, and whether its answer is complete as soon as there is one.

use std::path::Path;
use std::time::{Duration, Instant};

use kanta_samples::Samples;

use super::super::client::request;
use super::super::process::Process;
use super::http::{Client, refusal};
use super::population::Population;
use super::round::{Round, measure, middle};
use super::shapes::{SHAPES, Shape};
use super::values::Draw;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// The parameter: no parameter of R4 reads this element.
const PARAMETER: &str = r#"{"resourceType":"SearchParameter","id":"bench-interpretation",
"url":"https://example.org/fhir/SearchParameter/bench-interpretation","name":"BenchInterpretation",
"status":"active","description":"Whether a value is high, low or normal",
"code":"interpretation","base":["Observation"],"type":"token",
"expression":"Observation.interpretation"}"#;
const COUNT: &str = "Observation?interpretation=H&_summary=count";

/// Shapes whose latency is watched.
const WATCHED: [&str; 4] =
    ["token", "date range, newest first", "patient + code", "_sort=_lastUpdated"];
/// Resources that are written while the index is made.
const WRITTEN: u64 = 20;
/// After this the bench gives up.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// How to run it.
pub(crate) struct Plan<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) population: &'a Population,
    pub(crate) draws: &'a [Draw],
    pub(crate) seed: u64,
    pub(crate) requests: usize,
    pub(crate) seconds: f64,
    /// When the server is killed, after the parameter was activated.
    pub(crate) kill_after: Duration,
}

/// Adds the parameter to a copy of the population and tells what happened.
pub(crate) fn run(plan: &Plan<'_>) -> Outcome {
    let database = plan.folder.join("reindex.sqlite");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(plan.folder.join(format!("reindex.sqlite{end}")));
    }
    std::fs::copy(&plan.population.database, &database)?;
    let shapes: Vec<&Shape> =
        SHAPES.iter().filter(|shape| WATCHED.contains(&shape.name.trim_matches('`'))).collect();
    let mut server = Process::server(plan.binary, &database)?;
    let mut before = Vec::new();
    for shape in &shapes {
        let rounds = (0..3).map(|_| plan.measure(&server, shape)).collect::<Result<_, _>>()?;
        before.push(middle(rounds).unwrap_or_default());
    }
    activate(&server)?;
    let activated = Instant::now();
    let mut written = write(&server, 0)?;
    let mut meanwhile: Vec<Vec<Round>> = shapes.iter().map(|_| Vec::new()).collect();
    let mut killed = None;
    let live = loop {
        for (shape, rounds) in shapes.iter().zip(&mut meanwhile) {
            rounds.push(plan.measure(&server, shape)?);
        }
        if let Some(count) = counted(&server)? {
            break count;
        }
        if killed.is_none() && activated.elapsed() > plan.kill_after {
            // A drop ends the process with SIGKILL.
            drop(server);
            server = Process::server(plan.binary, &database)?;
            killed = Some(activated.elapsed());
            written += write(&server, written)?;
        }
        if activated.elapsed() > PATIENCE {
            return Err("the parameter did not come live within an hour".into());
        }
    };
    let took = activated.elapsed();
    server.stop()?;
    std::fs::remove_file(&database)?;
    let expected = expected(plan.seed, plan.population.size)? + written;
    report(&before, meanwhile, &shapes);
    match killed {
        Some(at) => println!("\nkilled and started again after {:.1} s", at.as_secs_f64()),
        None => println!("\nlive before it was to be killed: give an earlier --kill-after-s"),
    }
    println!(
        "live after {:.1} s; {live} matches where {expected} are expected: {}",
        took.as_secs_f64(),
        if live == expected { "PASS" } else { "**MISS**" }
    );
    Ok(())
}

impl Plan<'_> {
    fn measure(&self, server: &Process, shape: &Shape) -> Result<Round, Error> {
        measure(server, shape, self.draws, self.requests, self.seconds)
    }
}

fn report(before: &[Round], meanwhile: Vec<Vec<Round>>, shapes: &[&Shape]) {
    println!("| shape | p50 us before | p99 | p50 us meanwhile | p99 | ratio | verdict |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    for ((shape, before), rounds) in shapes.iter().zip(before).zip(meanwhile) {
        let after = middle(rounds).unwrap_or_default();
        let ratio = after.median_us as f64 / before.median_us.max(1) as f64;
        println!(
            "| {} | {} | {} | {} | {} | {ratio:.2} | {} |",
            shape.name,
            before.median_us,
            before.p99_us,
            after.median_us,
            after.p99_us,
            if ratio <= 2.0 { "PASS" } else { "**MISS**" }
        );
    }
}

/// Stores the parameter and asks that it becomes live.
fn activate(server: &Process) -> Result<(), Error> {
    let mut client = Client::new(server.address)?;
    let path = "/fhir/SearchParameter/bench-interpretation";
    let body = PARAMETER.replace('\n', "");
    for (method, path, body) in [
        ("PUT", path.to_owned(), body.as_bytes()),
        ("POST", format!("{path}/$activate"), br#"{"resourceType":"Parameters"}"#.as_slice()),
    ] {
        let reply = client.send(&request(method, &path, body))?;
        if !(200..300).contains(&reply.status) {
            return Err(refusal(reply.status, reply.body).into());
        }
    }
    Ok(())
}

/// Puts observations that the parameter must find. Gives how many.
fn write(server: &Process, first: u64) -> Result<u64, Error> {
    let mut client = Client::new(server.address)?;
    for number in first..first + WRITTEN {
        let body = format!(
            r#"{{"resourceType":"Observation","id":"bench-high-{number}","status":"final","code":{{"text":"x"}},"interpretation":[{{"coding":[{{"code":"H"}}]}}]}}"#
        );
        let path = format!("/fhir/Observation/bench-high-{number}");
        let reply = client.send(&request("PUT", &path, body.as_bytes()))?;
        if reply.status != 201 {
            return Err(refusal(reply.status, reply.body).into());
        }
    }
    Ok(WRITTEN)
}

/// What the parameter finds, once it answers.
fn counted(server: &Process) -> Result<Option<u64>, Error> {
    let mut client = Client::new(server.address)?;
    let reply = client.get(COUNT)?;
    match reply.status {
        200 => Ok(reply.json()?.get("total").and_then(serde_json::Value::as_u64)),
        400 | 409 | 503 => Ok(None),
        status => Err(refusal(status, reply.body).into()),
    }
}

/// How many observations of the population are high.
fn expected(seed: u64, size: u64) -> Result<u64, Error> {
    let samples = Samples::new(seed);
    let mut count = 0;
    for number in 0..size {
        let sample = samples.mix(number);
        let text = std::str::from_utf8(&sample.bytes)?;
        let is_high = text
            .split_once(r#""interpretation":[{"coding":[{"#)
            .and_then(|(_, rest)| rest.split_once(r#""code":""#))
            .is_some_and(|(_, rest)| rest.starts_with("H\""));
        count += u64::from(is_high);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watched_shapes_are_there() {
        for name in WATCHED {
            assert!(SHAPES.iter().any(|shape| shape.name.trim_matches('`') == name), "{name}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(PARAMETER).is_ok());
    }

    #[test]
    fn high_values_are_counted_as_they_are_written() {
        let samples = Samples::new(2);
        let mut count = 0;
        for number in 0..1_000 {
            let found: serde_json::Value =
                serde_json::from_slice(&samples.mix(number).bytes).unwrap();
            let code = found.pointer("/interpretation/0/coding/0/code");
            count += u64::from(code.and_then(serde_json::Value::as_str) == Some("H"));
        }
        assert!(count > 10);
        assert_eq!(expected(2, 1_000).unwrap(), count);
    }
}
