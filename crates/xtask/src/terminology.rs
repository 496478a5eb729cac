//! `cargo xtask terminology PACKAGE`: the value sets and code systems of the official R4 package
//! to the artefact that `fhir-terminology` embeds, with the checksums of what went in and out.
//!
//! Blocks of tab-separated lines, one block a resource and an empty line after each, compressed
//! with zstd; `data/README.md` of that crate describes them.

mod lines;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Outcome;

/// What `cargo xtask terminology` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// hl7.fhir.r4.examples 4.0.1, as a .tgz or as its unpacked folder.
    package: PathBuf,
    /// Where the artefact goes.
    #[arg(long, default_value = "crates/fhir-terminology/data")]
    output: PathBuf,
}

const TYPES: [&str; 3] = ["CodeSystem", "StructureDefinition", "ValueSet"];

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut sources: BTreeMap<String, Value> = BTreeMap::new();
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for file in fhir_package::read(&arguments.package, fhir_package::Limits::default()) {
        let file = file?;
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let resource_type = name.split('-').next().unwrap_or_default();
        if TYPES.contains(&resource_type) {
            digests.insert(name.clone(), hex(&Sha256::digest(&file.bytes)));
            sources.insert(name, serde_json::from_slice(&file.bytes)?);
        }
    }
    if sources.is_empty() {
        return Err("the package holds no definitions".into());
    }
    let mut digest = Sha256::new();
    for (name, content) in &digests {
        digest.update(format!("{name}\n{content}\n"));
    }
    let input = hex(&digest.finalize());
    let text = lines::text(sources.values())?;
    let artefact = zstd::encode_all(text.as_bytes(), 19)?;
    let output = hex(&Sha256::digest(&artefact));
    fs::create_dir_all(&arguments.output)?;
    fs::write(arguments.output.join("r4.terminology.zst"), &artefact)?;
    fs::write(
        arguments.output.join("SHA256SUMS"),
        format!("{output}  r4.terminology.zst\n{input}  input\n"),
    )?;
    println!("{} bytes of text, {} compressed, sha256 {output}", text.len(), artefact.len());
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
