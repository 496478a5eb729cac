//! `kantele package`: installs, removes and lists packages, in the database or through a server.

mod remote;
mod shown;
mod start;

use std::path::Path;

use fhir_interaction::App;
use fhir_interaction::package::{Installation, unreadable};
use fhir_model::Failure;
use fhir_package::{Choice, INSTALL_LIMITS, Package};

use crate::cli::{Install, PackageCommand, Uninstall};
use crate::config::Settings;
use crate::{Error, say};
pub(crate) use start::{install_configured, watch};

/// Runs one of the commands.
///
/// # Errors
/// What is wrong with a package, everything that keeps packages from being installed or removed, a
/// database that can't be opened.
pub(crate) fn run(settings: &Settings, command: &PackageCommand) -> Result<(), Error> {
    match command {
        PackageCommand::Install(arguments) => match &arguments.server {
            Some(server) => remote::install(server, arguments),
            None => in_database(settings, |app| install(app, arguments)),
        },
        PackageCommand::Uninstall(arguments) => match &arguments.server {
            Some(server) => remote::uninstall(server, arguments),
            None => in_database(settings, |app| uninstall(app, arguments)),
        },
        PackageCommand::List(arguments) => match &arguments.server {
            Some(server) => remote::list(server),
            None => in_database(settings, |app| {
                say(&shown::installed(&app.installed_packages(), arguments.lock))
            }),
        },
    }
}

/// Opens the database for a command.
fn in_database(
    settings: &Settings,
    work: impl FnOnce(&App) -> Result<(), Error>,
) -> Result<(), Error> {
    let store = crate::store::open_alone(&settings.database)?;
    let app = App::new(store.clone(), settings.search.interaction.clone(), &[]);
    let done = work(&app);
    store.close();
    done
}

fn install(app: &App, arguments: &Install) -> Result<(), Error> {
    let read = |path: &std::path::PathBuf| read(path);
    let packages = arguments.packages.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let how = Installation {
        choice: Choice {
            without: arguments.without.iter().cloned().collect(),
            any_version: arguments.any_version,
        },
        dry_run: arguments.dry_run,
        origin: "command".to_owned(),
    };
    let outcomes = app.install_packages(&packages, &how).map_err(|failure| told(&failure))?;
    say(&shown::outcomes(&outcomes, arguments.dry_run))
}

fn read(path: &Path) -> Result<Package, Error> {
    Package::read(path, INSTALL_LIMITS).map_err(|fault| told(&unreadable(&fault)))
}

fn uninstall(app: &App, arguments: &Uninstall) -> Result<(), Error> {
    let gone = app.uninstall_packages(&arguments.packages, arguments.force, arguments.dry_run);
    let gone = gone.map_err(|failure| told(&failure))?;
    say(&shown::removed(&gone, arguments.dry_run))
}

/// The issues of a failure, each on a line of its own.
fn told(failure: &Failure) -> Error {
    let texts: Vec<&str> = failure.issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
    match texts.as_slice() {
        [one] => (*one).to_owned().into(),
        all => format!("nothing was changed:\n  {}", all.join("\n  ")).into(),
    }
}
