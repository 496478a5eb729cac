//! `kantele load`: everything in files, folders and packages, once each, with a report.
//!
//! Documents come one by one from `fhir-package`, so memory is bounded by what is in flight. What
//! becomes of each is decided by a [`Destination`]: the store itself ([`local`]) or a running
//! server ([`remote`]). Documents of one resource keep their order, and a transaction or batch runs
//! alone, so that a load ends the same however often it was stopped and started again.

mod destination;
mod document;
mod local;
mod progress;
mod remote;
mod report;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fhir_model::ResourceKey;
use fhir_package::Limits;
use tokio::task::{JoinSet, LocalSet};

use crate::Error;
use crate::cli::Load;
use crate::config::Settings;
use destination::{Destination, Outcome};
use document::Document;
use local::Local;
use progress::Progress;
use remote::Remote;
use report::Report;

/// How many documents are on their way at once.
const IN_FLIGHT: usize = 256;
/// How many bytes of documents are on their way at once, a single larger one excepted.
const IN_FLIGHT_BYTES: usize = 32 << 20;

/// Loads everything named and prints the report. Gives whether all of it was accepted.
///
/// # Errors
/// Whatever keeps the load from running at all.
pub(crate) fn run(settings: &Settings, arguments: &Load) -> Result<bool, Error> {
    check_paths(&arguments.paths)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let destination = match &arguments.server {
        Some(url) => Destination::Remote(Remote::new(url)?),
        None => Destination::Local(Local::open(settings)?),
    };
    let mut load = Running {
        destination: destination.clone(),
        again: arguments.again,
        report: Report::default(),
        progress: Progress::start(&arguments.paths),
    };
    let finished = LocalSet::new().block_on(&runtime, load.all(&arguments.paths));
    load.progress.finish();
    let report = load.report;
    destination.close();
    finished?;
    report.print(started.elapsed())?;
    if let Some(path) = &arguments.report {
        std::fs::write(path, report.json())?;
    }
    Ok(report.is_complete())
}

fn check_paths(paths: &[PathBuf]) -> Result<(), Error> {
    for path in paths {
        std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A load under way.
struct Running {
    destination: Destination,
    again: bool,
    report: Report,
    progress: Progress,
}

impl Running {
    async fn all(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        for path in paths {
            self.source(path).await?;
            self.progress.source_done();
        }
        Ok(())
    }

    async fn source(&mut self, path: &Path) -> Result<(), Error> {
        let mut flight = Flight::default();
        let mut file = String::new();
        let mut loaded = HashSet::new();
        for found in fhir_package::read(path, Limits::default()) {
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    self.report.unreadable(&error);
                    continue;
                }
            };
            let consumed_bytes = found.consumed_bytes;
            let document = Document::new(found);
            if document.mark.file != file {
                file.clone_from(&document.mark.file);
                loaded = self.destination.loaded(&file).await?;
            }
            // What ran once would create its resources a second time, so `--again` leaves it be.
            let is_again = self.again && !document.is_executed();
            if loaded.contains(&document.mark.position) && !is_again {
                self.report.skipped(&document);
            } else {
                self.send(document, &mut flight).await?;
            }
            self.progress.at(self.report.documents(), consumed_bytes);
        }
        self.land(&mut flight, 0).await
    }

    /// Sends a document on its way, as soon as nothing that it could meet is on its own.
    async fn send(&mut self, document: Document, flight: &mut Flight) -> Result<(), Error> {
        let key = document.key();
        let is_alone = document.is_executed();
        let is_met = key.as_ref().is_some_and(|key| flight.keys.contains(key));
        let is_heavy = flight.bytes + document.len() > IN_FLIGHT_BYTES;
        if is_alone || is_met || is_heavy {
            self.land(flight, 0).await?;
        }
        self.land(flight, IN_FLIGHT - 1).await?;
        flight.keys.extend(key);
        flight.bytes += document.len();
        let destination = self.destination.clone();
        flight.tasks.spawn_local(async move {
            let outcome = destination.load(&document).await;
            (document, outcome)
        });
        // Lets it run up to its write, while the next document is being read.
        tokio::task::yield_now().await;
        if is_alone {
            self.land(flight, 0).await?;
        }
        Ok(())
    }

    /// Waits until at most `rest` documents are under way.
    async fn land(&mut self, flight: &mut Flight, rest: usize) -> Result<(), Error> {
        while flight.tasks.len() > rest {
            let Some(landed) = flight.tasks.join_next().await else { break };
            let (document, outcome) = landed?;
            flight.bytes = flight.bytes.saturating_sub(document.len());
            if let Some(key) = document.key() {
                flight.keys.remove(&key);
            }
            self.report.add(&document, outcome?);
        }
        Ok(())
    }
}

/// The documents under way.
#[derive(Default)]
struct Flight {
    tasks: JoinSet<(Document, Result<Outcome, Error>)>,
    keys: HashSet<ResourceKey>,
    bytes: usize,
}
