//! `cargo xtask bench validation`: what it takes to validate, and what a create costs with it.
//!
//! First the validator alone, in this process ([`alone`]): the first time (definitions are read and
//! compiled, value sets made ready) and later, against base definitions and against profiles. Then
//! servers ([`served`]): creates with validation on write off, base and required in turns, where
//! the ratio of their CPU time is what counts; `$validate-code`; start-up with all packages.

mod alone;
mod served;

use std::path::PathBuf;

use super::table::machine;
use crate::Outcome;

/// Sizes and seed of a run.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Seed of the generated data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each resource is validated.
    #[arg(long, default_value_t = 2_000)]
    times: usize,
    /// Creates of each measurement.
    #[arg(long, default_value_t = 5_000)]
    creates: usize,
    /// Questions about codes of each measurement.
    #[arg(long, default_value_t = 50_000)]
    codes: usize,
    /// Clients at once.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// Runs of each measurement; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Folder whose packages hold the profiles.
    #[arg(long, default_value = "profiles")]
    profiles: PathBuf,
    /// Measures the build that this is, to see that the bench works: without optimisation its
    /// figures say nothing.
    #[arg(long)]
    pub(super) as_built: bool,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    println!("{}", machine());
    println!("{arguments:?}\n");
    alone::print(arguments)?;
    println!();
    served::creates(arguments)?;
    println!();
    served::codes_and_start(arguments)
}
