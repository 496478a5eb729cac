//! Installation: a plan, a report, one transaction.

use std::sync::Arc;

use fhir_model::{Failure, FailureKind};
use fhir_package::{
    About, Choice, Fate, Installed, Offer, Outcome, Package, Packed, Registry, Report, Step, plan,
};
use fhir_store::{NewPackage, PackageChange, PackageResource};

use super::shelf::Known;
use super::{TRIES, refused, snapshots};
use crate::app::{App, store_failure};

/// How packages are installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// What may be missing, and whether other versions will do.
    pub choice: Choice,
    /// Nothing is written; the answer is the same.
    pub dry_run: bool,
    /// Where the packages come from, for whoever lists them later.
    pub origin: String,
}

impl App {
    /// Installs packages that belong together, all or none, and gives what became of each. They
    /// take part from the moment this returns. It reads and writes for a second or two where a
    /// package is large, so it is called where nobody waits for the thread.
    ///
    /// # Errors
    /// `Unprocessable` with everything that keeps the packages from being installed, and the
    /// store's failures.
    pub fn install_packages(
        &self,
        packages: &[Package],
        how: &Installation,
    ) -> Result<Vec<Outcome>, Failure> {
        let shelf = self.shelf();
        let given: Vec<Offer> = packages.iter().map(offer).collect();
        for _ in 0..TRIES {
            self.refresh_packages()?;
            let known = shelf.known();
            let there: Vec<Offer> = known.packages.iter().map(|one| one.offer()).collect();
            let steps = plan(&given, &there, &how.choice).map_err(|faults| refused(&faults))?;
            let outcomes = outcomes(packages, steps, &shelf.registry);
            let change = change(packages, &outcomes, &known, &how.origin)?;
            if how.dry_run || change.add.is_empty() {
                return Ok(outcomes);
            }
            let changed = shelf.store.change_packages(change);
            if changed.map_err(|error| store_failure(&error))?.is_some() {
                self.refresh_packages()?;
                for outcome in &outcomes {
                    tracing::info!(package = %outcome.id, fate = ?outcome.fate, "package installed");
                }
                return Ok(outcomes);
            }
        }
        Err(busy())
    }
}

/// What a client is told who changes packages at the same time as many others.
pub(super) fn busy() -> Failure {
    let text = "the packages are being changed by others at the same time; try again";
    let mut failure = Failure::new(FailureKind::Unavailable, text);
    failure.retry_after_s = Some(1);
    failure
}

fn offer(package: &Package) -> Offer {
    let dependencies = package.manifest.dependencies.clone();
    Offer { id: package.id(), dependencies, digest: package.digest.clone() }
}

/// What becomes of each package, with what is found in it beside those that will be there.
fn outcomes(packages: &[Package], steps: Vec<Step>, registry: &Registry) -> Vec<Outcome> {
    let mut beside: Vec<Arc<Installed>> = registry.installed();
    beside.retain(|installed| !packages.iter().any(|package| package.id() == installed.id));
    beside.extend(packages.iter().map(|package| Arc::new(package.installed())));
    let outcome = |step: Step| {
        let package = packages.iter().find(|package| package.id() == step.id)?;
        let others: Vec<&Installed> = beside.iter().map(Arc::as_ref).collect();
        let mut report = Report::of(package, step.dependencies, &others);
        if step.fate != Fate::Unchanged && report.without_snapshot > 0 {
            report.snapshot_faults = snapshots::faults(package, &beside);
        }
        Some(Outcome { id: step.id, fate: step.fate, report })
    };
    steps.into_iter().filter_map(outcome).collect()
}

fn change(
    packages: &[Package],
    outcomes: &[Outcome],
    known: &Known,
    origin: &str,
) -> Result<PackageChange, Failure> {
    let mut change = PackageChange { after: known.change, ..PackageChange::default() };
    for outcome in outcomes.iter().filter(|outcome| outcome.fate != Fate::Unchanged) {
        let earlier = known.packages.iter().filter(|one| one.id == outcome.id);
        change.remove.extend(earlier.map(|one| one.number));
        let Some(package) = packages.iter().find(|package| package.id() == outcome.id) else {
            continue;
        };
        let about = About {
            manifest: package.manifest.clone(),
            origin: origin.to_owned(),
            report: outcome.report.clone(),
        };
        let about = serde_json::to_vec(&about)
            .map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?;
        change.add.push(NewPackage {
            name: outcome.id.name.clone(),
            version: outcome.id.version.clone(),
            digest: package.digest.clone(),
            about,
            resources: package.resources.iter().map(row).collect(),
        });
    }
    Ok(change)
}

fn row(resource: &Packed) -> (PackageResource, Vec<u8>) {
    let entry = &resource.entry;
    // Not every database takes this character, and none of these texts may have it.
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().replace('\0', "");
    let row = PackageResource {
        number: entry.number,
        resource_type: entry.resource_type,
        id: text(&entry.id),
        url: text(&entry.url),
        version: text(&entry.version),
        status: text(&entry.status),
        date: text(&entry.date),
    };
    (row, resource.packed.clone())
}
