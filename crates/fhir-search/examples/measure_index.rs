//! Measures parsing and indexing over a folder of JSON resources, as in
//! `cargo run --release -p fhir-search --example measure_index -- FOLDER`.
//!
//! Files of 16 KB and more and conformance resources are left out, so that the figures are about
//! what patients have. Prints the wall time of the fastest of several rounds, per resource.

#![expect(clippy::print_stdout, reason = "a program for developers")]

use std::collections::BTreeMap;
use std::time::Instant;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Id, Resource, ResourceKey};
use fhir_search::{Indexer, ParameterId, Registry, ValueHasher};

/// The server's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONFORMANCE: [&str; 14] = [
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "GraphDefinition",
    "ImplementationGuide",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "ValueSet",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder of JSON resources")?;
    let sources = read(&folder)?;
    let start = Instant::now();
    println!("definitions: {} types, {:?}", fhir_definitions::r4().types.len(), start.elapsed());
    let start = Instant::now();
    let mut numbers: BTreeMap<(ResourceType, String), i32> = BTreeMap::new();
    let registry = Registry::r4(&mut |base, code, _url| {
        let next = i32::try_from(numbers.len()).unwrap_or(i32::MAX - 1) + 1;
        ParameterId(*numbers.entry((base, code.to_owned())).or_insert(next))
    });
    println!("registry: {} parameters, {:?}", registry.all().count(), start.elapsed());
    let start = Instant::now();
    let indexer = Indexer::compile(&registry, ValueHasher::new(&[7; 16]), Zone::default());
    println!("compile: {:?}, {} without rows", start.elapsed(), indexer.uncompiled().len());

    let resources: Vec<(ResourceKey, Resource)> =
        sources.iter().filter_map(|source| keyed(source)).collect();
    let bytes: usize = resources.iter().map(|(_, resource)| resource.source().len()).sum();
    let rows: Vec<usize> = resources
        .iter()
        .map(|(key, resource)| indexer.index(resource.view(), key).count())
        .collect();
    let count = resources.len();
    println!(
        "{count} resources of {} bytes in mean; rows {:.1} in mean, {} at most",
        bytes / count.max(1),
        rows.iter().sum::<usize>() as f64 / count as f64,
        rows.iter().max().unwrap_or(&0)
    );
    let parse = fastest(|| {
        for source in &sources {
            std::hint::black_box(Resource::trusted(source.clone())).ok();
        }
    });
    let index = fastest(|| {
        for (key, resource) in &resources {
            std::hint::black_box(indexer.index(resource.view(), key));
        }
    });
    println!(
        "parse {:.2} us, index {:.2} us a resource",
        parse / count as f64,
        index / count as f64
    );
    Ok(())
}

/// Microseconds of the fastest of several rounds.
fn fastest(mut round: impl FnMut()) -> f64 {
    let times = (0..40).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed().as_secs_f64() * 1e6
    });
    times.fold(f64::MAX, f64::min)
}

fn read(folder: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_conformance = CONFORMANCE.iter().any(|each| name.starts_with(&format!("{each}-")));
        if !is_conformance && name.ends_with(".json") {
            let source = std::fs::read(&path)?;
            if source.len() < 16 * 1024 {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

fn keyed(source: &[u8]) -> Option<(ResourceKey, Resource)> {
    let resource = Resource::trusted(source.to_owned()).ok()?;
    let id: Id = resource.id()?;
    Some((ResourceKey::new(resource.resource_type(), id), resource))
}
