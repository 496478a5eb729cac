//! The journal of the trace, which SQLite has: through kills at any moment, torn, changed, full.

use std::fs;
use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use fhir_model::Instant;
use fhir_store::{
    DatabaseUrl, StoreError, StoreSettings, TraceFault, TraceReport, TraceRow, verify_trace,
};

use crate::beside::Beside;
use crate::trace::{all, bodies, row, sealing, verified};
use crate::world::{World, wait};

fn traced(world: &World, texts: &[&str]) {
    for text in texts {
        wait(world.store.trace(row("x", text))).unwrap();
    }
}

fn database(world: &World) -> PathBuf {
    let DatabaseUrl::Sqlite(path) = &world.url else { panic!("not a file") };
    path.clone()
}

fn journal(world: &World) -> PathBuf {
    database(world).with_extension("sqlite.trace")
}

/// What a kill would leave at this moment, while nothing is asked.
struct Left {
    url: DatabaseUrl,
    settings: StoreSettings,
    folder: tempfile::TempDir,
}

impl Left {
    fn by(world: &World) -> Self {
        let (folder, path) = (tempfile::tempdir().unwrap(), database(world));
        for ending in ["", "-wal", ".trace"] {
            let name = format!("store.sqlite{ending}");
            let _ = fs::copy(path.with_file_name(&name), folder.path().join(&name));
        }
        let url = DatabaseUrl::Sqlite(folder.path().join("store.sqlite"));
        Self { url, settings: world.settings.clone(), folder }
    }

    fn verified(&self) -> TraceReport {
        verify_trace(&self.url, &self.settings.trace, &[], &[]).unwrap()
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("store.sqlite.trace")
    }

    fn start(&self) -> World {
        World::at(&self.url, |settings| *settings = self.settings.clone())
    }

    /// Starts on what was left; gives the bodies of the rows that are there.
    fn started(&self) -> Vec<String> {
        let world = self.start();
        let found = bodies(&all(&world));
        world.let_go();
        found
    }

    fn set_aside(&self) -> bool {
        self.folder.path().join("store.sqlite.trace.damaged-0").exists()
    }
}

/// Adds rows that stay in the journal until what is given back is dropped.
fn held(world: &World, texts: &[&str]) -> Beside {
    wait(world.store.settle_trace()).unwrap();
    let mut beside = Beside::of(world);
    let Beside::Sqlite(connection) = &mut beside else { panic!("not a file") };
    connection.batch_execute("BEGIN IMMEDIATE").unwrap();
    traced(world, texts);
    beside
}

/// Where the groups of a journal begin.
fn groups(bytes: &[u8]) -> Vec<usize> {
    let marks = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"KTrG");
    marks.map(|(at, _)| at).collect()
}

#[test]
fn what_a_kill_leaves_is_taken_by_the_next_start() {
    let place = World::sqlite();
    let world = place.with(sealing);
    traced(&world, &["a", "b"]);
    wait(world.store.settle_trace()).unwrap();
    // The rows stand in both now, as between a move and the next turn of the journal.
    let moved = Left::by(&world);
    traced(&world, &["c", "d"]);
    let left = Left::by(&world);
    let before = left.verified();
    assert_eq!((before.rows, &*before.faults), (4, &[][..]));
    assert_eq!(moved.started(), ["a", "b"]);
    assert_eq!(left.started(), ["a", "b", "c", "d"]);
    for left in [moved, left] {
        assert!(!left.journal().exists() && !left.set_aside());
        // What the kill left without a seal gets one with the next row.
        let world = left.start();
        traced(&world, &["e"]);
        world.let_go();
        let report = left.verified();
        assert_eq!((report.unsealed, report.faults), (0, vec![]));
    }
}

#[test]
fn a_kill_before_the_first_move_leaves_all_in_the_journal() {
    let place = World::sqlite();
    let world = place.with(sealing);
    let texts: Vec<String> = (0..40).map(|nth| format!("{nth:02}")).collect();
    traced(&world, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let left = Left::by(&world);
    assert_eq!(left.verified().rows, 40);
    assert_eq!(left.started(), texts);
    assert!(left.verified().is_whole());
}

#[test]
fn the_last_group_may_be_torn() {
    let place = World::sqlite();
    let world = place.with(sealing);
    traced(&world, &["a"]);
    let _held = held(&world, &["b", "c"]);
    let whole = fs::read(journal(&world)).unwrap();
    let last = *groups(&whole).last().unwrap();
    for torn in [last + 5, last + 40, last + 120] {
        let left = Left::by(&world);
        let mut bytes = whole.clone();
        bytes[torn..last + 512].fill(0);
        fs::write(left.journal(), bytes).unwrap();
        let before = left.verified();
        assert_eq!((before.rows, before.faults), (2, vec![]));
        assert_eq!(left.started(), ["a", "b"]);
        assert!(left.verified().is_whole() && !left.set_aside());
    }
}

#[test]
fn a_changed_journal_is_told_and_nothing_else_of_it_is_lost() {
    let place = World::sqlite();
    let world = place.with(sealing);
    traced(&world, &["0"]);
    let _held = held(&world, &["a", "b", "c"]);
    let whole = fs::read(journal(&world)).unwrap();
    let starts = groups(&whole);
    for at in [0, 4, 8, 16, 24, 40, 70, 100, 120, 140] {
        let left = Left::by(&world);
        let mut bytes = whole.clone();
        bytes[starts[2] + at] ^= 1;
        fs::write(left.journal(), bytes).unwrap();
        let faults = left.verified().faults;
        let is_gap = matches!(&*faults, [TraceFault::Missing { after: 2, before: 4, .. }]);
        assert!(is_gap, "{at}: {faults:?}");
        assert_eq!(left.started(), ["0", "a", "c"]);
        let faults = left.verified().faults;
        assert!(faults.len() == 2 && left.set_aside(), "{at}: {faults:?}");
    }
}

#[test]
fn a_journal_of_another_database_is_told_and_kept() {
    let places = [World::sqlite(), World::sqlite()];
    let [world, other] = places.each_ref().map(|place| place.with(sealing));
    traced(&world, &["a"]);
    traced(&other, &["b"]);
    wait(world.store.settle_trace()).unwrap();
    let left = Left::by(&world);
    fs::copy(journal(&other), left.journal()).unwrap();
    let faults = left.verified().faults;
    assert!(matches!(&*faults, [TraceFault::Journal(_)]), "{faults:?}");
    assert_eq!(left.started(), ["a"]);
    assert!(left.set_aside() && !left.verified().is_whole());
    // The database of another time: the journal knows of an opening that it does not know.
    world.let_go();
    let early = Left::by(&world);
    let later = world.with(sealing);
    traced(&later, &["c"]);
    fs::copy(journal(&later), early.journal()).unwrap();
    let faults = early.verified().faults;
    assert!(matches!(&*faults, [TraceFault::Journal(_)]), "{faults:?}");
    assert_eq!(early.started(), ["a"]);
    assert!(early.set_aside());
}

#[test]
fn the_halves_are_filled_again_and_again() {
    let place = World::sqlite();
    let world = place.with(|settings| {
        sealing(settings);
        settings.trace.keys_of = |_, _| Vec::new();
    });
    let large = "x".repeat(60_000);
    let one = |nth: usize| TraceRow {
        body: format!("{nth:04}{large}").into_bytes(),
        keys: Vec::new(),
        ..row("x", "")
    };
    let (threads, each) = (4, 150);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let world = &world;
            scope.spawn(move || {
                for nth in 0..each {
                    wait(world.store.trace(one(thread * each + nth))).unwrap();
                }
            });
        }
    });
    assert!(fs::metadata(journal(&world)).unwrap().len() < 17 << 20);
    let mut found: Vec<_> = all(&world).iter().map(|row| row.body[..4].to_vec()).collect();
    found.sort();
    let expected: Vec<_> =
        (0..threads * each).map(|nth| format!("{nth:04}").into_bytes()).collect();
    assert_eq!(found, expected);
    // One that is too large for a group has a commit of its own.
    let row = TraceRow { body: vec![b'y'; 3 << 20], ..one(0) };
    wait(world.store.trace(row)).unwrap();
    assert_eq!(all(&world).len(), threads * each + 1);
    world.let_go();
    assert!(verified(&world).is_whole() && !journal(&world).exists());
}

#[test]
fn a_database_that_takes_nothing_ends_in_refusals() {
    let place = World::sqlite();
    let world = place.with(|settings| {
        sealing(settings);
        settings.trace.keys_of = |_, _| Vec::new();
    });
    traced(&world, &["first"]);
    let mut beside = Beside::of(&world);
    let Beside::Sqlite(connection) = &mut beside else { panic!("not a file") };
    connection.batch_execute("BEGIN IMMEDIATE").unwrap();
    let one = TraceRow { body: vec![b'x'; 60_000], keys: Vec::new(), ..row("x", "") };
    let mut taken = 1;
    let refused = loop {
        match wait(world.store.trace(one.clone())) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Busy), "{refused:?}");
    assert!(taken > 200, "{taken}");
    let left = Left::by(&world);
    connection.batch_execute("ROLLBACK").unwrap();
    assert_eq!(left.started().len(), taken);
    traced(&world, &["last"]);
    assert_eq!(all(&world).len(), taken + 1);
    assert!(verified(&world).is_whole());
}

#[test]
fn rows_in_the_journal_are_removed_by_age_too() {
    let place = World::sqlite();
    let world = place.with(sealing);
    traced(&world, &["a", "b"]);
    let removal = wait(world.store.forget_traces(Instant(i64::MAX))).unwrap();
    assert_eq!(removal.rows, 2);
    traced(&world, &["c"]);
    assert_eq!(bodies(&all(&world)), ["c"]);
    let left = Left::by(&world);
    assert_eq!(left.started(), ["c"]);
    assert!(left.verified().is_whole());
}
