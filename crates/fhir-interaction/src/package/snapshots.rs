//! Whether snapshots can be made of what comes without them.
//!
//! They are made when they are needed, beside the packages of that time. That it can be done is
//! tried when a package is installed, so that whoever installs it is told what is wrong.

use std::sync::Arc;

use fhir_package::{Installed, Package, Registry, SnapshotFault};
use fhir_structure::with_snapshot;

/// Faults of one definition that are told.
const MAX_TOLD: usize = 3;

/// The definitions of a package for which no snapshot can be made beside these packages, which
/// hold the package itself.
pub(super) fn faults(package: &Package, beside: &[Arc<Installed>]) -> Vec<SnapshotFault> {
    let registry = Registry::new(beside.to_vec());
    let id = package.id();
    let view = registry.of_package(&id);
    let mut faults = Vec::new();
    for packed in package.resources.iter().filter(|packed| packed.lacks_snapshot) {
        let reason = match packed.resource() {
            Err(fault) => fault.to_string(),
            Ok(resource) => match with_snapshot(&Arc::new(resource), &view) {
                Ok(_) => continue,
                Err(issues) => {
                    let told = issues.iter().take(MAX_TOLD).map(|issue| match &issue.expression {
                        Some(place) => format!("{place}: {}", issue.diagnostics),
                        None => issue.diagnostics.to_string(),
                    });
                    told.collect::<Vec<_>>().join("; ")
                }
            },
        };
        faults.push(SnapshotFault { url: packed.entry.url.clone().unwrap_or_default(), reason });
    }
    faults
}
