//! The trace: rows with their writes and alone, found by key, and nothing of them lost unseen.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use fhir_model::{Instant, VersionId};
use fhir_search::ValueHasher;
use fhir_store::{
    Change, DatabaseUrl, Preconditions, StoreSettings, StoredTrace, TraceFault, TraceHead,
    TraceReport, TraceRow, TraceWindow, TracedWrite, WriteGroup, verify_trace,
};

use crate::beside::Beside;
use crate::cases;
use crate::world::{World, wait};

cases!(
    a_row_goes_with_its_write_or_not_at_all,
    rows_are_found_by_key_and_time,
    what_is_changed_or_removed_is_told,
    the_database_itself_refuses_changes,
    old_rows_go_and_the_rest_still_holds,
    commits_at_the_same_time_keep_every_row,
    an_earlier_head_tells_what_was_cut_off,
);

/// Here a row is found by the bytes of its body.
fn keys_of(_hasher: &ValueHasher, row: &StoredTrace) -> Vec<i64> {
    row.body.iter().map(|byte| i64::from(*byte)).collect()
}

const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// Goes on from one opening to the next.
static MILLISECONDS: AtomicI64 = AtomicI64::new(1_767_225_600_000);

pub(crate) fn sealing(settings: &mut StoreSettings) {
    settings.clock = Arc::new(|| Instant(1_000 * MILLISECONDS.fetch_add(1, Ordering::Relaxed)));
    settings.trace.keys_of = keys_of;
    // The clock moves a millisecond at each look, so that every commit is sealed.
    settings.trace.seal_every_ms = 1;
}

pub(crate) fn row(actor: &str, body: &str) -> TraceRow {
    let keys = body.bytes().map(i64::from).collect();
    TraceRow { actor: Arc::from(actor.as_bytes()), body: body.as_bytes().to_vec(), keys }
}

pub(crate) fn all(world: &World) -> Vec<StoredTrace> {
    wait(world.store.settle_trace()).unwrap();
    world.read(|reader| reader.traces(&TraceWindow { limit: 1_000, ..TraceWindow::default() }))
}

pub(crate) fn bodies(rows: &[StoredTrace]) -> Vec<String> {
    rows.iter().map(|row| String::from_utf8(row.body.clone()).unwrap()).collect()
}

pub(crate) fn verified(world: &World) -> TraceReport {
    verify_trace(&world.url, &world.settings.trace, &[], &[]).unwrap()
}

fn a_row_goes_with_its_write_or_not_at_all(world: &World) {
    let world = world.with(sealing);
    let absent = |json: &str| {
        let mut op = world.put(json);
        op.preconditions = Preconditions { if_absent: true, ..Preconditions::default() };
        op
    };
    let (one, two) = (
        r#"{"resourceType":"Basic","id":"1","code":{"text":"t"}}"#,
        r#"{"resourceType":"Basic","id":"2","code":{"text":"t"}}"#,
    );
    let traced = |ops, atomic, body| {
        world.group(WriteGroup {
            ops,
            atomic,
            trace: Some(row("x", body)),
            ..WriteGroup::default()
        })
    };
    traced(vec![absent(one)], true, "a").unwrap();
    let answers = traced(vec![absent(one), absent(two)], false, "b").unwrap();
    assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
    traced(vec![absent(two), world.put(one)], true, "c").unwrap_err();
    traced(vec![world.delete("Basic/2"), world.delete("Basic/3")], true, "d").unwrap();
    wait(world.store.trace(row("y", "e"))).unwrap();
    let rows = all(&world);
    assert_eq!(bodies(&rows), ["a", "b", "d", "e"]);
    let write = |change, version| TracedWrite { change, version: VersionId(version) };
    assert_eq!(rows[0].written, [write(Some(Change::Created), 1)]);
    assert_eq!(rows[1].written, [write(None, 0), write(Some(Change::Created), 1)]);
    assert_eq!(
        rows[2].written,
        [write(Some(Change::Deleted), 2), write(Some(Change::NothingToDelete), 0)]
    );
    assert_eq!(rows[3].written, []);
    assert_eq!(rows[3].actor.as_deref(), Some(&b"y"[..]));
    let report = verified(&world);
    assert_eq!((report.rows, report.faults), (4, vec![]));
}

fn rows_are_found_by_key_and_time(world: &World) {
    let world = world.with(sealing);
    for body in ["ab", "bc", "ca", "d"] {
        wait(world.store.trace(row("x", body))).unwrap();
    }
    let rows = all(&world);
    let found = |window: TraceWindow| bodies(&world.read(move |reader| reader.traces(&window)));
    let keys = |text: &str| Some(text.bytes().map(i64::from).collect::<Vec<_>>());
    let window = || TraceWindow { limit: 10, ..TraceWindow::default() };
    assert_eq!(found(TraceWindow { keys: keys("a"), ..window() }), ["ab", "ca"]);
    assert_eq!(found(TraceWindow { keys: keys("ab"), ..window() }), ["ab", "bc", "ca"]);
    assert_eq!(found(TraceWindow { keys: keys("x"), ..window() }), [""; 0]);
    assert_eq!(
        found(TraceWindow { keys: keys("ab"), newest_first: true, limit: 2, ..window() }),
        ["ca", "bc"]
    );
    let at = |nth: usize| Some(rows[nth].position.at);
    assert_eq!(found(TraceWindow { from: at(1), before: at(3), ..window() }), ["bc", "ca"]);
    let after = Some(rows[1].position);
    assert_eq!(found(TraceWindow { after, ..window() }), ["ca", "d"]);
    assert_eq!(found(TraceWindow { after, newest_first: true, ..window() }), ["ab"]);
    assert_eq!(found(TraceWindow { after, keys: keys("a"), ..window() }), ["ca"]);
}

/// A trace over two openings, with rows beside writes and alone.
fn filled(world: &World) -> World {
    let mut world = world.with(sealing);
    for opening in 0..2 {
        for nth in 0..3 {
            wait(world.store.trace(row(&format!("actor {nth}"), &format!("{opening}{nth}"))))
                .unwrap();
        }
        let json = format!(r#"{{"resourceType":"Basic","id":"{opening}","code":{{"text":"t"}}}}"#);
        let group = WriteGroup {
            ops: vec![world.put(&json)],
            trace: Some(row("writer", "w")),
            ..WriteGroup::default()
        };
        world.group(group).unwrap();
        world = world.with(sealing);
    }
    world
}

impl Beside {
    fn try_run(&mut self, text: &str) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(text),
            Self::Postgres(connection) => connection.batch_execute(text),
        }
    }

    fn run(&mut self, text: &str) {
        self.try_run(text).expect(text);
    }

    fn unguard(&mut self) {
        let (tables, triggers): (&[&str], &[&str]) = match self {
            Self::Sqlite(_) => (
                &[],
                &[
                    "trace_kept",
                    "trace_left",
                    "trace_seal_kept",
                    "trace_seal_left",
                    "trace_actor_kept",
                    "trace_opening_kept",
                    "trace_opening_left",
                ],
            ),
            Self::Postgres(_) => (&["trace", "trace_seal", "trace_actor", "trace_opening"], &[]),
        };
        for trigger in triggers {
            self.run(&format!("DROP TRIGGER {trigger}"));
        }
        for table in tables {
            self.run(&format!("ALTER TABLE {table} DISABLE TRIGGER ALL"));
        }
    }
}

/// Every column: the numbers, then the bytes.
const COLUMNS: [(&str, &[&str], &[&str]); 6] = [
    ("trace", &["at", "strand", "seq"], &["actor", "body", "hash"]),
    ("trace_actor", &["month"], &["digest", "body"]),
    ("trace_key", &["key", "at", "strand"], &[]),
    ("trace_seal", &["at", "strand", "seq", "made"], &["hash", "heads", "signature"]),
    ("trace_opening", &["opening", "at"], &["key", "signature"]),
    ("trace_cut", &["strand", "at", "seq"], &["hash", "signature"]),
];

fn what_is_changed_or_removed_is_told(world: &World) {
    let world = filled(world);
    let first = all(&world)[0].position.at;
    let removal = wait(world.store.forget_traces(Instant(first.0 + 1))).unwrap();
    assert_eq!(removal.rows, 1);
    world.let_go();
    let report = verified(&world);
    assert_eq!((report.rows, report.unsealed, &*report.faults), (7, 0, &[][..]));
    assert_eq!(report.keys.len(), 1);
    let mut beside = Beside::of(&world);
    beside.unguard();
    let (mut told, mut tried) = (0, 0);
    let mut unseen = Vec::new();
    for (table, numbers, blobs) in COLUMNS {
        beside.run(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
        let name = |nth: usize| format!("{table} {nth}");
        let key = match table {
            "trace_actor" => "month, digest",
            "trace_opening" => "opening",
            "trace_cut" => "strand",
            "trace_key" => "key, at, strand",
            _ => "at, strand",
        };
        let rows = beside.number(&format!("SELECT count(*) FROM {table}"));
        assert!(rows > 0, "{table}");
        for nth in 0..usize::try_from(rows).unwrap() {
            let this = format!(
                "({key}) IN (SELECT {key} FROM kept_{table} ORDER BY {key} LIMIT 1 OFFSET {nth})"
            );
            let mut changes = vec![(format!("DELETE FROM {table} WHERE {this}"), "removed")];
            changes.extend(numbers.iter().map(|column| {
                (format!("UPDATE {table} SET {column} = {column} + 1000003 WHERE {this}"), *column)
            }));
            changes.extend(blobs.iter().map(|column| {
                let other = match &world.url {
                    DatabaseUrl::Sqlite(_) => "x'0102'",
                    DatabaseUrl::Postgres(_) => "'\\x0102'::bytea",
                };
                (format!("UPDATE {table} SET {column} = {other} WHERE {this}"), *column)
            }));
            for (change, column) in changes {
                beside.run(&change);
                tried += 1;
                if verified(&world).is_whole() {
                    unseen.push(format!("{} {column}", name(nth)));
                } else {
                    told += 1;
                }
                beside.run(&format!("DELETE FROM {table}"));
                beside.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}"));
            }
        }
    }
    // A seal that is gone leaves its rows chained up to the next one, or as rows not sealed yet.
    unseen.retain(|one| !(one.starts_with("trace_seal") && one.ends_with("removed")));
    assert_eq!(unseen, [""; 0]);
    assert!(told > 100 && tried - told <= 8, "{told} of {tried}");
    assert!(verified(&world).is_whole());
}

fn the_database_itself_refuses_changes(world: &World) {
    let world = filled(world);
    world.let_go();
    let mut beside = Beside::of(&world);
    for change in [
        "UPDATE trace SET seq = 9",
        "DELETE FROM trace",
        "UPDATE trace_seal SET made = 9",
        "DELETE FROM trace_seal",
        "UPDATE trace_actor SET month = 9",
        "UPDATE trace_opening SET at = 9",
        "DELETE FROM trace_opening",
    ] {
        assert!(beside.try_run(change).is_err(), "{change}");
    }
    assert!(verified(&world).is_whole());
}

fn old_rows_go_and_the_rest_still_holds(world: &World) {
    let world = filled(world);
    let rows = all(&world);
    let limit = rows[5].position.at;
    let removal = wait(world.store.forget_traces(limit)).unwrap();
    assert_eq!((removal.rows, removal.actors), (5, 0));
    assert_eq!(bodies(&all(&world)), bodies(&rows[5..]));
    let key = Some(vec![i64::from(b'0')]);
    let window = TraceWindow { keys: key, limit: 9, ..TraceWindow::default() };
    assert_eq!(bodies(&world.read(move |reader| reader.traces(&window))), [""; 0]);
    // The strand goes on where it was.
    wait(world.store.trace(row("x", "z"))).unwrap();
    let report = verified(&world);
    assert_eq!((report.rows, report.faults), (4, vec![]));
    // One for each opening, and one more where rows of writes have their own.
    assert!((2..=3).contains(&report.cut_strands), "{}", report.cut_strands);
    // What is still to come is not removed in advance.
    MILLISECONDS.fetch_add(400 * DAY_MS, Ordering::Relaxed);
    wait(world.store.trace(row("x", "y"))).unwrap();
    MILLISECONDS.fetch_add(40 * DAY_MS, Ordering::Relaxed);
    let far = Instant(limit.0 + 4_000 * DAY_MS * 1_000);
    let removal = wait(world.store.forget_traces(far)).unwrap();
    assert_eq!((removal.rows, removal.actors), (5, 6));
    assert!(all(&world).is_empty() && verified(&world).is_whole());
    wait(world.store.trace(row("x", "z"))).unwrap();
    assert_eq!(verified(&world).faults, []);
}

fn commits_at_the_same_time_keep_every_row(world: &World) {
    let world = world.with(sealing);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let world = &world;
            scope.spawn(move || {
                for nth in 0..20 {
                    let trace = row(&format!("{thread}"), &format!("{nth}"));
                    if nth % 3 == 0 {
                        wait(world.store.trace(trace)).unwrap();
                        continue;
                    }
                    let json = format!(
                        r#"{{"resourceType":"Basic","id":"{}","code":{{"text":"t"}}}}"#,
                        nth % 5
                    );
                    let group = WriteGroup {
                        ops: vec![world.put(&json)],
                        trace: Some(trace),
                        ..WriteGroup::default()
                    };
                    world.group(group).unwrap();
                }
            });
        }
    });
    assert_eq!(all(&world).len(), 120);
    world.let_go();
    let report = verified(&world);
    assert_eq!((report.rows, report.unsealed, report.faults), (120, 0, vec![]));
}

fn an_earlier_head_tells_what_was_cut_off(world: &World) {
    let world = filled(world);
    world.let_go();
    let earlier = verified(&world).heads;
    let mut beside = Beside::of(&world);
    beside.unguard();
    // The last row, with its seal and those that were made with it: nothing that is left knows
    // of it.
    let last = "WHERE at = (SELECT max(at) FROM trace)";
    beside
        .run(&format!("DELETE FROM trace_seal WHERE made >= (SELECT made FROM trace_seal {last})"));
    beside.run(&format!("DELETE FROM trace_key {last}"));
    beside.run(&format!("DELETE FROM trace {last}"));
    let verified = |earlier: &[TraceHead]| {
        verify_trace(&world.url, &world.settings.trace, &[], earlier).unwrap()
    };
    assert!(verified(&[]).is_whole());
    let faults = verified(&earlier).faults;
    assert!(matches!(&*faults, [TraceFault::Earlier(..)]), "{faults:?}");
}
