//! What an installed package is remembered by, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::package::{Package, ResourceFault};
use crate::plan::{Dependency, Fate};
use crate::registry::{Entry, Installed};
use crate::version::PackageId;

/// The most conflicts that are listed.
const MAX_LISTED: usize = 50;

/// Everything about a package but its resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Its `package.json`.
    pub manifest: Manifest,
    /// Where it came from: `command`, `rest`, or the folder that is read at start.
    pub origin: String,
    /// What was found when it was installed.
    pub report: Report,
}

/// What is found in a package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Resources that are kept, by type.
    pub counts: BTreeMap<String, usize>,
    /// Resources that are not kept, by type: examples, and what has no canonical URL.
    pub left_out: BTreeMap<String, usize>,
    /// What meets its dependencies.
    pub dependencies: Vec<Dependency>,
    /// Resources with faults: some are kept, others could not be read at all.
    pub faults: Vec<ResourceFault>,
    /// Faults beyond those that are listed.
    pub more_faults: usize,
    /// Canonicals that another package has too, with its name; a resource of the package's own
    /// that has the same one is told with the package's name.
    pub conflicts: Vec<Conflict>,
    /// Conflicts beyond those that are listed.
    pub more_conflicts: usize,
    /// StructureDefinitions that come without a snapshot; it is made when one is needed.
    pub without_snapshot: usize,
    /// Those of them for which none can be made, with the reason.
    pub snapshot_faults: Vec<SnapshotFault>,
}

/// A canonical that two packages have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// `url|version`.
    pub canonical: String,
    /// The other package.
    pub package: String,
}

/// A StructureDefinition for which no snapshot can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFault {
    /// Its URL.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// One package in the answer to an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The package.
    pub id: PackageId,
    /// What became of it.
    pub fate: Fate,
    /// What was found in it.
    pub report: Report,
}

impl Report {
    /// Whether nothing was found wrong. Conflicts are no fault of the package, and what is not kept
    /// is none either.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.snapshot_faults.is_empty()
    }

    /// What is found in a package, beside these others: installed ones and those that come with
    /// it.
    #[must_use]
    pub fn of(package: &Package, dependencies: Vec<Dependency>, others: &[&Installed]) -> Self {
        let counts = package.counts();
        let counts = counts.into_iter().map(|(of, count)| (of.as_str().to_owned(), count));
        let (conflicts, more_conflicts) = conflicts(package, others);
        let lacks = package.resources.iter().filter(|resource| resource.lacks_snapshot);
        Self {
            counts: counts.collect(),
            left_out: package.left_out.clone(),
            dependencies,
            faults: package.faults.clone(),
            more_faults: package.more_faults,
            conflicts,
            more_conflicts,
            without_snapshot: lacks.count(),
            snapshot_faults: Vec::new(),
        }
    }
}

/// Canonicals with their version that stand in another package, or twice in this one. Versions
/// of one package may share resources that did not change.
fn conflicts(package: &Package, others: &[&Installed]) -> (Vec<Conflict>, usize) {
    let id = package.id();
    let mut seen: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for other in others.iter().filter(|other| other.id.name != id.name) {
        for key in other.entries.iter().filter_map(key) {
            seen.insert(key, &other.id.name);
        }
    }
    let mut own = BTreeSet::new();
    let mut found = Vec::new();
    for key in package.resources.iter().filter_map(|resource| key(&resource.entry)) {
        let other = seen.get(&key).copied();
        let twice = (!own.insert(key)).then_some(id.name.as_str());
        if let Some(other) = other.or(twice) {
            let canonical = format!("{}|{}", key.0, key.1);
            let canonical = canonical.trim_end_matches('|').to_owned();
            found.push(Conflict { canonical, package: other.to_owned() });
        }
    }
    let more = found.len().saturating_sub(MAX_LISTED);
    found.truncate(MAX_LISTED);
    (found, more)
}

fn key(entry: &Entry) -> Option<(&str, &str)> {
    Some((entry.url.as_deref()?, entry.version.as_deref().unwrap_or_default()))
}
