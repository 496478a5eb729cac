//! Checks and generation for developers: `cargo xtask <command>`.
//!
//! One module a command. A command is a clap `Args` struct and a `run` function; to add one, add
//! a module, a variant of [`Command`] and its arm in [`run`].

#![allow(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

mod artefact;
mod bench;
mod conformance;
mod definitions;
mod dictionary;
mod fuzz;
mod roundtrip;
mod snapshots;
mod structures;
mod terminology;
mod tidy;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The server's own allocator, so that the ceilings of the bench have no other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command gives back: nothing, or a reason that is printed.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Checks and generation for developers of Kantele.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the built server against its ceilings.
    Bench(bench::Bench),
    /// What the bench starts for itself.
    #[command(hide = true, subcommand)]
    BenchHelper(bench::Helper),
    /// Makes docs/conformance.md from the cases.
    Conformance(conformance::Arguments),
    /// Makes the embedded definitions from the official R4 package.
    Definitions(definitions::Arguments),
    /// Trains a dictionary for stored bodies.
    Dictionary(dictionary::Arguments),
    /// Runs the fuzz targets, with seeds from the cases.
    Fuzz(fuzz::Arguments),
    /// Sends JSON through XML and back and compares.
    Roundtrip(roundtrip::Arguments),
    /// Makes snapshots anew and holds them against the published ones.
    Snapshots(snapshots::Arguments),
    /// Makes the embedded StructureDefinitions from the official R4 package.
    Structures(structures::Arguments),
    /// Makes the embedded value sets and code systems from the official R4 package.
    Terminology(terminology::Arguments),
    /// Checks the rules of the house that no compiler checks.
    Tidy(tidy::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Bench(bench) => bench::run(&bench),
        Command::BenchHelper(helper) => bench::help(&helper),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Definitions(arguments) => definitions::run(&arguments),
        Command::Dictionary(arguments) => dictionary::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Roundtrip(arguments) => roundtrip::run(&arguments),
        Command::Snapshots(arguments) => snapshots::run(&arguments),
        Command::Structures(arguments) => structures::run(&arguments),
        Command::Terminology(arguments) => terminology::run(&arguments),
        Command::Tidy(arguments) => tidy::run(&arguments),
    }
}
