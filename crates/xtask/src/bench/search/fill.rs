//! Fills a new database through the store's own groups.
//!
//! Rows of an index lie all over it, so a commit of few resources writes a page for nearly every
//! row. Groups of a hundred thousand share those pages: at a million resources that is the
//! difference between minutes and a quarter of an hour.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use fhir_model::date::Zone;
use fhir_model::{Body, Limits, Resource};
use fhir_store::{
    Action, DatabaseUrl, Method, Preconditions, Store, StoreSettings, WriteGroup, WriteOp,
};
use kanta_samples::Samples;

use super::super::bare::now;

/// An error that a thread can hand over.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Resources of a commit.
const GROUP: u64 = 100_000;
/// Page cache while filling, in KiB: an index that does not fit is written many times over.
const CACHE_KIB: u32 = 4 << 20;

/// Puts the first `size` resources of the mix into a new database. Gives the bytes of their JSON.
pub(crate) fn fill(database: &Path, seed: u64, size: u64) -> Result<u64, Fault> {
    let zone = Zone::named("Europe/Helsinki")?;
    let mut settings = StoreSettings::new(Arc::new(now), zone);
    settings.cache_kib = CACHE_KIB;
    let store = Store::open(&DatabaseUrl::Sqlite(database.to_owned()), &settings)?;
    let (sender, receiver) = sync_channel(0);
    let bytes = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&store, receiver));
        let mut bytes = 0;
        for first in (0..size).step_by(usize::try_from(GROUP)?) {
            let (ops, its_bytes) = prepare(&store, seed, first, size.min(first + GROUP))?;
            bytes += its_bytes;
            if sender.send(ops).is_err() {
                break;
            }
        }
        drop(sender);
        writer.join().map_err(|_panic| "the writing thread ended in a panic")??;
        Ok::<u64, Fault>(bytes)
    });
    store.close();
    bytes
}

/// Writes the groups as they come.
fn write(store: &Store, groups: Receiver<Vec<WriteOp>>) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut count = 0;
    for ops in groups {
        count += ops.len();
        let group = WriteGroup { ops, ..WriteGroup::default() };
        for written in runtime.block_on(store.write(group))? {
            written?;
        }
        eprintln!("{count} written");
    }
    Ok(())
}

/// Makes the operations of a group, half of them on a thread of their own.
fn prepare(store: &Store, seed: u64, from: u64, to: u64) -> Result<(Vec<WriteOp>, u64), Fault> {
    let middle = from + (to - from) / 2;
    std::thread::scope(|scope| {
        let second = scope.spawn(|| part(store, seed, middle, to));
        let (mut ops, bytes) = part(store, seed, from, middle)?;
        let second = second.join().map_err(|_panic| "a preparing thread ended in a panic")??;
        ops.extend(second.0);
        Ok((ops, bytes + second.1))
    })
}

fn part(store: &Store, seed: u64, from: u64, to: u64) -> Result<(Vec<WriteOp>, u64), Fault> {
    let samples = Samples::new(seed);
    let mut ops = Vec::new();
    let mut bytes = 0;
    for number in from..to {
        let sample = samples.mix(number);
        bytes += sample.bytes.len() as u64;
        let resource = Resource::from_json(sample.bytes, &Limits::default())
            .map_err(|failure| failure.to_string())?;
        let key = resource.view().key().ok_or("a sample without an id")?;
        let rows = Box::new(store.definitions().indexer.index(resource.view(), &key));
        let body = Arc::new(Body::from_view(resource.view(), None));
        let action = Action::Put { body, rows, method: Method::Put };
        ops.push(WriteOp { key, action, preconditions: Preconditions::default() });
    }
    Ok((ops, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_database_holds_every_resource() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.sqlite");
        let bytes = fill(&database, 1, 321).unwrap();
        assert!(bytes > 100_000);
        let zone = Zone::named("Europe/Helsinki").unwrap();
        let settings = StoreSettings::new(Arc::new(now), zone);
        let store = Store::open(&DatabaseUrl::Sqlite(database), &settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for number in [0, 100, 320] {
            let sample = Samples::new(1).mix(number);
            let key = Resource::trusted(sample.bytes).unwrap().view().key().unwrap();
            let found = runtime.block_on(store.read(move |reader| reader.current(&key))).unwrap();
            assert!(found.unwrap().body.is_some());
        }
    }
}
