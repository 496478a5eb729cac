//! The ceiling of storage: the store called directly, with equal rows and equal groups.
//!
//! Resources are parsed and indexed beforehand; what is measured is `Store::write` and
//! `Store::read`. A process of its own, so that its CPU time is its own; it takes commands on
//! standard input, so that its runs lie between those of the server.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir_model::date::Zone;
use fhir_model::{Body, Limits, Resource, ResourceKey};
use fhir_store::{
    Action, DatabaseUrl, Method, Preconditions, Store, StoreSettings, WriteGroup, WriteOp,
};
use tokio::task::LocalSet;

use super::measure::Cost;
use super::process::cpu_of;
use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// What to write and where.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One resource a line, each with an id.
    samples: PathBuf,
    /// The SQLite file.
    database: PathBuf,
}

/// Takes commands until standard input ends: `bundles FIRST COUNT`, `creates CLIENTS FIRST
/// COUNT`, `reads COUNT`. Answers each with wall and CPU time in microseconds.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let zone = Zone::named("Europe/Helsinki")?;
    let settings = StoreSettings::new(Arc::new(now), zone);
    let store = Store::open(&DatabaseUrl::Sqlite(arguments.database.clone()), &settings)?;
    let text = std::fs::read_to_string(&arguments.samples)?;
    let documents: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words.get(index).and_then(|it| it.parse::<usize>().ok());
        let (first, second, third) = (number(1), number(2), number(3));
        let cost = match (words.first().copied(), first, second, third) {
            (Some("bundles"), Some(first), Some(count), None) => {
                let ops = prepare(&store, documents.get(first..first + count), false)?;
                let groups = ops.chunks(100).map(|ops| WriteGroup {
                    ops: ops.to_vec(),
                    atomic: true,
                    ..WriteGroup::default()
                });
                let groups: Vec<WriteGroup> = groups.collect();
                measured(|| write(&runtime, &store, 1, groups))?
            }
            (Some("creates"), Some(clients), Some(first), Some(count)) => {
                let ops = prepare(&store, documents.get(first..first + count), true)?;
                let groups =
                    ops.into_iter().map(|op| WriteGroup { ops: vec![op], ..WriteGroup::default() });
                let groups: Vec<WriteGroup> = groups.collect();
                measured(|| write(&runtime, &store, clients, groups))?
            }
            (Some("reads"), Some(count), None, None) => {
                let keys = keys(&documents);
                measured(|| read(&runtime, &store, &keys, count))?
            }
            _ => return Err(format!("no such command: {line}").into()),
        };
        println!("{} {}", cost.wall.as_micros(), cost.cpu.as_micros());
    }
    store.close();
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the bench is the outermost caller")]
pub(crate) fn now() -> fhir_model::Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    fhir_model::Instant(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn measured(work: impl FnOnce() -> Result<(), Error>) -> Result<Cost, Error> {
    let (cpu, begin) = (cpu_of("self")?, Instant::now());
    work()?;
    Ok(Cost { wall: begin.elapsed(), cpu: cpu_of("self")?.saturating_sub(cpu) })
}

/// Operations with their rows made, under the resources' own ids or under fresh ones.
fn prepare(
    store: &Store,
    documents: Option<&[Vec<u8>]>,
    is_new: bool,
) -> Result<Vec<WriteOp>, Error> {
    let documents = documents.ok_or("fewer samples than asked for")?;
    let mut ops = Vec::with_capacity(documents.len());
    for document in documents {
        let resource = Resource::from_json(document.clone(), &Limits::default())?;
        let mut key = resource.view().key().ok_or("a sample without an id")?;
        let method = if is_new { Method::Post } else { Method::Put };
        if is_new {
            let rows = store.definitions().indexer.index(resource.view(), &key);
            key.id = store.new_id(rows.access.person);
        }
        let rows = Box::new(store.definitions().indexer.index(resource.view(), &key));
        let body = Arc::new(Body::from_view(resource.view(), None));
        let action = Action::Put { body, rows, method };
        ops.push(WriteOp { key, action, preconditions: Preconditions::default() });
    }
    Ok(ops)
}

/// Writes the groups, `clients` of them at once.
fn write(
    runtime: &tokio::runtime::Runtime,
    store: &Store,
    clients: usize,
    groups: Vec<WriteGroup>,
) -> Result<(), Error> {
    let queue = std::rc::Rc::new(std::cell::RefCell::new(groups.into_iter()));
    let set = LocalSet::new();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (queue, store) = (queue.clone(), store.clone());
            set.spawn_local(async move {
                loop {
                    let next = queue.borrow_mut().next();
                    let Some(group) = next else { return Ok::<(), Error>(()) };
                    for written in store.write(group).await? {
                        written?;
                    }
                }
            })
        })
        .collect();
    set.block_on(runtime, async {
        for task in tasks {
            task.await??;
        }
        Ok::<(), Error>(())
    })
}

fn keys(documents: &[Vec<u8>]) -> Vec<ResourceKey> {
    let parse = |document: &Vec<u8>| Resource::trusted(document.clone()).ok()?.view().key();
    documents.iter().take(1_000).filter_map(parse).collect()
}

fn read(
    runtime: &tokio::runtime::Runtime,
    store: &Store,
    keys: &[ResourceKey],
    count: usize,
) -> Result<(), Error> {
    runtime.block_on(async {
        for key in keys.iter().cycle().take(count) {
            let wanted = key.clone();
            let found = store.read(move |reader| reader.current(&wanted)).await?;
            let found = found.ok_or_else(|| format!("{key} is not there"))?;
            let mut out = Vec::new();
            let body = found.body.ok_or("a deleted sample")?;
            body.write_json(key, Some(found.version), Some(found.updated), &mut out);
            std::hint::black_box(out);
        }
        Ok(())
    })
}

/// The helper process, as the bench holds it.
pub(crate) struct Bare {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bare {
    /// Starts the helper over a new database.
    pub(crate) fn start(samples: &Path, database: &Path) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench-helper", "bare"])
            .arg(samples)
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut bare = Self { child, input, output };
        bare.line()?;
        Ok(bare)
    }

    /// Runs a command and gives what it cost.
    pub(crate) fn run(&mut self, command: &str) -> Result<Cost, Error> {
        writeln!(self.input, "{command}")?;
        let line = self.line()?;
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next().ok_or("no answer").map_err(Error::from);
        let (wall, cpu) = (next()??, next()??);
        Ok(Cost { wall: Duration::from_micros(wall), cpu: Duration::from_micros(cpu) })
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err("the bare store has stopped".into());
        }
        Ok(line)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
