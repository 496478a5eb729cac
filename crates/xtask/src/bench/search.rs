//! `cargo xtask bench search`: what a search costs, and whether the store's size matters to it.
//!
//! Two populations of different size are loaded and served side by side ([`mod@population`]); each
//! shape of query ([`shapes`]) is asked of both in turns, by one client over one connection, with
//! values that occur ([`values`]). The table holds each shape against what it may cost: one that
//! an index answers must end within five milliseconds at p99 and hardly grow; one that must touch
//! what matches may grow with the rows it touches ([`verdict`]).

mod fill;
mod http;
mod population;
mod reindex;
mod revinclude;
mod round;
mod shapes;
mod table;
mod values;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use super::phases::binary;
use super::process::Process;
use super::table::machine;
use crate::Outcome;
use population::{Population, Reload, population};
use reindex::Plan;
use round::{Round, measure};
use shapes::{SHAPES, Shape};
use values::{Draw, draw};

type Error = Box<dyn std::error::Error>;

/// Populations, requests, and what else to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Seed of the populations and of the values that are searched for.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Resources of each population, the smallest first.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    sizes: Vec<u64>,
    /// Requests of each shape in each run.
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
    /// Runs of each shape, the populations in turns; the run in the middle counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds after which a run of one shape ends, however many requests it has made.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Different values that the requests of a shape go around.
    #[arg(long, default_value_t = 200)]
    values: u64,
    /// Only shapes whose name holds this text.
    #[arg(long)]
    only: Option<String>,
    /// Folder for the databases, which are kept; a temporary one when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Load the populations again.
    #[arg(long, conflicts_with = "stale")]
    reload: bool,
    /// Use kept populations also where the text of the indexer has changed since.
    #[arg(long)]
    stale: bool,
    /// Instead of the shapes: walk all links of a Patient with this many referring resources.
    #[arg(long, value_name = "REFERRING", num_args = 0..=1, default_missing_value = "5000")]
    revinclude: Option<usize>,
    /// Instead of the shapes: add a SearchParameter to the largest population while searches go on.
    #[arg(long, conflicts_with = "revinclude")]
    reindex: bool,
    /// Seconds after which `--reindex` kills the server once.
    #[arg(long, default_value_t = 10)]
    kill_after_s: u64,
}

/// A population that is being served.
struct Served {
    population: Population,
    server: Process,
    draws: Vec<Draw>,
}

/// What was measured of one shape, one entry a population.
pub(crate) struct Line {
    pub(crate) shape: &'static Shape,
    pub(crate) rounds: Vec<Round>,
}

/// Runs what was asked for and prints it as Markdown.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let binary = binary()?;
    let reload = match (arguments.reload, arguments.stale) {
        (true, _) => Reload::Always,
        (false, true) => Reload::OtherSchema,
        (false, false) => Reload::OtherIndexer,
    };
    let load = |size: u64| population(&folder, arguments.seed, size, reload);
    println!("{}", machine());
    println!("load of the machine before: {}", load_average());
    println!("{arguments:?}\n");
    if let Some(referring) = arguments.revinclude {
        let smallest = arguments.sizes.iter().min().copied().ok_or("no size")?;
        return revinclude::run(&binary, &folder, &load(smallest)?, referring);
    }
    if arguments.reindex {
        let largest = arguments.sizes.iter().max().copied().ok_or("no size")?;
        let population = &load(largest)?;
        let draws = &draw(arguments.seed, largest, arguments.values.max(1))?;
        let kill_after = Duration::from_secs(arguments.kill_after_s);
        let (seed, requests, seconds) = (arguments.seed, arguments.requests, arguments.seconds);
        let (binary, folder) = (&binary, &folder);
        let plan = Plan { binary, folder, population, draws, seed, requests, seconds, kill_after };
        return reindex::run(&plan);
    }
    let mut served = Vec::new();
    for size in &arguments.sizes {
        let population = load(*size)?;
        println!("{}", population.told);
        let settings = ["search.explain=true"];
        let server = Process::server_with(&binary, &population.database, &settings)?;
        let draws = draw(arguments.seed, *size, arguments.values.max(1))?;
        served.push(Served { population, server, draws });
    }
    let lines = shapes_of(arguments, &served)?;
    println!("\nload of the machine after: {}\n", load_average());
    let sizes: Vec<u64> = served.iter().map(|it| it.population.size).collect();
    table::print(&sizes, &lines);
    for it in served {
        it.server.stop()?;
    }
    Ok(())
}

/// Every chosen shape, measured at all sizes in turns.
fn shapes_of(arguments: &Arguments, served: &[Served]) -> Result<Vec<Line>, Error> {
    let chosen = |shape: &&Shape| {
        arguments.only.as_ref().is_none_or(|text| shape.name.contains(text.as_str()))
    };
    let mut lines = Vec::new();
    for shape in SHAPES.iter().filter(chosen) {
        let mut runs: Vec<Vec<Round>> = served.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.runs.max(1) {
            for (it, runs) in served.iter().zip(&mut runs) {
                let round =
                    measure(&it.server, shape, &it.draws, arguments.requests, arguments.seconds)?;
                runs.push(round);
            }
        }
        let rounds: Vec<Round> = runs.into_iter().filter_map(round::middle).collect();
        eprintln!("{}: {}", shape.name, table::short(&rounds));
        lines.push(Line { shape, rounds });
    }
    Ok(lines)
}

/// How busy the machine is, over one, five and fifteen minutes.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
