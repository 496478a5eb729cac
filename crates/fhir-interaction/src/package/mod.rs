//! Installed packages: kept in the store, held in a registry, installed and removed all or nothing.
//!
//! The store keeps an index of each package and the packed texts of its resources; the registry is
//! made from the index and reads texts when they are asked for. A change of the packages has a
//! number: [`App::refresh_packages`] looks whether another server on the same database has made
//! one. What a plan was made for and what is there when it is written are the same, or the plan is
//! made again.

mod install;
mod reading;
mod shelf;
mod snapshots;
mod start;
mod uninstall;

use std::sync::Arc;

use fhir_model::{Failure, FailureKind, Issue, IssueType};
use fhir_package::{PackageError, PlanFault, Registry};

pub use install::Installation;
pub(crate) use reading::{named, with_id};
pub use shelf::InstalledPackage;
pub(crate) use shelf::Shelf;
pub use start::install_at_start;

use crate::app::App;

/// So often a change is planned again because others change the packages meanwhile.
const TRIES: u32 = 5;

impl App {
    /// The conformance resources of the installed packages.
    #[must_use]
    pub fn packages(&self) -> Arc<Registry> {
        self.shelf().registry()
    }

    /// The installed packages, by name and version, with what was found when they were installed.
    #[must_use]
    pub fn installed_packages(&self) -> Vec<InstalledPackage> {
        self.shelf().list()
    }

    /// Looks whether another server on the same database has changed the packages, and takes the
    /// change over; true where there was one.
    ///
    /// # Errors
    /// The store's failures.
    pub fn refresh_packages(&self) -> Result<bool, Failure> {
        let is_changed = self.shelf().refresh()?;
        if is_changed {
            // What was made of value sets and code systems may have become another.
            self.knowledge().forget();
        }
        Ok(is_changed)
    }
}

/// What a client is told of a package that can't be read.
#[must_use]
pub fn unreadable(fault: &PackageError) -> Failure {
    let kind = match fault {
        PackageError::TooLarge { .. } | PackageError::Bomb { .. } => FailureKind::TooLarge,
        PackageError::Manifest { .. } => FailureKind::Unprocessable,
        PackageError::Io { .. }
        | PackageError::Archive { .. }
        | PackageError::Hostile { .. }
        | PackageError::TooDeep { .. }
        | PackageError::Unrecognised { .. } => FailureKind::MalformedBody,
    };
    Failure::new(kind, fault.to_string())
}

/// What a client is told of packages that can't be installed or removed: one issue for each fault.
fn refused(faults: &[PlanFault]) -> Failure {
    let kind = match faults.first() {
        Some(PlanFault::NotInstalled(_)) => FailureKind::NotFound,
        Some(PlanFault::Needed { .. }) => FailureKind::Conflict,
        Some(PlanFault::Missing { .. } | PlanFault::NoWish { .. } | PlanFault::Twice(_)) | None => {
            FailureKind::Unprocessable
        }
    };
    let issue = |fault: &PlanFault| {
        let code = match fault {
            PlanFault::Missing { .. } | PlanFault::NotInstalled(_) => IssueType::NotFound,
            PlanFault::NoWish { .. } => IssueType::NotSupported,
            PlanFault::Twice(_) | PlanFault::Needed { .. } => IssueType::Conflict,
        };
        Issue::error(code, fault.to_string())
    };
    Failure::with_issues(kind, faults.iter().map(issue).collect())
}
