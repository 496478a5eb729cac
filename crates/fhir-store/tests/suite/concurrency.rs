//! Many writers at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir_model::VersionId;
use fhir_store::{Change, WriteGroup};

use crate::cases;
use crate::world::{World, wait};

cases!(
    versions_are_exact_under_sixteen_writers,
    sixty_four_conditional_creates_make_one,
    paging_is_whole_under_writes,
    creates_race_for_one_id,
);

fn patient(id: &str, n: usize) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"F{n}"}}]}}"#)
}

fn versions_are_exact_under_sixteen_writers(world: &World) {
    let versions: Vec<VersionId> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                scope.spawn(move || {
                    (0..20)
                        .map(|n| world.op(world.put(&patient("one", writer * 100 + n))).version)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let distinct: BTreeSet<_> = versions.iter().map(|version| version.0).collect();
    assert_eq!(distinct, (1..=320).collect());
    let last = world.current("Patient/one").unwrap();
    assert_eq!(last.version, VersionId(320));
    // The index knows the last version and nothing else.
    let found: usize = (0..16)
        .flat_map(|w| (0..20).map(move |n| w * 100 + n))
        .map(|n| world.found(&format!("Patient?family=F{n}&_count=5")))
        .filter(|ids| !ids.is_empty())
        .count();
    assert!((1..=11).contains(&found), "{found}");
}

fn sixty_four_conditional_creates_make_one(world: &World) {
    let changes: Vec<Change> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64)
            .map(|client| {
                scope.spawn(move || {
                    let json = format!(
                        r#"{{"resourceType":"Patient","id":"c{client}","identifier":[{{"system":"urn:x","value":"7"}}]}}"#
                    );
                    let mut op = world.put(&json);
                    op.preconditions.unless_exists =
                        Some(world.query("Patient?identifier=urn:x|7"));
                    world.op(op).change
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let created = changes.iter().filter(|change| **change == Change::Created).count();
    assert_eq!(created, 1, "{changes:?}");
    assert_eq!(world.found("Patient?identifier=urn:x|7").len(), 1);
}

fn creates_race_for_one_id(world: &World) {
    let changes: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|client| scope.spawn(move || world.op(world.put(&patient("same", client))).change))
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let created = changes.iter().filter(|change| **change == Change::Created).count();
    assert_eq!(created, 1, "{changes:?}");
    assert_eq!(world.current("Patient/same").unwrap().version, VersionId(16));
}

fn paging_is_whole_under_writes(world: &World) {
    let ops = (0..100).map(|n| world.put(&patient(&format!("old{n}"), n))).collect();
    world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let store = Arc::new(world.store.clone());
    std::thread::scope(|scope| {
        let writer = Arc::clone(&store);
        let more: Vec<_> = (0..100).map(|n| world.put(&patient(&format!("new{n}"), n))).collect();
        scope.spawn(move || {
            for op in more {
                let group = WriteGroup { ops: vec![op], ..WriteGroup::default() };
                wait(writer.write(group)).unwrap();
            }
        });
        for sort in ["", "&_sort=family", "&_sort=-_lastUpdated", "&_sort=_id"] {
            let ids = world.pages(&format!("Patient?family=F{sort}"), 7);
            let old: Vec<_> = ids.iter().filter(|id| id.starts_with("old")).collect();
            let distinct: BTreeSet<_> = ids.iter().collect();
            assert_eq!(distinct.len(), ids.len(), "{sort}: repeated");
            assert_eq!(old.len(), 100, "{sort}: lost");
        }
    });
}
