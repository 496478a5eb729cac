//! The measurements in their order, runs of server and ceilings in turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Arguments;
use super::bare::Bare;
use super::client::{fetch, request, send};
use super::measure::{Figure, loaded, median};
use super::process::Process;
use super::samples::{Sample, samples, transactions};
use super::table::{Line, machine, print};
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// How many different resources the reads go around.
const READ_KEYS: usize = 1_000;

/// Runs everything and prints the tables.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    println!("{}", machine());
    println!("flush of 4 KiB in this folder: {} us (median of 50)", flush_us(&folder)?);
    println!("{arguments:?}\n");
    let binary = binary()?;
    let empty = starts(&binary, |number| folder.join(format!("empty{number}.sqlite")))?;
    let mut bench = Bench::new(arguments, &binary, &folder)?;
    let mut lines = vec![bench.bundles()?];
    lines.extend(bench.reads()?);
    lines.extend(bench.creates()?);
    lines.extend(bench.searches()?);
    print(&lines);
    println!();
    let (resources, database) = (bench.stored, bench.database.clone());
    let loaded_kib = bench.server.resident_kib()?;
    bench.server.stop()?;
    let bytes = size_of(&database)?;
    let filled = starts(&binary, |_| database.clone())?;
    println!("| what | figure |\n|---|---:|");
    println!("| bytes per resource ({resources} resources) | {} |", bytes / resources as u64);
    println!("| start, empty store | {} ms |", empty.start.as_millis());
    println!("| start, filled store | {} ms |", filled.start.as_millis());
    println!("| idle memory, empty store | {} MB |", empty.resident_kib / 1_024);
    println!("| idle memory, filled store | {} MB |", filled.resident_kib / 1_024);
    println!("| memory after the load | {} MB |", loaded_kib / 1_024);
    println!("| binary | {} MB |", std::fs::metadata(&binary)?.len() >> 20);
    Ok(())
}

/// The built server beside this program.
pub(super) fn binary() -> Result<PathBuf, Error> {
    let own = std::env::current_exe()?;
    let binary = own.with_file_name("kantele");
    if binary.exists() { Ok(binary) } else { Err("build the server with `--release` first".into()) }
}

/// A search, made of a code and a patient that occur in the data.
type Shape = fn(&str, &str) -> String;

struct Start {
    start: Duration,
    resident_kib: u64,
}

/// The median of five starts, up to the first answer, and the memory held then.
fn starts(binary: &Path, database: impl Fn(usize) -> PathBuf) -> Result<Start, Error> {
    let mut found = Vec::new();
    for number in 0..5 {
        let begin = Instant::now();
        let process = Process::server(binary, &database(number))?;
        fetch(process.address, &request("GET", "/health/ready", b""))?;
        let start = begin.elapsed();
        found.push(Start { start, resident_kib: process.resident_kib()? });
        process.stop()?;
    }
    found.sort_by_key(|it| it.start);
    found.into_iter().nth(2).ok_or_else(|| "no start".into())
}

/// Bytes of a SQLite file with its log, after a clean stop.
fn size_of(database: &Path) -> Result<u64, Error> {
    let mut bytes = std::fs::metadata(database)?.len();
    let log = PathBuf::from(format!("{}-wal", database.display()));
    if let Ok(metadata) = std::fs::metadata(log) {
        bytes += metadata.len();
    }
    Ok(bytes)
}

/// What a flush of one page costs on this disk just now.
fn flush_us(folder: &Path) -> Result<u128, Error> {
    use std::io::Write;
    let path = folder.join("flush");
    let mut file = std::fs::File::create(&path)?;
    let mut taken = Vec::new();
    for _ in 0..50 {
        file.write_all(&[7; 4096])?;
        let begin = Instant::now();
        file.sync_data()?;
        taken.push(begin.elapsed().as_micros());
    }
    std::fs::remove_file(path)?;
    taken.sort_unstable();
    Ok(taken.get(25).copied().unwrap_or(0))
}

struct Bench<'a> {
    arguments: &'a Arguments,
    folder: PathBuf,
    database: PathBuf,
    server: Process,
    bare: Bare,
    samples: Vec<Sample>,
    /// Resources in the server's database.
    stored: usize,
    /// Samples used up by creates.
    created: usize,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments, binary: &Path, folder: &Path) -> Result<Self, Error> {
        // The creates draw on samples of their own, so that nothing is written twice.
        let creates = arguments.runs * (arguments.creates + arguments.creates / 10 + 1);
        let samples = samples(arguments.seed, arguments.resources + creates)?;
        let lines: Vec<&str> = samples.iter().map(|sample| sample.text.as_str()).collect();
        let file = folder.join("samples.ndjson");
        std::fs::write(&file, lines.join("\n"))?;
        let database = folder.join("server.sqlite");
        Ok(Self {
            arguments,
            folder: folder.to_owned(),
            server: Process::server(binary, &database)?,
            bare: Bare::start(&file, &folder.join("bare.sqlite"))?,
            database,
            samples,
            stored: 0,
            created: arguments.resources,
        })
    }

    /// Loads everything in transactions, a part in each run.
    fn bundles(&mut self) -> Result<Line, Error> {
        let part = self.arguments.resources / self.arguments.runs / 100 * 100;
        let (mut server, mut bare) = (Vec::new(), Vec::new());
        for run in 0..self.arguments.runs {
            let first = run * part;
            let chosen = self.samples.get(first..first + part).ok_or("too few samples")?;
            let bodies = transactions(chosen);
            let posts = bodies.iter().map(|body| request("POST", "/fhir", body.as_bytes()));
            let posts: Arc<Vec<Vec<u8>>> = Arc::new(posts.collect());
            let address = self.server.address;
            let count = posts.len();
            let load = || send(address, 1, &posts, 0, count);
            server.push(loaded(&self.server, 100, load)?);
            let cost = self.bare.run(&format!("bundles {first} {part}"))?;
            bare.push(Figure::of(cost, part));
            self.stored += part;
        }
        line("resource in a transaction of 100", server, vec![("the bare store", bare)])
    }

    /// Reads by id, with one client and with many.
    fn reads(&mut self) -> Result<Vec<Line>, Error> {
        let kept = self.samples.get(..READ_KEYS.min(self.stored)).ok_or("too few samples")?;
        let paths: Vec<String> = kept.iter().map(|it| format!("/fhir/{}", it.key())).collect();
        let gets: Vec<Vec<u8>> = paths.iter().map(|path| request("GET", path, b"")).collect();
        let ceiling = self.ceiling(&paths, &gets)?;
        let gets = Arc::new(gets);
        let mut lines = Vec::new();
        for clients in [1, self.arguments.clients] {
            let count = self.count(clients, self.arguments.requests);
            let (mut server, mut actix, mut bare) = (Vec::new(), Vec::new(), Vec::new());
            for run in 0..self.arguments.runs {
                let first = run * count;
                let load = |it: &Process| send(it.address, clients, &gets, first, count);
                server.push(loaded(&self.server, 1, || load(&self.server))?);
                actix.push(loaded(&ceiling, 1, || load(&ceiling))?);
                bare.push(Figure::of(self.bare.run(&format!("reads {count}"))?, count));
            }
            let ceilings = vec![("actix", actix), ("the bare store", bare)];
            lines.push(line(&format!("read by id, {clients} clients"), server, ceilings)?);
        }
        Ok(lines)
    }

    /// Creates one by one, with one client and with many.
    fn creates(&mut self) -> Result<Vec<Line>, Error> {
        let ceiling = self.ceiling(&[], &[])?;
        let mut lines = Vec::new();
        for clients in [1, self.arguments.clients] {
            let count = self.count(clients, self.arguments.creates);
            let (mut server, mut actix, mut bare) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..self.arguments.runs {
                let first = self.created;
                let chosen = self.samples.get(first..first + count).ok_or("too few samples")?;
                let posts = chosen.iter().map(|sample| {
                    request("POST", &format!("/fhir/{}", sample.kind), sample.text.as_bytes())
                });
                let posts = Arc::new(posts.collect::<Vec<_>>());
                let load = |it: &Process| send(it.address, clients, &posts, 0, count);
                server.push(loaded(&self.server, 1, || load(&self.server))?);
                actix.push(loaded(&ceiling, 1, || load(&ceiling))?);
                let cost = self.bare.run(&format!("creates {clients} {first} {count}"))?;
                bare.push(Figure::of(cost, count));
                self.created += count;
                self.stored += count;
            }
            let ceilings = vec![("actix", actix), ("the bare store", bare)];
            lines.push(line(&format!("create, {clients} clients"), server, ceilings)?);
        }
        Ok(lines)
    }

    /// Searches whose values come from the samples, so that every one finds something.
    fn searches(&mut self) -> Result<Vec<Line>, Error> {
        let field = |sample: &Sample, pointer: &str| {
            let parsed: serde_json::Value = serde_json::from_str(&sample.text).ok()?;
            Some(parsed.pointer(pointer)?.as_str()?.to_owned())
        };
        let observations: Vec<(String, String)> = self
            .samples
            .iter()
            .take(self.stored)
            .filter(|sample| sample.kind == "Observation")
            .take(500)
            .filter_map(|it| {
                Some((field(it, "/code/coding/0/code")?, field(it, "/subject/reference")?))
            })
            .collect();
        let shapes: [(&str, Shape); 4] = [
            ("search by token, page of 20", |code, _| format!("Observation?code={code}")),
            ("search by date, newest 20", |_, _| {
                "Observation?date=ge2025-06-01&date=lt2025-07-01&_sort=-date".to_owned()
            }),
            ("search by patient and code", |code, patient| {
                format!("Observation?patient={patient}&code={code}")
            }),
            ("search by patient, with the Patient", |_, patient| {
                format!("Observation?patient={patient}&_include=Observation:subject")
            }),
        ];
        let mut lines = Vec::new();
        for (name, shape) in shapes {
            let gets = observations.iter().map(|(code, patient)| {
                request("GET", &format!("/fhir/{}", shape(code, patient)), b"")
            });
            let gets = Arc::new(gets.collect::<Vec<_>>());
            for clients in [1, self.arguments.clients] {
                let count = self.count(clients, self.arguments.requests) / 4;
                let mut server = Vec::new();
                for run in 0..self.arguments.runs {
                    let load = || send(self.server.address, clients, &gets, run * count, count);
                    server.push(loaded(&self.server, 1, load)?);
                }
                lines.push(line(&format!("{name}, {clients} clients"), server, vec![])?);
            }
        }
        Ok(lines)
    }

    /// One client alone gets a tenth of the requests, since it waits for each.
    fn count(&self, clients: usize, full: usize) -> usize {
        if clients == 1 && self.arguments.clients > 1 { (full / 10).max(1) } else { full }
    }

    /// A ceiling that answers these paths with what the server answers just now.
    fn ceiling(&self, paths: &[String], gets: &[Vec<u8>]) -> Result<Process, Error> {
        let mut text = String::new();
        for (path, get) in paths.iter().zip(gets) {
            let body = String::from_utf8(fetch(self.server.address, get)?)?;
            text.push_str(&format!("{path}\n{body}\n"));
        }
        let file = self.folder.join("answers");
        std::fs::write(&file, text)?;
        let mut command = Command::new(std::env::current_exe()?);
        Process::start(command.args(["bench-helper", "ceiling"]).arg(file))
    }
}

fn line(
    name: &str,
    server: Vec<Figure>,
    ceilings: Vec<(&'static str, Vec<Figure>)>,
) -> Result<Line, Error> {
    let mut found = Vec::new();
    for (ceiling, figures) in ceilings {
        found.push((ceiling, median(figures).ok_or("no runs")?));
    }
    let server = median(server).ok_or("no runs")?;
    Ok(Line { name: name.to_owned(), server, ceilings: found })
}
