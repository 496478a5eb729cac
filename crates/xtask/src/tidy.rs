//! `cargo xtask tidy`: rules of the house that no compiler checks.

use crate::Outcome;

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Runs every check.
pub(crate) fn run(_arguments: &Arguments) -> Outcome {
    Ok(())
}
