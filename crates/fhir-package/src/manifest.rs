//! `package.json`: what a package is called and what it builds on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::PackageError;
use crate::folder::shown;

/// A `package.json` larger than this is none.
const MAX_BYTES: u64 = 1 << 20;
/// How far into an archive `package.json` is looked for; packages put it first or nearly so.
const MAX_SEARCH_BYTES: u64 = 256 << 20;

/// The members of `package.json` that a server needs.
///
/// Spec: <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Manifest {
    /// Such as `hl7.fhir.r4.core`.
    pub name: String,
    /// Such as `4.0.1`.
    pub version: String,
    /// The FHIR versions it is for, under the older member name too.
    #[serde(default, rename = "fhirVersions", alias = "fhir-version-list")]
    pub fhir_versions: Vec<String>,
    /// Name and version of each package it needs.
    #[serde(default)]
    pub dependencies: BTreeMap<String, String>,
}

/// The manifest of a package, unpacked in a folder (in it or in its `package` folder) or in a
/// `.tgz`; `None` where the folder or archive has no `package.json`.
///
/// # Errors
/// Where the source can't be read, or its `package.json` has no name and version.
pub fn manifest(source: &Path) -> Result<Option<Manifest>, PackageError> {
    let file = shown(source);
    let text = if source.is_dir() { in_folder(source) } else { in_archive(source) };
    let text = match text {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(source) => return Err(PackageError::Io { file, source }),
    };
    match serde_json::from_slice(&text) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(fault) => {
            Err(PackageError::Manifest { file, reason: format!("package.json: {fault}") })
        }
    }
}

fn in_folder(folder: &Path) -> io::Result<Option<Vec<u8>>> {
    for path in [folder.join("package.json"), folder.join("package/package.json")] {
        if path.is_file() {
            return read(File::open(path)?).map(Some);
        }
    }
    Ok(None)
}

fn in_archive(archive: &Path) -> io::Result<Option<Vec<u8>>> {
    let unpacking = MultiGzDecoder::new(File::open(archive)?).take(MAX_SEARCH_BYTES);
    for entry in tar::Archive::new(unpacking).entries()? {
        let entry = entry?;
        let path = entry.path_bytes();
        if matches!(&*path, b"package/package.json" | b"./package/package.json" | b"package.json") {
            drop(path);
            return read(entry).map(Some);
        }
    }
    Ok(None)
}

fn read(file: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}
