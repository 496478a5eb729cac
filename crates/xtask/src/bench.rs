//! `cargo xtask bench`: the built server measured against its ceilings, in one run.
//!
//! Every figure comes with the CPU time that the server's process spent for it (user and system,
//! from `/proc`), which other work on the machine hardly moves, and as a ratio to a ceiling that
//! was measured between the same runs: an actix route that returns the same bytes from memory
//! ([`ceiling`]), and the store called directly with equal rows ([`bare`]). The load comes from
//! this process over plain sockets ([`client`]). Medians of the runs are printed as Markdown.

mod bare;
mod ceiling;
mod client;
mod disclosure;
mod measure;
mod overload;
mod phases;
mod process;
mod samples;
mod search;
mod table;
mod trace;
mod validation;

use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;

/// What to measure: everything of a small store, or searches over large ones.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    whole: Arguments,
}

/// A measurement of its own.
#[derive(clap::Subcommand)]
enum Part {
    /// Query shapes over two populations, the larger ten times the smaller.
    Search(search::Arguments),
    /// More than the server can do: how much of it is still done.
    Overload(overload::Arguments),
    /// The validator alone, and creates with it.
    Validation(validation::Arguments),
    /// What the trace of accesses costs.
    Trace(trace::Arguments),
    /// What it costs to decide who may see what.
    Disclosure(disclosure::Arguments),
}

/// Sizes and seed of a run.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Seed of the generated data and of the order of requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Resources to load before anything is read.
    #[arg(long, default_value_t = 20_000)]
    resources: usize,
    /// Requests of each read and search measurement.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Creates of each measurement with many clients; a single client makes a tenth.
    #[arg(long, default_value_t = 5_000)]
    creates: usize,
    /// Clients at once, where there are many.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Runs of each measurement; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder for the databases, on the disk to be measured; a temporary one when absent.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What the bench starts for itself.
#[derive(clap::Subcommand)]
pub(crate) enum Helper {
    /// Serves files from memory with actix alone.
    Ceiling(ceiling::Arguments),
    /// Writes to and reads from the store without HTTP.
    Bare(bare::Arguments),
}

/// Runs the measurements and prints their tables.
pub(crate) fn run(bench: &Bench) -> Outcome {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let as_built = match &bench.part {
        Some(Part::Validation(arguments)) => arguments.as_built,
        Some(Part::Search(_) | Part::Overload(_) | Part::Trace(_) | Part::Disclosure(_)) | None => {
            false
        }
    };
    if cfg!(debug_assertions) && !as_built {
        // A bench of unoptimised code says nothing: the same again, from a release build.
        let given: Vec<_> = std::env::args_os().skip(1).collect();
        let built = Command::new(&cargo).args(["build", "--release", "-p", "kantele"]).status()?;
        let again = Command::new(&cargo)
            .args(["run", "--quiet", "--release", "-p", "xtask", "--"])
            .args(given)
            .status()?;
        let is_fine = built.success() && again.success();
        return if is_fine { Ok(()) } else { Err("the bench did not finish".into()) };
    }
    match &bench.part {
        None => phases::run(&bench.whole),
        Some(Part::Search(arguments)) => search::run(arguments),
        Some(Part::Overload(arguments)) => overload::run(arguments),
        Some(Part::Validation(arguments)) => validation::run(arguments),
        Some(Part::Trace(arguments)) => trace::run(arguments),
        Some(Part::Disclosure(arguments)) => disclosure::run(arguments),
    }
}

/// Runs a helper process of the bench.
pub(crate) fn help(helper: &Helper) -> Outcome {
    match helper {
        Helper::Ceiling(arguments) => ceiling::run(arguments),
        Helper::Bare(arguments) => bare::run(arguments),
    }
}
