//! The Kantele server: the program around the crates.
//!
//! It reads settings, opens the store and serves FHIR over HTTP, or loads, migrates and checks.
//! FHIR logic and SQL stay in the crates below.

mod access;
mod access_explain;
mod authorize;
mod certificate;
mod check;
mod cli;
mod config;
mod demo;
mod explain;
mod external;
mod http;
mod load;
mod package;
mod rules;
mod serve;
mod store;
mod terminology;
mod tls;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use cli::{AccessCommand, Cli, Command, Serve};
use config::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code where the program could not do what it was asked.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Check(check)) = &cli.command
        && check.settings_table
    {
        return done(say(&config::table()));
    }
    if let Some(Command::Demo(arguments)) = &cli.command {
        return done(demo::run(&cli.shared, arguments));
    }
    let mut flags: Vec<&Serve> = vec![&cli.serve];
    if let Some(Command::Serve(own)) = &cli.command {
        flags.push(own);
    }
    let settings = match Settings::from_env(&cli.shared, &flags) {
        Ok(settings) => settings,
        Err(error) => return done(Err(error.into())),
    };
    settings.log.start();
    log_panics();
    match &cli.command {
        // The demo, which has settings of its own, has run by now.
        None | Some(Command::Serve(_) | Command::Demo(_)) => done(serve::run(settings, None)),
        Some(Command::Load(arguments)) => match load::run(&settings, arguments) {
            Ok(is_complete) => ExitCode::from(u8::from(!is_complete)),
            Err(error) => done(Err(error)),
        },
        Some(Command::Migrate) => done(check::migrate(&settings)),
        Some(Command::Verify(arguments)) => done(trace::verify(&settings, arguments)),
        Some(Command::Check(_)) => done(check::run(&settings)),
        Some(Command::Explain(arguments)) => done(explain::run(&settings, arguments)),
        Some(Command::Decide(arguments)) => done(access_explain::decide(&settings, arguments)),
        Some(Command::Access(AccessCommand::Explain(arguments))) => {
            match access_explain::run(&settings, arguments) {
                Ok(is_allowed) => ExitCode::from(u8::from(!is_allowed)),
                Err(error) => done(Err(error)),
            }
        }
        Some(Command::Terminology(command)) => done(terminology::run(&settings, command)),
        Some(Command::Certificate(arguments)) => done(certificate::run(arguments)),
        Some(Command::Package(command)) => done(package::run(&settings, command)),
    }
}

/// What can end the program: said once, with its causes.
type Error = Box<dyn std::error::Error>;

fn done(outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let mut text = format!("kantele: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    complain(&text);
    ExitCode::from(FAILED)
}

/// Writes to standard output at once, so that another program can read it.
fn say(text: &str) -> Result<(), Error> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a line for the operator to standard error; a closed one is no reason to stop.
fn complain(text: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Tells where a panic happened; its message may hold data and is left out.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let trace = std::backtrace::Backtrace::capture();
        tracing::error!(panic.place = %place, "a fault of the program: {trace}");
    }));
}
