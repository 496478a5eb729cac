//! `cargo xtask bench trace`: what the trace of accesses costs.
//!
//! Two servers over equal data, one with the trace and one without, are asked the same things in
//! turn. What counts is the CPU time that the trace takes for each patient who was touched, what
//! is left of the rate, and how much longer a client waits; the first two are taken of runs beside
//! each other.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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

/// Rows of the trace are moved and sealed later than they are flushed: after so long they are.
const SETTLING: Duration = Duration::from_millis(2_500);

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
        let pairs = pairs(&plain, &traced, &kind, arguments.runs)?;
        let (without, with): (Vec<Figure>, Vec<Figure>) = pairs.iter().copied().unzip();
        let (Some(without), Some(with)) = (median(without), median(with)) else { continue };
        let left = middle(&pairs, |plain, traced| traced.per_second / plain.per_second);
        let more = middle(&pairs, |plain, traced| traced.cpu_us - plain.cpu_us);
        println!(
            "| {} | {patients:.1} | {:.0} | {:.0} | {:.0} % | {:.1} | {:.1} | {:.1} | {} | {} |",
            kind.name,
            without.per_second,
            with.per_second,
            100.0 * left,
            without.cpu_us,
            with.cpu_us,
            more / patients.max(1.0),
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

/// Runs beside each other, without the trace and with it: one pair that does not count, for what is
/// only paid once, then so many, each begun by the other server.
fn pairs(
    plain: &Process,
    traced: &Process,
    kind: &Kind,
    runs: usize,
) -> Result<Vec<(Figure, Figure)>, Error> {
    let mut pairs = Vec::new();
    for run in 0..=runs {
        let (without, with) = if run % 2 == 0 {
            let without = measure(plain, kind)?;
            (without, measure(traced, kind)?)
        } else {
            let with = measure(traced, kind)?;
            (measure(plain, kind)?, with)
        };
        if run > 0 {
            pairs.push((without, with));
        }
    }
    Ok(pairs)
}

/// What is in the middle of the pairs: a machine that is slower for a while is so for both.
fn middle(pairs: &[(Figure, Figure)], of: impl Fn(&Figure, &Figure) -> f64) -> f64 {
    let mut values: Vec<f64> = pairs.iter().map(|(plain, traced)| of(plain, traced)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One run; what the server does later because of it counts.
fn measure(server: &Process, kind: &Kind) -> Result<Figure, Error> {
    loaded(server, 1, || {
        let taken = send(server.address, kind.clients, &kind.requests, 0, kind.count);
        std::thread::sleep(SETTLING);
        taken
    })
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
