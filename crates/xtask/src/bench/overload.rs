//! `cargo xtask bench overload`: what is left of the server's work when more is asked of it than
//! it can do.
//!
//! First the most that it does is found, with more and more clients that ask as soon as they are
//! answered. Then a multiple of that is offered, at the times at which it would come, whether the
//! server keeps up or not. What counts is the share of the most that is still answered with
//! success, and how long the reads wait that are let in.

mod load;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use load::{Answered, Offer, offer};

use super::client::{fetch, request};
use super::phases::binary;
use super::process::Process;
use super::samples::{samples, transactions};
use super::table::machine;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// Of ten requests so many read by id, so many search, and the rest create.
const READS: usize = 8;
const SEARCHES: usize = 1;

/// Sizes of the run.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Seed of the generated data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Resources to load before anything is asked.
    #[arg(long, default_value_t = 20_000)]
    resources: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many times the most is offered.
    #[arg(long, default_value_t = 3.0)]
    times: f64,
    /// Connections of the offered load.
    #[arg(long, default_value_t = 1_024)]
    connections: usize,
    /// Settings of the server, as `key=value`.
    #[arg(long = "set")]
    settings: Vec<String>,
    /// Folder for the database; a temporary one when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Runs the measurement and prints its table.
pub(super) fn run(arguments: &Arguments) -> Outcome {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    println!("{}\n{arguments:?}\n", machine());
    let settings: Vec<&str> = arguments.settings.iter().map(String::as_str).collect();
    let database = folder.join("overload.sqlite");
    let server = Process::server_with(&binary()?, &database, &settings)?;
    let requests = Arc::new(mix(&server, arguments)?);
    let time = Duration::from_secs(arguments.seconds);
    println!(
        "| load | answered/s | refused/s | not sent/s | p50 of reads, ms | p99 of reads, ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    let mut most: Option<f64> = None;
    for clients in [4, 8, 16, 32, 64, 128] {
        let offered = Offer { rate: None, connections: clients, time };
        let answered = offer(server.address, &requests, &offered)?;
        print(&format!("{clients} clients"), &answered);
        most = Some(most.map_or(answered.per_second(), |most| most.max(answered.per_second())));
    }
    let most = most.unwrap_or(0.0);
    let rate = Some(most * arguments.times);
    let offered = Offer { rate, connections: arguments.connections, time };
    let answered = offer(server.address, &requests, &offered)?;
    print(&format!("{} times the most", arguments.times), &answered);
    // The same number of connections, each asking again as soon as it is answered.
    let offered = Offer { rate: None, connections: arguments.connections, time };
    let pressed = offer(server.address, &requests, &offered)?;
    print(&format!("{} clients", arguments.connections), &pressed);
    println!("\nthe most: {most:.0}/s");
    println!("left of it under the offered load: {:.1} %", 100.0 * answered.per_second() / most);
    println!("left of it under the clients: {:.1} %", 100.0 * pressed.per_second() / most);
    server.stop()
}

fn print(name: &str, answered: &Answered) {
    println!(
        "| {name} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
        answered.per_second(),
        answered.refused_per_second(),
        answered.unsent_per_second(),
        f64::from(answered.reads.percentile_us(0.5)) / 1e3,
        f64::from(answered.reads.percentile_us(0.99)) / 1e3,
    );
}

/// Loads the samples and gives the requests, in an order that repeats.
fn mix(server: &Process, arguments: &Arguments) -> Result<Vec<(bool, Vec<u8>)>, Error> {
    let samples = samples(arguments.seed, arguments.resources)?;
    for bundle in transactions(&samples) {
        fetch(server.address, &request("POST", "/fhir", bundle.as_bytes()))?;
    }
    let mut requests = Vec::with_capacity(samples.len());
    // Far apart in the data, so that reads are spread over it.
    let stride = (samples.len() / 1_000).max(1);
    for (number, sample) in samples.iter().step_by(stride).enumerate() {
        let path = match number % 10 {
            place if place < READS => format!("/fhir/{}", sample.key()),
            place if place < READS + SEARCHES => {
                format!("/fhir/{}?_lastUpdated=gt2000&_count=5", sample.kind)
            }
            _ => {
                let create =
                    request("POST", &format!("/fhir/{}", sample.kind), sample.text.as_bytes());
                requests.push((false, create));
                continue;
            }
        };
        requests.push((true, request("GET", &path, b"")));
    }
    Ok(requests)
}
