//! The packages of a store, as they were when they were last looked at.

use std::sync::{Arc, Mutex, PoisonError};

use fhir_model::{Failure, Instant};
use fhir_package::{About, Bodies, Entry, Installed, Offer, PackageId, Registry};
use fhir_store::{PackageResource, PackageRow, Store, StoreError};

use crate::app::store_failure;

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its number in the store.
    pub(super) number: i64,
    /// Its name and version.
    pub id: PackageId,
    /// SHA-256 of what it was read from.
    pub digest: String,
    /// When it was installed.
    pub installed: Instant,
    /// Its manifest, where it came from and what was found in it.
    pub about: About,
}

impl InstalledPackage {
    pub(super) fn offer(&self) -> Offer {
        let dependencies = self.about.manifest.dependencies.clone();
        Offer { id: self.id.clone(), dependencies, digest: self.digest.clone() }
    }
}

/// Store and registry of the packages.
pub(crate) struct Shelf {
    pub(super) registry: Arc<Registry>,
    pub(super) store: Store,
    known: Mutex<Arc<Known>>,
}

/// What was read last.
#[derive(Default)]
pub(super) struct Known {
    pub(super) change: i64,
    pub(super) packages: Vec<InstalledPackage>,
}

impl Shelf {
    /// The packages of a store. Where they can't be read, there are none until they can: the next
    /// refresh tries again.
    pub(crate) fn open(store: &Store) -> Self {
        let registry = Arc::new(Registry::default());
        let known = Mutex::default();
        let shelf = Self { registry, store: store.clone(), known };
        // The fault is in the log.
        let _told = shelf.refresh();
        shelf
    }

    /// The conformance resources of the packages.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    pub(super) fn list(&self) -> Vec<InstalledPackage> {
        let mut packages = self.known().packages.clone();
        packages.sort_by(|one, other| one.id.cmp(&other.id));
        packages
    }

    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over a change that was made since; false where there was none.
    pub(super) fn refresh(&self) -> Result<bool, Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: StoreError| store_failure(&error);
        if self.store.package_change().map_err(failed)? == known.change {
            return Ok(false);
        }
        let stored = self.store.packages().map_err(failed)?;
        let mut packages = Vec::new();
        let mut installed = Vec::new();
        for (row, resources) in stored.packages {
            let about: About = match serde_json::from_slice(&row.about) {
                Ok(about) => about,
                Err(error) => {
                    tracing::error!(package = row.name, %error, "a package can't be read");
                    continue;
                }
            };
            installed.push(self.installed(&row, &about, resources));
            let id = PackageId::new(row.name, row.version);
            let PackageRow { number, digest, installed, .. } = row;
            packages.push(InstalledPackage { number, id, digest, installed, about });
        }
        self.registry.replace(installed);
        *known = Arc::new(Known { change: stored.change, packages });
        Ok(true)
    }

    fn installed(
        &self,
        row: &PackageRow,
        about: &About,
        resources: Vec<PackageResource>,
    ) -> Installed {
        let present = |text: String| Some(text).filter(|text| !text.is_empty());
        let entry = |resource: PackageResource| Entry {
            number: resource.number,
            resource_type: resource.resource_type,
            id: present(resource.id),
            url: present(resource.url),
            version: present(resource.version),
            status: present(resource.status),
            date: present(resource.date),
        };
        Installed {
            id: PackageId::new(row.name.clone(), row.version.clone()),
            dependencies: about.manifest.dependencies.clone(),
            entries: resources.into_iter().map(entry).collect(),
            bodies: Arc::new(Stored { store: self.store.clone(), package: row.number }),
        }
    }
}

/// The texts of a package in the store.
struct Stored {
    store: Store,
    package: i64,
}

impl Bodies for Stored {
    fn read(&self, number: u32) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.store.package_body(self.package, number)?;
        found.ok_or_else(|| "the package has been removed".into())
    }
}
