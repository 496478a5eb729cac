//! Measures parsing and indexing over a folder of JSON resources, as in
//! `cargo run --release -p fhir-search --example measure_index -- FOLDER`.
//!
//! Files of 16 KB and more and conformance resources are left out, so that the figures are about
//! what patients have. Prints the wall time of the fastest of several rounds, per resource, without
//! and with full text, and how many bytes the rows are on SQLite, by table.

#![expect(clippy::print_stdout, reason = "a program for developers")]

use std::collections::BTreeMap;
use std::time::Instant;

use fhir_definitions::ResourceType;
use fhir_model::date::Zone;
use fhir_model::{Id, Resource, ResourceKey};
use fhir_search::{
    CompositeNumberRow, CompositeStringRow, CompositeTokenRow, IndexRows, Indexer, ParameterId,
    Registry, StringRow, ValueHasher,
};

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
    let rows: Vec<IndexRows> =
        resources.iter().map(|(key, resource)| indexer.index(resource.view(), key)).collect();
    let counts: Vec<usize> = rows.iter().map(IndexRows::count).collect();
    let count = resources.len();
    println!(
        "{count} resources of {} bytes in mean; rows {:.1} in mean, {} at most",
        bytes / count.max(1),
        counts.iter().sum::<usize>() as f64 / count as f64,
        counts.iter().max().unwrap_or(&0)
    );
    print_bytes(&rows);
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
    let indexer = indexer.with_text(true);
    let with_text = fastest(|| {
        for (key, resource) in &resources {
            std::hint::black_box(indexer.index(resource.view(), key));
        }
    });
    let texts: Vec<_> = resources
        .iter()
        .map(|(key, resource)| indexer.index(resource.view(), key).text)
        .map(|text| (text.narrative.len(), text.content.len()))
        .collect();
    println!(
        "parse {:.2} us, index {:.2} us, with full text {:.2} us a resource",
        parse / count as f64,
        index / count as f64,
        with_text / count as f64
    );
    println!(
        "words: {:.0} bytes of narrative, {:.0} of content a resource",
        texts.iter().map(|text| text.0).sum::<usize>() as f64 / count as f64,
        texts.iter().map(|text| text.1).sum::<usize>() as f64 / count as f64,
    );
    Ok(())
}

/// Bytes of the rows as records of SQLite, each with the resource's number and the cell's head;
/// codings and units, which stand once per database, apart.
fn print_bytes(rows: &[IndexRows]) {
    const CELL: usize = 4 + 6; // length, head and columns' types; number of the resource
    let hash = |hash: i64| if hash == 0 { 0 } else { 8 };
    let mut tables: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for rows in rows {
        let mut add = |table, count: usize, bytes: usize| {
            let sums = tables.entry(table).or_default();
            *sums = (sums.0 + count, sums.1 + bytes + count * (CELL + 2));
        };
        let sum = |each: &mut dyn Iterator<Item = usize>| each.sum::<usize>();
        let token = sum(&mut rows.token.iter().map(|row| hash(row.code) + hash(row.sys)));
        add("token", rows.token.len(), token);
        add("reference", rows.reference.len(), 8 * rows.reference.len());
        add("date", rows.date.len(), 14 * rows.date.len());
        add("number", rows.number.len(), sum(&mut rows.number.iter().map(|row| 8 + row.v.len())));
        let text = |row: &StringRow| row.folded.len() + if row.exact == 0 { 0 } else { 4 };
        let (codes, strings): (Vec<_>, Vec<_>) = rows
            .string
            .iter()
            .partition(|row| row.exact == 0 && rows.token.iter().any(|token| token.p == row.p));
        add("string", strings.len(), sum(&mut strings.iter().map(|row| text(row))));
        add("string of :text", codes.len(), sum(&mut codes.iter().map(|row| text(row))));
        add("uri", rows.uri.len(), sum(&mut rows.uri.iter().map(|row| row.text.len())));
        let token = |row: &CompositeTokenRow| {
            hash(row.code) + hash(row.sys) + hash(row.code2) + hash(row.sys2)
        };
        let composite = sum(&mut rows.composite_token.iter().map(token));
        add("composite_token", rows.composite_token.len(), composite);
        let number = |row: &CompositeNumberRow| {
            hash(row.code) + hash(row.sys) + hash(row.unit) + row.v.len() + row.v2.len()
        };
        let composite = sum(&mut rows.composite_number.iter().map(number));
        add("composite_number", rows.composite_number.len(), composite);
        add("composite_date", rows.composite_date.len(), 30 * rows.composite_date.len());
        let string = |row: &CompositeStringRow| hash(row.code) + hash(row.sys) + row.folded.len();
        let composite = sum(&mut rows.composite_string.iter().map(string));
        add("composite_string", rows.composite_string.len(), composite);
    }
    let count = rows.len() as f64;
    for (table, (number, bytes)) in &tables {
        println!(
            "  {table}: {:.2} rows, {:.0} bytes",
            *number as f64 / count,
            *bytes as f64 / count
        );
    }
    let all: usize = tables.values().map(|sums| sums.1).sum();
    println!("  in all {:.0} bytes of rows a resource", all as f64 / count);
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
