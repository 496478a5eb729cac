//! `cargo xtask bench trace`: what the trace of accesses costs.
//!
//! Two servers over equal data, one with the trace and one without, are asked the same things in
//! turn. What counts is the CPU time that the trace takes for each patient who was touched, what
//! is left of the rate, and how much longer a client waits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::client::{fetch, request, send};
use super::measure::{Figure, loaded, median};
use super::phases::binary;
use super::process::Process;
use super::samples::{samples, transactions};
use super::table::machine;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// Sizes of the run.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Seed of the generated data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Resources to load before anything is asked.
    #[arg(long, default_value_t = 20_000)]
    resources: usize,
    /// Requests of each measurement with many clients; a single client makes a tenth.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Runs of each measurement; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder for the databases, on the disk to be measured; a temporary one when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Requests of one kind.
struct Kind {
    name: &'static str,
    clients: usize,
    requests: Arc<Vec<Vec<u8>>>,
    count: usize,
}

/// Runs the measurement and prints its table.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    println!("{}\n{arguments:?}\n", machine());
    let plain = server(&folder.join("plain.sqlite"), "trace.mode=off", arguments)?;
    let traced = server(&folder.join("traced.sqlite"), "trace.mode=on", arguments)?;
    println!(
        "| measurement | patients each | plain/s | traced/s | left | plain CPU us | traced CPU us \
         | CPU us a patient | plain p50 us | traced p50 us |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for kind in kinds(arguments)? {
        let patients = patients(&plain, &kind)?;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..arguments.runs {
            without.push(measure(&plain, &kind)?);
            with.push(measure(&traced, &kind)?);
        }
        let (Some(without), Some(with)) = (median(without), median(with)) else { continue };
        println!(
            "| {} | {patients:.1} | {:.0} | {:.0} | {:.0} % | {:.1} | {:.1} | {:.1} | {} | {} |",
            kind.name,
            without.per_second,
            with.per_second,
            100.0 * with.per_second / without.per_second,
            without.cpu_us,
            with.cpu_us,
            (with.cpu_us - without.cpu_us) / patients.max(1.0),
            without.p50_us,
            with.p50_us,
        );
    }
    plain.stop()?;
    traced.stop()
}

fn server(database: &std::path::Path, mode: &str, arguments: &Arguments) -> Result<Process, Error> {
    let server = Process::server_with(&binary()?, database, &[mode])?;
    for bundle in transactions(&samples(arguments.seed, arguments.resources)?) {
        fetch(server.address, &request("POST", "/fhir", bundle.as_bytes()))?;
    }
    Ok(server)
}

fn measure(server: &Process, kind: &Kind) -> Result<Figure, Error> {
    loaded(server, 1, || send(server.address, kind.clients, &kind.requests, 0, kind.count))
}

fn kinds(arguments: &Arguments) -> Result<Vec<Kind>, Error> {
    let samples = samples(arguments.seed, arguments.resources)?;
    let get = |path: String| request("GET", &path, b"");
    let far_apart = samples.iter().step_by((samples.len() / 1_000).max(1));
    let of = |kind: &'static str| far_apart.clone().filter(move |sample| sample.kind == kind);
    let reads = of("Observation").map(|sample| get(format!("/fhir/{}", sample.key()))).collect();
    let (reads, creates) = (
        Arc::new(reads),
        Arc::new(
            of("Observation")
                .map(|sample| request("POST", "/fhir/Observation", sample.text.as_bytes()))
                .collect(),
        ),
    );
    let patients = samples.iter().filter(|sample| sample.kind == "Patient").take(500);
    let of_one = patients
        .map(|sample| get(format!("/fhir/Observation?subject={}&_count=20", sample.key())))
        .collect();
    let of_many = vec![get("/fhir/Observation?status=final&_count=20".to_owned())];
    let many = arguments.requests;
    let kind = |name, clients, requests, count| Kind { name, clients, requests, count };
    Ok(vec![
        kind("read, 1 client", 1, Arc::clone(&reads), many / 10),
        kind("read, 64 clients", 64, reads, many),
        kind("search of one patient's, 64 clients", 64, Arc::new(of_one), many / 4),
        kind("search over many patients, 64 clients", 64, Arc::new(of_many), many / 4),
        kind("create, 64 clients", 64, creates, many / 4),
    ])
}

/// How many patients an answer tells of, as a mean over some requests.
fn patients(server: &Process, kind: &Kind) -> Result<f64, Error> {
    let mut count = 0_u32;
    let some: Vec<_> = kind.requests.iter().take(50).collect();
    for request in &some {
        let body = String::from_utf8(fetch(server.address, request)?)?;
        let named: BTreeSet<&str> =
            body.split("\"Patient/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        count += u32::try_from(named.len())?;
    }
    Ok(f64::from(count) / some.len() as f64)
}
