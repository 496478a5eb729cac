//! `cargo xtask definitions PACKAGE`: the official R4 package to the artefact that
//! `fhir-definitions` embeds, with the checksums of what went in and what came out.
//!
//! Tab-separated lines, one record each, compressed with zstd; `data/README.md` describes them.

mod codes;
mod search;
mod types;

use std::path::PathBuf;

use serde_json::Value;

use crate::artefact::Sources;
use crate::{Outcome, artefact};

/// What `cargo xtask definitions` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// hl7.fhir.r4.examples 4.0.1, as a .tgz or as its unpacked folder.
    package: PathBuf,
    /// Where the artefact goes.
    #[arg(long, default_value = "crates/fhir-definitions/data")]
    output: PathBuf,
}

impl Sources {
    /// All resources of a type, in the order of their file names.
    fn of_type<'a>(&'a self, resource_type: &'a str) -> impl Iterator<Item = &'a Value> {
        self.files.values().filter(move |resource| text(resource, "resourceType") == resource_type)
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
    let sources = artefact::read(&arguments.package, &TYPES)?;
    let mut codes = codes::CodeSets::of(&sources);
    let mut lines = types::lines(&sources, &mut codes)?;
    lines.extend(search::lines(&sources));
    lines.extend(codes.lines());
    let text = lines.join("\n") + "\n";
    let (size, sum) = artefact::write(&arguments.output, "r4.definitions.zst", &text, &sources)?;
    let count = lines.len();
    println!("{count} lines, {} bytes of text, {size} compressed, sha256 {sum}", text.len());
    Ok(())
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
