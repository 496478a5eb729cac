//! `cargo xtask roundtrip FOLDER`: JSON to XML to JSON over every resource of a folder or package.
//!
//! Equal means: the same members, arrays, strings and digits, narrative included; only the order
//! of members may differ. The XML is written in both forms, plain and indented.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fhir_model::{Limits, Resource, difference, xml};
use fhir_package::Format;

use crate::Outcome;

/// What to send through.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder, .tgz package or single file of JSON resources.
    source: PathBuf,
    /// How many faults are listed.
    #[arg(long, default_value_t = 50)]
    show: usize,
}

#[derive(Default)]
struct Tally {
    resources: u32,
    equal: u32,
    refused: Vec<String>,
    unequal: Vec<String>,
    json_bytes: usize,
    xml_bytes: usize,
    writing: Duration,
    reading: Duration,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut tally = Tally::default();
    for file in fhir_package::read(&arguments.source, fhir_package::Limits::default()) {
        let file = file?;
        if file.format == Format::Json {
            send(&file.path, file.bytes, &mut tally);
        }
    }
    print(&tally, arguments.show);
    if tally.unequal.is_empty() {
        return Ok(());
    }
    Err(format!("{} resources came back changed", tally.unequal.len()).into())
}

fn send(path: &str, bytes: Vec<u8>, tally: &mut Tally) {
    tally.resources += 1;
    tally.json_bytes += bytes.len();
    let limits = Limits::default();
    let checked = Resource::from_json(bytes.clone(), &limits);
    let resource = match checked.or_else(|failure| {
        // What the check refuses must still survive both formats.
        tally.refused.push(format!("{path}: {failure}"));
        Resource::trusted(bytes)
    }) {
        Ok(resource) => resource,
        Err(failure) => return tally.unequal.push(format!("{path}: no JSON: {failure}")),
    };
    let start = Instant::now();
    let xml = xml::write(resource.view(), false);
    tally.writing += start.elapsed();
    tally.xml_bytes += xml.len();
    let start = Instant::now();
    let plain = xml::read(&xml, &limits);
    tally.reading += start.elapsed();
    let pretty = xml::read(&xml::write(resource.view(), true), &limits);
    for (form, read) in [("plain", plain), ("indented", pretty)] {
        let found = read.map_err(|issues| format!("{issues:?}")).and_then(|read| {
            let faults = read.faults.first().map(|fault| format!("{fault:?}"));
            let again = Resource::trusted(read.json).map_err(|failure| failure.to_string())?;
            match faults.or_else(|| difference(resource.view().value, again.view().value)) {
                Some(fault) => Err(fault),
                None => Ok(()),
            }
        });
        if let Err(fault) = found {
            return tally.unequal.push(format!("{path}: {form}: {fault}"));
        }
    }
    tally.equal += 1;
}

fn print(tally: &Tally, show: usize) {
    for fault in tally.refused.iter().take(show) {
        println!("refused {fault}");
    }
    for fault in tally.unequal.iter().take(show) {
        println!("changed {fault}");
    }
    let count = u128::from(tally.resources.max(1));
    println!(
        "{} resources: {} equal, {} changed; {} of them refused by the check",
        tally.resources,
        tally.equal,
        tally.unequal.len(),
        tally.refused.len()
    );
    println!(
        "{} bytes of JSON, {} of XML; {} us to write and {} us to read a resource",
        tally.json_bytes,
        tally.xml_bytes,
        tally.writing.as_micros() / count,
        tally.reading.as_micros() / count
    );
}
