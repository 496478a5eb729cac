//! `cargo xtask terminology PACKAGE`: the value sets and code systems of the official R4 package
//! to the artefact that `fhir-terminology` embeds, with the checksums of what went in and out.
//!
//! Blocks of tab-separated lines, one block a resource and an empty line after each, compressed
//! with zstd; `data/README.md` of that crate describes them.

mod lines;

use std::path::PathBuf;

use crate::{Outcome, artefact};

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
    let sources = artefact::read(&arguments.package, &TYPES)?;
    let text = lines::text(sources.files.values())?;
    let (size, sum) = artefact::write(&arguments.output, "r4.terminology.zst", &text, &sources)?;
    println!("{} bytes of text, {size} compressed, sha256 {sum}", text.len());
    Ok(())
}
