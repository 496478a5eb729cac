//! Histories and the change sequence.

use fhir_definitions::ResourceType;
use fhir_store::{HistoryScope, HistoryWindow, Method};

use crate::cases;
use crate::world::{World, key};

cases!(histories_are_newest_first, windows_bound_a_history, changes_come_in_commit_order);

fn patient(id: &str, family: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"{family}"}}]}}"#)
}

fn some_past(world: &World) {
    for (id, family) in [("a", "One"), ("b", "One"), ("a", "Two")] {
        world.given(&[&patient(id, family)]);
    }
    world.given(&[r#"{"resourceType":"Basic","id":"x","code":{"text":"t"}}"#]);
    world.op(world.delete("Patient/b"));
    world.given(&[&patient("a", "Three")]);
}

fn walk(world: &World, scope: &HistoryScope, size: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut after = None;
    loop {
        let scope = scope.clone();
        let page = world.read(move |reader| {
            reader.history(&scope, HistoryWindow::default(), after.as_ref(), size)
        });
        out.extend(page.iter().map(|one| format!("{}/{}", one.key, one.version)));
        match page.last() {
            Some(last) if page.len() == size => after = Some(last.history_position()),
            _ => return out,
        }
    }
}

fn histories_are_newest_first(world: &World) {
    some_past(world);
    let patients = ["Patient/a/3", "Patient/b/2", "Patient/a/2", "Patient/b/1", "Patient/a/1"];
    let all =
        ["Patient/a/3", "Patient/b/2", "Basic/x/1", "Patient/a/2", "Patient/b/1", "Patient/a/1"];
    for size in [1, 2, 3, 100] {
        let of = |scope| walk(world, &scope, size);
        assert_eq!(of(HistoryScope::System), all, "{size}");
        assert_eq!(of(HistoryScope::Type(ResourceType::PATIENT)), patients, "{size}");
        let instance = of(HistoryScope::Instance(key("Patient/a")));
        assert_eq!(instance, ["Patient/a/3", "Patient/a/2", "Patient/a/1"], "{size}");
        let deleted = of(HistoryScope::Instance(key("Patient/b")));
        assert_eq!(deleted, ["Patient/b/2", "Patient/b/1"], "{size}");
        let never = of(HistoryScope::Instance(key("Patient/never")));
        assert_eq!(never, Vec::<String>::new());
    }
    let scope = HistoryScope::System;
    let versions =
        world.read(move |reader| reader.history(&scope, HistoryWindow::default(), None, 100));
    let deleted: Vec<_> = versions.iter().filter(|one| one.body.is_none()).collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].method, Method::Delete);
    let old = versions.iter().find(|one| one.history_position().version.0 == 2).unwrap();
    assert!(old.body.is_none() || old.key.to_string() == "Patient/a");
}

fn windows_bound_a_history(world: &World) {
    some_past(world);
    let middle = world.read(|reader| reader.version(&key("Patient/a"), fhir_model::VersionId(2)));
    let middle = middle.unwrap().updated;
    let count = |scope: HistoryScope, window: HistoryWindow| {
        world.read(move |reader| {
            let listed = reader.history(&scope, window, None, 100)?.len();
            let counted = reader.history_count(&scope, window)?;
            assert_eq!(u64::try_from(listed).unwrap(), counted);
            Ok(listed)
        })
    };
    let since = HistoryWindow { since: Some(middle), before: None };
    let before = HistoryWindow { since: None, before: Some(middle) };
    for (scope, with_since, with_before) in [
        (HistoryScope::System, 4, 2),
        (HistoryScope::Type(ResourceType::PATIENT), 3, 2),
        (HistoryScope::Instance(key("Patient/a")), 2, 1),
    ] {
        assert_eq!(count(scope.clone(), since), with_since, "{scope:?}");
        assert_eq!(count(scope.clone(), before), with_before, "{scope:?}");
    }
}

fn changes_come_in_commit_order(world: &World) {
    some_past(world);
    let mut expected = walk(world, &HistoryScope::System, 100);
    expected.reverse();
    let mut seen = Vec::new();
    let mut cursor = None;
    // On PostgreSQL a change shows once every transaction that began before it has ended, and
    // the neighbours' transactions count.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while seen.len() < expected.len() && std::time::Instant::now() < patience {
        let page = world.read(move |reader| reader.changes_since(cursor, 4));
        cursor = page.last().map(|last| last.cursor).or(cursor);
        seen.extend(page.iter().map(|one| format!("{}/{}", one.key, one.version)));
    }
    assert_eq!(seen, expected);
}
