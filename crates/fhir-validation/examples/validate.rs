//! Holds resources of files or folders to their base definitions and to profiles.
//!
//! `cargo run -p fhir-validation --example validate -- [--package FOLDER]… [--profile URL]… PATH…`
//!
//! `--rounds N` measures, `--bare` asks no terminology.
#![allow(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir_model::{Limits, Resource, ResourceType};
use fhir_structure::Structures;
use fhir_terminology::{CodeOptions, Problem, Stored, Terminology, Verdict};
use fhir_validation::{Coded, Found, Membership, NoWorld, Options, Validator, World};

#[derive(Default)]
struct Shelf(HashMap<(ResourceType, String), Vec<Arc<Resource>>>);

impl Shelf {
    fn add(&mut self, folder: &Path) {
        let mut paths = Vec::new();
        collect(folder, &mut paths);
        for path in paths {
            let Ok(bytes) = std::fs::read(path) else { continue };
            let Ok(resource) = Resource::trusted(bytes) else { continue };
            let url = resource.view().at(&["url"]).and_then(|url| url.text());
            let Some(url) = url.map(std::borrow::Cow::into_owned) else { continue };
            self.0.entry((resource.resource_type(), url)).or_default().push(Arc::new(resource));
        }
    }

    fn all(&self, kind: ResourceType, url: &str) -> Vec<Arc<Resource>> {
        self.0.get(&(kind, url.to_owned())).cloned().unwrap_or_default()
    }
}

impl Structures for Shelf {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let url = canonical.split('|').next()?;
        self.all(ResourceType::STRUCTURE_DEFINITION, url).pop()
    }

    fn generation(&self) -> u64 {
        1
    }
}

struct Stock<'s>(&'s Shelf);

impl Stored for Stock<'_> {
    type Error = Infallible;

    fn canonicals(
        &mut self,
        of: ResourceType,
        url: &str,
        _: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Infallible> {
        Ok(self.0.all(of, url))
    }

    fn value_set_by_id(&mut self, _: &str) -> Result<Option<Arc<Resource>>, Infallible> {
        Ok(None)
    }

    fn generation(&mut self) -> Result<Option<u64>, Infallible> {
        Ok(Some(1))
    }
}

struct Shelved(Arc<Shelf>, Terminology);

impl World for Shelved {
    fn resolve(&self, _: &str) -> Found {
        Found::Unread
    }

    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership {
        let coded = fhir_terminology::Coded {
            system: coded.system,
            version: coded.version,
            code: coded.code,
            display: coded.display,
        };
        let options = CodeOptions::default();
        let mut stock = Stock(&self.0);
        match self.1.validate_code(&mut stock, value_set, &coded, &options) {
            Ok(Verdict::In(member)) => Membership::In {
                wrong_display: member.display.filter(|_| member.has_wrong_display),
            },
            Ok(Verdict::Out(_)) => Membership::Out,
            Err(Problem::Fault(fault)) => Membership::Unknown(fault.to_string()),
            Err(Problem::Stored(never)) => match never {},
        }
    }
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) {
    if path.is_file() {
        paths.extend((path.extension().is_some_and(|e| e == "json")).then(|| path.to_owned()));
        return;
    }
    let Ok(entries) = path.read_dir() else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    entries.sort();
    entries.iter().for_each(|entry| collect(entry, paths));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut shelf, mut profiles, mut paths) = (Shelf::default(), Vec::new(), Vec::new());
    let (mut rounds, mut is_bare) = (0, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--package" => shelf.add(Path::new(&arguments.next().unwrap_or_default())),
            "--profile" => profiles.extend(arguments.next()),
            "--bare" => is_bare = true,
            "--rounds" => rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            path => collect(Path::new(path), &mut paths),
        }
    }
    let shelf = Arc::new(shelf);
    let shelved = Shelved(Arc::clone(&shelf), Terminology::embedded());
    let world: &dyn World = if is_bare { &NoWorld } else { &shelved };
    let validator = Validator::new(shelf);
    let names: Vec<&str> = profiles.iter().map(String::as_str).collect();
    let options = Options { budget: Duration::from_secs(60), ..Options::default() };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in &paths {
        let Ok(bytes) = std::fs::read(path) else { continue };
        let Ok(resource) = Resource::from_json(bytes, &Limits::NONE) else {
            *counts.entry("refused by the parser").or_default() += 1;
            continue;
        };
        let start = Instant::now();
        let report = validator.validate(resource.view(), &names, world, &options);
        let first = start.elapsed();
        *counts.entry(if report.is_valid() { "valid" } else { "invalid" }).or_default() += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for finding in &report.findings {
            let (severity, kind) = (finding.severity.code(), finding.kind.code());
            let (place, rule, text) = (&finding.expression, &finding.rule, &finding.text);
            println!("{severity}\t{kind}\t{name}\t{place}\t{rule}\t{text}");
        }
        if first > Duration::from_millis(500) {
            println!("slow\t{name}\t{} ms", first.as_millis());
        }
        if rounds > 0 {
            let mut times: Vec<Duration> = (0..rounds)
                .map(|_| {
                    let start = Instant::now();
                    let report = validator.validate(resource.view(), &names, world, &options);
                    std::hint::black_box(report);
                    start.elapsed()
                })
                .collect();
            times.sort();
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            println!("time\t{name}\tfirst {first:?}\tmedian {median:?}");
        }
    }
    println!("{counts:?}");
}
