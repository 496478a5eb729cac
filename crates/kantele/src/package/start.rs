//! Packages of the configured folders, and changes that other servers make.

use std::time::{Duration, Instant};

use fhir_interaction::App;
use fhir_interaction::package::install_at_start;
use fhir_package::Fate;

use super::told;
use crate::Error;
use crate::config::Packages;

/// Installs what lies in the configured folders and has changed.
///
/// # Errors
/// Everything that keeps it from being installed.
pub(crate) fn install_configured(app: &App, packages: &Packages) -> Result<(), Error> {
    let start = Instant::now();
    let outcomes = install_at_start(app, &packages.folders, &packages.choice)
        .map_err(|failure| told(&failure))?;
    let changed = outcomes.iter().filter(|outcome| outcome.fate != Fate::Unchanged).count();
    let duration_ms = start.elapsed().as_millis();
    tracing::info!(changed, duration_ms, "packages of the configured folders are installed");
    Ok(())
}

/// Takes over what other servers on the same database install and remove, for as long as the
/// process runs, on a thread of its own: the database may make it wait.
pub(crate) fn watch(app: App, every: Duration) {
    let work = move || {
        loop {
            std::thread::sleep(every);
            // The fault is in the log.
            if let Ok(true) = app.refresh_packages() {
                tracing::info!("packages were changed by another server");
            }
        }
    };
    let spawned = std::thread::Builder::new().name("fhir-packages".to_owned()).spawn(work);
    if let Err(error) = spawned {
        tracing::error!(%error, "other servers' changes of the packages are not noticed");
    }
}
