//! `cargo xtask structures PACKAGE`: the StructureDefinitions of the official R4 package to the
//! artefact that `fhir-structure` embeds, with the checksums of what went in and out.
//!
//! Each definition is a zstd frame of its own over a shared dictionary, so that one is decoded
//! without the others; `data/README.md` of that crate describes the file.

mod trim;

use std::path::PathBuf;

use serde_json::Value;

use crate::{Outcome, artefact};

/// What `cargo xtask structures` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// hl7.fhir.r4.examples 4.0.1, as a .tgz or as its unpacked folder.
    package: PathBuf,
    /// Where the artefact goes.
    #[arg(long, default_value = "crates/fhir-structure/data")]
    output: PathBuf,
}

/// Larger dictionaries cost more than they save.
const DICTIONARY_BYTES: usize = 256 * 1024;
const LEVEL: i32 = 22;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let sources = artefact::read(&arguments.package, &["StructureDefinition"])?;
    let mut definitions: Vec<Value> = sources.files.values().map(trim::definition).collect();
    definitions.sort_by_cached_key(|each| text(each, "url").to_owned());
    let documents = definitions.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?;
    let dictionary = zstd::dict::from_samples(&documents, DICTIONARY_BYTES)?;
    let mut compressor = zstd::bulk::Compressor::with_dictionary(LEVEL, &dictionary)?;
    let (mut index, mut frames) = (String::new(), Vec::new());
    for (definition, document) in definitions.iter().zip(&documents) {
        let frame = compressor.compress(document)?;
        index.push_str(&line(definition, document.len(), frame.len()));
        frames.extend(frame);
    }
    let head = zstd::encode_all([index.as_bytes(), b"\n", &dictionary].concat().as_slice(), LEVEL)?;
    let mut file = u32::try_from(head.len())?.to_le_bytes().to_vec();
    file.extend(head);
    file.extend(frames);
    let sum = artefact::put(&arguments.output, "r4.structures", &file, &sources)?;
    let bytes: usize = documents.iter().map(Vec::len).sum();
    let count = documents.len();
    println!("{count} definitions, {bytes} bytes, {} compressed, sha256 {sum}", file.len());
    Ok(())
}

/// One line of the index.
fn line(definition: &Value, bytes: usize, packed_bytes: usize) -> String {
    let is_abstract = definition.get("abstract").and_then(Value::as_bool) == Some(true);
    let fields = [
        text(definition, "url"),
        text(definition, "version"),
        text(definition, "kind"),
        text(definition, "type"),
        text(definition, "derivation"),
        text(definition, "baseDefinition"),
        if is_abstract { "y" } else { "n" },
        &bytes.to_string(),
        &packed_bytes.to_string(),
    ];
    fields.join("\t") + "\n"
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
