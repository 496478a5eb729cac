//! `cargo xtask dictionary FOLDER --number N`: trains a dictionary for stored bodies.
//!
//! The samples are the stored bodies of every resource in the folder (the official R4 examples),
//! in the order of their file names; giant ones are left out, so that no single file decides. The
//! result is data: it is committed beside its recipe, and rows name it by number for ever, so a
//! better one gets the next number.

use std::error::Error;
use std::path::{Path, PathBuf};

use fhir_model::{Body, Resource};

use crate::Outcome;

/// Bodies over this size are left out of the training.
const MAX_SAMPLE_BYTES: usize = 64 * 1024;

/// Trains a dictionary for stored bodies from a folder of resources.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder with JSON resources, one a file.
    folder: PathBuf,
    /// Size of the dictionary, in bytes.
    #[arg(long, default_value_t = 64 * 1024)]
    size_bytes: usize,
    /// Where the dictionary goes.
    #[arg(long, default_value = "crates/fhir-store/dictionary/1.zstd-dictionary")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let samples = samples(&arguments.folder)?;
    if samples.is_empty() {
        return Err("the folder holds no resource".into());
    }
    let (even, odd): (Vec<_>, Vec<_>) =
        samples.iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let half: Vec<&Vec<u8>> = even.into_iter().map(|(_, sample)| sample).collect();
    let trial = zstd::dict::from_samples(&half, arguments.size_bytes)?;
    let other: Vec<&Vec<u8>> = odd.into_iter().map(|(_, sample)| sample).collect();
    println!("trained on one half, on the other: {:.2} times smaller", ratio(&trial, &other)?);

    let dictionary = zstd::dict::from_samples(&samples, arguments.size_bytes)?;
    let all: Vec<&Vec<u8>> = samples.iter().collect();
    println!("trained on all {}: {:.2} times smaller", all.len(), ratio(&dictionary, &all)?);
    std::fs::write(&arguments.out, &dictionary)?;
    println!("wrote {} bytes to {}", dictionary.len(), arguments.out.display());
    Ok(())
}

fn samples(folder: &Path) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut samples = Vec::new();
    for path in files {
        // What is no resource (package.json, the index) is no sample.
        let Ok(resource) = Resource::trusted(std::fs::read(&path)?) else { continue };
        let body = Body::from_view(resource.view(), None).into_bytes();
        if body.len() <= MAX_SAMPLE_BYTES {
            samples.push(body);
        }
    }
    Ok(samples)
}

fn ratio(dictionary: &[u8], samples: &[&Vec<u8>]) -> Result<f64, Box<dyn Error>> {
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, dictionary)?;
    let (mut plain, mut packed) = (0_u32, 0_u32);
    for sample in samples {
        plain = plain.saturating_add(u32::try_from(sample.len())?);
        packed = packed.saturating_add(u32::try_from(compressor.compress(sample)?.len())?);
    }
    Ok(f64::from(plain) / f64::from(packed.max(1)))
}
