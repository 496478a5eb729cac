//! `package.json`: what a package is called and what it builds on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::PackageError;
use crate::folder::shown;
use crate::version::is_version;

/// A `package.json` larger than this is none.
const MAX_BYTES: u64 = 1 << 20;
/// How far into an archive `package.json` is looked for; packages put it first or nearly so.
const MAX_SEARCH_BYTES: u64 = 256 << 20;

/// The members of `package.json` that a server needs.
///
/// Spec: <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
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
    /// What it is, for people.
    #[serde(default)]
    pub title: Option<String>,
    /// The terms under which it is published, as an SPDX name.
    #[serde(default)]
    pub license: Option<String>,
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
    parsed(&file, &text).map(Some)
}

/// The manifest in the text of a `package.json`.
pub(crate) fn parsed(file: &str, text: &[u8]) -> Result<Manifest, PackageError> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    serde_json::from_slice(text).map_err(|fault| fault_of(file, format!("package.json: {fault}")))
}

/// What is told of a source without a `package.json`.
pub(crate) fn missing(file: &str) -> PackageError {
    fault_of(file, "holds no package.json, so it is no FHIR package".to_owned())
}

fn fault_of(file: &str, reason: String) -> PackageError {
    PackageError::Manifest { file: file.to_owned(), reason }
}

impl Manifest {
    /// Whether a server of R4 can install it: a legal name and version, and made for R4.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, file: &str) -> Result<(), PackageError> {
        let is_legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        let name = &self.name;
        if !name.starts_with(|first: char| first.is_ascii_lowercase())
            || !name.bytes().all(is_legal)
            || name.len() > 128
        {
            let reason = "package.json: `name` is no name of a package, such as hl7.fhir.uv.ips";
            return Err(fault_of(file, reason.to_owned()));
        }
        if !is_version(&self.version) {
            let reason = "package.json: `version` is no version, such as 2.0.0";
            return Err(fault_of(file, reason.to_owned()));
        }
        if is_built_in(name) {
            let reason = format!("{name} is built in and not installed");
            return Err(fault_of(file, reason));
        }
        let others = self.dependencies.keys().filter(|name| is_core_of_another(name));
        let is_r4 = |version: &String| version == "4.0" || version.starts_with("4.0.");
        let has_core = self.dependencies.keys().any(|name| is_built_in(name));
        let is_for_r4 = match self.fhir_versions.as_slice() {
            [] => has_core || others.count() == 0,
            versions => versions.iter().any(is_r4),
        };
        if is_for_r4 {
            return Ok(());
        }
        let shown: Vec<String> =
            self.fhir_versions.iter().map(|version| version.chars().take(20).collect()).collect();
        let shown = if shown.is_empty() { "another version".to_owned() } else { shown.join(", ") };
        let reason = format!("is for FHIR {shown}; this server speaks R4 (4.0.1)");
        Err(fault_of(file, reason))
    }
}

/// Whether a package of this name is part of the program: the definitions of R4.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    matches!(name, "hl7.fhir.r4.core" | "hl7.fhir.core")
}

/// Whether a package of this name holds the definitions of another FHIR version.
fn is_core_of_another(name: &str) -> bool {
    let middle = name.strip_prefix("hl7.fhir.").and_then(|rest| rest.strip_suffix(".core"));
    middle.is_some_and(|version| version.starts_with('r') && version != "r4")
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
