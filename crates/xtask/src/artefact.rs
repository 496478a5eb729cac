//! What is embedded: resources of the official package in, a compressed artefact out, each with its
//! checksum.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The conformance resources of a package by type and file name.
pub(crate) struct Sources {
    /// By file name.
    pub(crate) files: BTreeMap<String, Value>,
    /// SHA-256 over `name`, a line feed, the SHA-256 of the content in hexadecimal and a line feed,
    /// for each file in name order.
    digest: String,
}

/// Reads the resources of some types.
///
/// # Errors
/// A package that cannot be read, or that has none of them.
pub(crate) fn read(package: &Path, types: &[&str]) -> Result<Sources, Box<dyn std::error::Error>> {
    let mut files = BTreeMap::new();
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for file in fhir_package::read(package, fhir_package::Limits::default()) {
        let file = file?;
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let resource_type = name.split('-').next().unwrap_or_default();
        if types.contains(&resource_type) {
            digests.insert(name.clone(), hex(&Sha256::digest(&file.bytes)));
            files.insert(name, serde_json::from_slice(&file.bytes)?);
        }
    }
    if files.is_empty() {
        return Err("the package holds no definitions".into());
    }
    let mut digest = Sha256::new();
    for (name, content) in &digests {
        digest.update(format!("{name}\n{content}\n"));
    }
    Ok(Sources { files, digest: hex(&digest.finalize()) })
}

/// Writes a text compressed under a name into a folder, and the checksums beside it. Gives the size
/// and the checksum of what was written.
///
/// # Errors
/// A folder that cannot be written to.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    text: &str,
    sources: &Sources,
) -> Result<(usize, String), Box<dyn std::error::Error>> {
    // With the length in its head it is unpacked in one go, without a window of megabytes.
    let artefact = zstd::bulk::compress(text.as_bytes(), 19)?;
    let output = put(folder, name, &artefact, sources)?;
    Ok((artefact.len(), output))
}

/// Writes bytes as they are under a name into a folder, and the checksums beside them. Gives the
/// checksum of what was written.
///
/// # Errors
/// A folder that cannot be written to.
pub(crate) fn put(
    folder: &Path,
    name: &str,
    artefact: &[u8],
    sources: &Sources,
) -> Result<String, Box<dyn std::error::Error>> {
    let output = hex(&Sha256::digest(artefact));
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), artefact)?;
    let sums = format!("{output}  {name}\n{}  input\n", sources.digest);
    fs::write(folder.join("SHA256SUMS"), sums)?;
    Ok(output)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
