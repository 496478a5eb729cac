//! Histories and the change sequence.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use fhir_definitions::ResourceType;
use fhir_store::{DatabaseUrl, HistoryScope, HistoryWindow, Method};

use crate::cases;
use crate::world::{World, key};

cases!(
    histories_are_newest_first,
    windows_bound_a_history,
    changes_come_in_commit_order,
    some_are_listed,
    what_was_current_at_an_instant,
    a_put_after_a_delete_says_so,
    changes_survive_a_move_to_another_cluster,
);

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
    let since = HistoryWindow { since: Some(middle), ..HistoryWindow::default() };
    let before = HistoryWindow { before: Some(middle), ..HistoryWindow::default() };
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
    let poll = |scope: &HistoryScope, size: usize| {
        let mut seen = Vec::new();
        let mut cursor = None;
        // On PostgreSQL a change shows once every transaction that began before it has ended, and
        // the neighbours' transactions count.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while std::time::Instant::now() < patience {
            let scope = scope.clone();
            let page = world.read(move |reader| {
                let page = reader.changes_since(&scope, HistoryWindow::default(), cursor, size)?;
                let all = HistoryScope::System;
                let end =
                    reader.changes_since(&all, HistoryWindow::default(), Some(page.end), 1)?;
                // Where a reader has come to the end, nothing of the scope is left behind it.
                assert!(page.has_more || scope != all || end.versions.is_empty());
                Ok(page)
            });
            assert_eq!(page.has_more, page.versions.len() == size);
            assert!(cursor.is_none_or(|cursor| cursor <= page.end), "backwards");
            cursor = Some(page.end);
            seen.extend(page.versions.iter().map(|one| format!("{}/{}", one.key, one.version)));
            if seen.iter().any(|one| one == "Patient/a/3") {
                break;
            }
        }
        seen
    };
    for size in [1, 4, 100] {
        assert_eq!(poll(&HistoryScope::System, size), expected, "{size}");
        let patients: Vec<_> =
            expected.iter().filter(|one| one.starts_with("Patient")).cloned().collect();
        assert_eq!(poll(&HistoryScope::Type(ResourceType::PATIENT), size), patients, "{size}");
        let one = poll(&HistoryScope::Instance(key("Patient/a")), size);
        assert_eq!(one, ["Patient/a/1", "Patient/a/2", "Patient/a/3"], "{size}");
    }
}

fn some_are_listed(world: &World) {
    some_past(world);
    let listed = |listed: &[(&str, Option<i64>)]| {
        let version = |version: &Option<i64>| version.map(fhir_model::VersionId);
        HistoryScope::Listed(listed.iter().map(|(one, at)| (key(one), version(at))).collect())
    };
    for (scope, expected) in [
        (listed(&[("Patient/b", None)]), vec!["Patient/b/2", "Patient/b/1"]),
        (
            listed(&[("Patient/a", Some(2)), ("Basic/x", None), ("Patient/never", None)]),
            vec!["Basic/x/1", "Patient/a/2"],
        ),
        (listed(&[("Patient/a", Some(9))]), vec![]),
        (listed(&[]), vec![]),
    ] {
        for size in [1, 100] {
            assert_eq!(walk(world, &scope, size), expected, "{scope:?}");
        }
        let window = HistoryWindow::default();
        let counted = world.read(move |reader| reader.history_count(&scope, window));
        assert_eq!(usize::try_from(counted).unwrap(), expected.len());
    }
}

fn what_was_current_at_an_instant(world: &World) {
    some_past(world);
    let of = |one: &'static str, version| {
        let found =
            world.read(move |reader| reader.version(&key(one), fhir_model::VersionId(version)));
        found.unwrap().updated
    };
    let at = |start: fhir_model::Instant, end: fhir_model::Instant, scope: HistoryScope| {
        let window = HistoryWindow { since: None, before: Some(end), current_at: Some(start) };
        world.read(move |reader| {
            let listed = reader.history(&scope, window, None, 100)?;
            assert_eq!(listed.len() as u64, reader.history_count(&scope, window)?);
            Ok(listed.iter().map(|one| format!("{}/{}", one.key, one.version)).collect::<Vec<_>>())
        })
    };
    let next = |instant: fhir_model::Instant| fhir_model::Instant(instant.0 + 1);
    let (first, second) = (of("Patient/a", 1), of("Patient/a", 2));
    let gone = of("Patient/b", 2);
    let system = HistoryScope::System;
    assert_eq!(at(first, next(first), system.clone()), ["Patient/a/1"]);
    assert_eq!(at(second, next(second), system.clone()), ["Patient/a/2", "Patient/b/1"]);
    let during = ["Patient/a/2", "Patient/b/1", "Patient/a/1"];
    assert_eq!(at(first, next(second), system.clone()), during);
    assert_eq!(at(gone, next(gone), system), ["Patient/b/2", "Basic/x/1", "Patient/a/2"]);
    let basics = HistoryScope::Type(ResourceType::BASIC);
    assert_eq!(at(gone, next(gone), basics), ["Basic/x/1"]);
    let instance = HistoryScope::Instance(key("Patient/a"));
    assert_eq!(at(gone, next(gone), instance), ["Patient/a/2"]);
}

fn a_put_after_a_delete_says_so(world: &World) {
    world.given(&[&patient("a", "One")]);
    world.op(world.delete("Patient/a"));
    world.given(&[&patient("a", "Two")]);
    let scope = HistoryScope::System;
    let versions =
        world.read(move |reader| reader.history(&scope, HistoryWindow::default(), None, 100));
    let methods: Vec<_> = versions.iter().map(|one| one.method).collect();
    assert_eq!(methods, [Method::PutAfterDelete, Method::Delete, Method::Put]);
}

fn changes_survive_a_move_to_another_cluster(world: &World) {
    let DatabaseUrl::Postgres(url) = &world.url else { return };
    some_past(world);
    let secret = *world.store.secret();
    assert_eq!(world.sibling().store.secret(), &secret, "the same cluster is the same cluster");
    // As if the dump came from a cluster that has lived longer.
    let mut beside = PgConnection::establish(url).unwrap();
    beside.batch_execute("UPDATE change SET xid = xid + 1000000000000").unwrap();
    let moved = world.sibling();
    assert_ne!(moved.store.secret(), &secret, "cursors of the other cluster are refused");
    moved.given(&[&patient("a", "Four")]);
    let mut seen = Vec::new();
    let mut cursor = None;
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while seen.len() < 7 && std::time::Instant::now() < patience {
        let page = moved.read(move |reader| {
            reader.changes_since(&HistoryScope::System, HistoryWindow::default(), cursor, 4)
        });
        cursor = Some(page.end);
        seen.extend(page.versions.iter().map(|one| format!("{}/{}", one.key, one.version)));
    }
    let mut expected = walk(&moved, &HistoryScope::System, 100);
    expected.sort_unstable();
    let last = seen.last().cloned();
    seen.sort_unstable();
    assert_eq!(seen, expected);
    assert_eq!(last.as_deref(), Some("Patient/a/4"));
    assert_eq!(moved.sibling().store.secret(), moved.store.secret());
}
