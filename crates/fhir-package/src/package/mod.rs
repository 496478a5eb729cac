//! A package read whole, ready to be installed.
//!
//! Only conformance resources are kept: what others refer to by a canonical URL, and naming
//! systems. They are packed one by one while the package is read, so that memory holds the packed
//! package and one document. An archive that is damaged, hostile or no package is refused as a
//! whole; a resource that can't be parsed is a fault that is told, and the rest is kept.

mod archive;
mod digest;
mod folder;
mod kept;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fhir_model::{Resource, ResourceType};
use serde::{Deserialize, Serialize};

pub use digest::digest;
pub use kept::is_kept;

use crate::body;
use crate::folder::shown;
use crate::manifest::{self, Manifest};
use crate::registry::{Bodies, Entry, Installed};
use crate::version::PackageId;
use crate::{Format, Limits, PackageError, PackageFile};

/// Folders of a package whose resources are no definitions.
const EXAMPLES: &[&str] = &["example", "examples"];

/// The most faults of single resources that are kept; the rest is counted.
const MAX_FAULTS: usize = 100;

/// Issues of one resource that are told.
const MAX_TOLD: usize = 3;

/// What a package may hold to be installed.
pub const INSTALL_LIMITS: Limits = Limits {
    max_document_bytes: 64 << 20,
    max_archive_bytes: 2 << 30,
    max_archive_entries: 200_000,
    max_folder_depth: 8,
};

/// A package, ready to be installed.
#[derive(Clone, Debug)]
pub struct Package {
    /// What its `package.json` says.
    pub manifest: Manifest,
    /// SHA-256 of what it was read from, in hexadecimal digits; see [`digest`].
    pub digest: String,
    /// The conformance resources.
    pub resources: Vec<Packed>,
    /// Resources that are not kept, by type: examples, and what has no canonical URL.
    pub left_out: BTreeMap<String, usize>,
    /// What is wrong with single resources.
    pub faults: Vec<ResourceFault>,
    /// Faults beyond those that are listed.
    pub more_faults: usize,
}

/// A resource of a package.
#[derive(Clone, Debug)]
pub struct Packed {
    /// What the index tells of it.
    pub entry: Entry,
    /// Its packed text, as [`Bodies::read`] gives it.
    pub packed: Vec<u8>,
    /// Whether it is a StructureDefinition without a snapshot.
    pub lacks_snapshot: bool,
}

impl Packed {
    /// The resource again.
    ///
    /// # Errors
    /// Where its bytes are damaged.
    pub fn resource(&self) -> Result<Resource, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Resource::trusted(body::unpack(&self.packed)?)?)
    }
}

/// What is wrong with a resource of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFault {
    /// The file in the package.
    pub file: String,
    /// What is wrong.
    pub reason: String,
    /// Whether the resource is kept all the same: its form is wrong in some place, and it can
    /// still be read.
    pub is_kept: bool,
}

impl Package {
    /// Reads a package from an archive (`.tgz`) or from the folder that holds its `package.json`,
    /// or a folder `package` with it.
    ///
    /// # Errors
    /// What makes it no package that may be installed.
    pub fn read(source: &Path, limits: Limits) -> Result<Self, PackageError> {
        let name = shown(source);
        if !source.is_dir() {
            let file = std::fs::File::open(source)
                .map_err(|source| PackageError::Io { file: name.clone(), source })?;
            return Self::from_archive(&name, file, limits);
        }
        let found = manifest::manifest(source)?;
        let found = found.ok_or_else(|| manifest::missing(&name))?;
        found.check(&name)?;
        let is_inside = source.join("package.json").is_file();
        let root = if is_inside { source.to_owned() } else { source.join("package") };
        let mut reading = Reading::new(found);
        folder::read(&root, &limits, &mut reading)?;
        reading.package.digest = digest(source, limits)?;
        Ok(reading.package)
    }

    /// Reads a package from the bytes of an archive (`.tgz`); `name` stands in the errors.
    ///
    /// # Errors
    /// What makes it no package that may be installed.
    pub fn from_archive(
        name: &str,
        packed: impl std::io::Read,
        limits: Limits,
    ) -> Result<Self, PackageError> {
        archive::read(name, packed, &limits)
    }

    /// Name and version.
    #[must_use]
    pub fn id(&self) -> PackageId {
        PackageId::new(self.manifest.name.clone(), self.manifest.version.clone())
    }

    /// Resources that are kept, by type.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<ResourceType, usize> {
        let mut counts = BTreeMap::new();
        for resource in &self.resources {
            *counts.entry(resource.entry.resource_type).or_insert(0) += 1;
        }
        counts
    }

    /// The package for a registry, its resources in memory.
    #[must_use]
    pub fn installed(&self) -> Installed {
        let bodies = self.resources.iter().map(|resource| resource.packed.clone()).collect();
        Installed {
            id: self.id(),
            dependencies: self.manifest.dependencies.clone(),
            entries: self.resources.iter().map(|resource| resource.entry.clone()).collect(),
            bodies: Arc::new(InMemory(bodies)),
        }
    }
}

struct InMemory(Vec<Vec<u8>>);

impl Bodies for InMemory {
    fn read(&self, number: u32) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let found = usize::try_from(number).ok().and_then(|at| self.0.get(at));
        found.cloned().ok_or_else(|| "there is no such resource".into())
    }
}

/// A package on its way.
struct Reading {
    package: Package,
}

impl Reading {
    fn new(manifest: Manifest) -> Self {
        let package = Package {
            manifest,
            digest: String::new(),
            resources: Vec::new(),
            left_out: BTreeMap::new(),
            faults: Vec::new(),
            more_faults: 0,
        };
        Self { package }
    }

    /// Takes a document whose path is that inside of the package.
    fn take(&mut self, file: &PackageFile) -> Result<(), PackageError> {
        let (resource, fault) = match parsed(file) {
            Ok(found) => found,
            Err(reason) => {
                self.fault(file, reason, false);
                return Ok(());
            }
        };
        let resource_type = resource.resource_type();
        let is_example = file.path.split('/').any(|part| EXAMPLES.contains(&part));
        let number = u32::try_from(self.package.resources.len()).unwrap_or(u32::MAX);
        let entry = Entry::of(number, &resource);
        if is_example || !is_kept(resource_type, entry.url.as_deref()) {
            let count = self.package.left_out.entry(resource_type.as_str().to_owned());
            *count.or_insert(0) += 1;
            return Ok(());
        }
        if let Some(reason) = fault {
            self.fault(file, reason, true);
        }
        let lacks_snapshot = resource_type == ResourceType::STRUCTURE_DEFINITION
            && resource.view().value.get("snapshot").is_none();
        let mut text = Vec::with_capacity(resource.source().len());
        fhir_model::rewrite::minified(resource.view().value, &mut text);
        let packed = body::pack(&text)
            .map_err(|source| PackageError::Io { file: file.path.clone(), source })?;
        self.package.resources.push(Packed { entry, packed, lacks_snapshot });
        Ok(())
    }

    fn fault(&mut self, file: &PackageFile, reason: String, is_kept: bool) {
        if self.package.faults.len() >= MAX_FAULTS {
            self.package.more_faults += 1;
            return;
        }
        self.package.faults.push(ResourceFault { file: file.path.clone(), reason, is_kept });
    }
}

/// The resource of a document, and what is wrong with its form where it can be read all the same.
fn parsed(file: &PackageFile) -> Result<(Resource, Option<String>), String> {
    let limits = fhir_model::Limits::default();
    let checked = match file.format {
        Format::Json => Resource::from_json(file.bytes.clone(), &limits),
        Format::Xml => Resource::from_xml(&file.bytes, &limits),
    };
    let failure = match checked {
        Ok(resource) => return Ok((resource, None)),
        Err(failure) => told(failure),
    };
    let without_mark = file.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file.bytes);
    match (file.format, Resource::trusted(without_mark.to_vec())) {
        (Format::Json, Ok(resource)) => Ok((resource, Some(failure))),
        (Format::Json | Format::Xml, _) => Err(failure),
    }
}

/// The first of the issues.
fn told(mut failure: fhir_model::Failure) -> String {
    let more = failure.issues.len().saturating_sub(MAX_TOLD);
    failure.issues.truncate(MAX_TOLD);
    let text = failure.to_string();
    if more == 0 { text } else { format!("{text}; and {more} more") }
}
