//! Checks every JSON resource of a folder: lists what is refused and measures parsing, checking
//! and making bodies.
//!
//! `cargo run --release -p fhir-model --example check_folder -- FOLDER`
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fhir_model::{Body, Limits, Resource, check, json};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("give a folder")?);
    let mut accepted = Vec::new();
    let mut refused = 0;
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name == "package.json" || name.starts_with('.') {
            continue;
        }
        match Resource::from_json(std::fs::read(&path)?, &Limits::default()) {
            Ok(resource) => accepted.push((name, resource)),
            Err(failure) => {
                refused += 1;
                println!("{name}: {failure}");
            }
        }
    }
    println!("accepted {}, refused {refused}", accepted.len());
    let conformance = [
        "StructureDefinition",
        "ValueSet",
        "CodeSystem",
        "SearchParameter",
        "ConceptMap",
        "Bundle",
    ];
    let small: Vec<String> = accepted
        .iter()
        .filter(|(name, _)| !conformance.iter().any(|kind| name.starts_with(kind)))
        .map(|(_, resource)| json::minified(resource.source().as_bytes()))
        .filter(|bytes| bytes.len() < 16_384)
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .collect();
    measure("small resources, minified", &small);
    let indented: Vec<String> = small
        .iter()
        .filter_map(|text| String::from_utf8(json::pretty(text.as_bytes())).ok())
        .collect();
    measure("the same, indented", &indented);
    Ok(())
}

fn measure(name: &str, sources: &[String]) {
    let bytes: usize = sources.iter().map(String::len).sum();
    let count = u32::try_from(sources.len().max(1)).unwrap_or(1);
    println!("{name}: {count} of {} bytes in the mean", bytes / sources.len().max(1));
    let limits = Limits::default();
    // The best of many runs of each resource: other processes on the machine do not count.
    let each = |work: &dyn Fn(&String)| {
        let best = |source: &String| {
            let run = |_| {
                let start = Instant::now();
                work(source);
                start.elapsed()
            };
            (0..40).map(run).min().unwrap_or(Duration::ZERO)
        };
        sources.iter().map(best).sum::<Duration>() / count
    };
    println!("  parse: {:?}", each(&|source| drop(black_box(json::parse(source, &limits)))));
    let checked = each(&|source| {
        let tape = json::parse(source, &limits);
        let _ = black_box(tape.map(|tape| check::check(tape.root(source))));
    });
    println!("  parse and check: {checked:?}");
    let resource = each(&|source| {
        drop(black_box(Resource::from_json(source.clone().into_bytes(), &limits)));
    });
    println!("  Resource::from_json with a copy of the source: {resource:?}");
    let both = each(&|source| {
        let resource = Resource::from_json(source.clone().into_bytes(), &limits);
        drop(black_box(resource.map(|resource| Body::from_view(resource.view(), None))));
    });
    println!("  the same and its body: {both:?}");
}
