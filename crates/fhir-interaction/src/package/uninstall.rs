//! Removal: refused while another package needs what goes.

use fhir_model::Failure;
use fhir_package::{Offer, PackageId, removal};
use fhir_store::PackageChange;

use super::install::busy;
use super::{TRIES, refused};
use crate::app::{App, store_failure};

impl App {
    /// Removes packages, all or none, and gives those that are gone. `wanted` are names, each for
    /// all versions, or `name#version`. With `force` they go although others need them.
    ///
    /// # Errors
    /// `NotFound` and `Conflict` with everything that keeps them, and the store's failures.
    pub fn uninstall_packages(
        &self,
        wanted: &[String],
        force: bool,
        dry_run: bool,
    ) -> Result<Vec<PackageId>, Failure> {
        let shelf = self.shelf();
        for _ in 0..TRIES {
            self.refresh_packages()?;
            let known = shelf.known();
            let there: Vec<Offer> = known.packages.iter().map(|one| one.offer()).collect();
            let gone = removal(wanted, &there, force).map_err(|faults| refused(&faults))?;
            if dry_run || gone.is_empty() {
                return Ok(gone);
            }
            let is_gone = |id: &PackageId| gone.contains(id);
            let remove = known.packages.iter().filter(|one| is_gone(&one.id));
            let remove = remove.map(|one| one.number).collect();
            let change = PackageChange { after: known.change, remove, add: Vec::new() };
            let changed = shelf.store.change_packages(change);
            if changed.map_err(|error| store_failure(&error))?.is_some() {
                self.refresh_packages()?;
                for id in &gone {
                    tracing::info!(package = %id, "package removed");
                }
                return Ok(gone);
            }
        }
        Err(busy())
    }
}
