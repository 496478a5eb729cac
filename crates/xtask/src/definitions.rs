//! `cargo xtask definitions PACKAGE`: the official R4 package to the artefact that
//! `fhir-definitions` embeds, with the checksums of what went in and what came out.
//!
//! Tab-separated lines, one record each, compressed with zstd; `data/README.md` describes them.

mod codes;
mod search;
mod types;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Outcome;

/// What `cargo xtask definitions` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// hl7.fhir.r4.examples 4.0.1, as a .tgz or as its unpacked folder.
    package: PathBuf,
    /// Where the artefact goes.
    #[arg(long, default_value = "crates/fhir-definitions/data")]
    output: PathBuf,
}

/// The conformance resources of the package by type and file name.
struct Sources(BTreeMap<String, Value>);

impl Sources {
    /// All resources of a type, in the order of their file names.
    fn of_type<'a>(&'a self, resource_type: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.values().filter(move |resource| text(resource, "resourceType") == resource_type)
    }
}

const TYPES: [&str; 6] = [
    "StructureDefinition",
    "SearchParameter",
    "CompartmentDefinition",
    "OperationDefinition",
    "ValueSet",
    "CodeSystem",
];

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let (sources, input) = read(arguments)?;
    let mut codes = codes::CodeSets::of(&sources);
    let mut lines = types::lines(&sources, &mut codes)?;
    lines.extend(search::lines(&sources));
    lines.extend(codes.lines());
    let text = lines.join("\n") + "\n";
    let artefact = zstd::encode_all(text.as_bytes(), 19)?;
    let output = hex(&Sha256::digest(&artefact));
    fs::create_dir_all(&arguments.output)?;
    fs::write(arguments.output.join("r4.definitions.zst"), &artefact)?;
    fs::write(
        arguments.output.join("SHA256SUMS"),
        format!("{output}  r4.definitions.zst\n{input}  input\n"),
    )?;
    println!(
        "{} lines, {} bytes of text, {} compressed, sha256 {output}",
        lines.len(),
        text.len(),
        artefact.len()
    );
    Ok(())
}

/// The resources that matter, and the digest of their files: SHA-256 over `name`, a line feed,
/// the SHA-256 of the content in hexadecimal and a line feed, for each file in name order.
fn read(arguments: &Arguments) -> Result<(Sources, String), Box<dyn std::error::Error>> {
    let mut sources = BTreeMap::new();
    let mut digests = BTreeMap::new();
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
    Ok((Sources(sources), hex(&digest.finalize())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a member, empty where there is none; white space becomes single spaces, which the
/// line format needs.
fn text(value: &Value, key: &str) -> String {
    let text = value.get(key).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: &Value, key: &str) -> String {
    items(value, key).filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

fn is_true(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool) == Some(true)
}

/// The last part of a canonical URL.
fn last(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
