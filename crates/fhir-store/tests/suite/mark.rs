//! Marks: requests that are done once, and values of what is gone.

use fhir_model::Instant;
use fhir_store::{
    Change, MarkKind, OnceMark, Outcome, PastMark, Purge, StoreError, WriteFault, WriteGroup,
    WriteOp,
};

use crate::cases;
use crate::world::{World, key, wait};

cases!(
    a_request_is_done_once,
    a_refused_request_is_not_remembered,
    of_two_at_once_one_is_done,
    an_old_name_is_free_again,
    past_values_outlive_their_resource,
);

const ANNA: &str = r#"{"resourceType":"Patient","id":"anna","name":[{"family":"Virtanen"}]}"#;
const BERTA: &str = r#"{"resourceType":"Patient","id":"berta"}"#;

fn named(op: WriteOp, forget_before: i64) -> WriteGroup {
    let once = OnceMark {
        name: "request".into(),
        hash: 7,
        about: "digest".into(),
        forget_before: Instant(forget_before),
    };
    WriteGroup { ops: vec![op], once: Some(Box::new(once)), ..WriteGroup::default() }
}

fn is_repeated(world: &World, group: WriteGroup) -> bool {
    match world.group(group) {
        Ok(_) => false,
        Err(StoreError::Refused { fault: WriteFault::Repeated, .. }) => true,
        Err(other) => panic!("{other}"),
    }
}

fn a_request_is_done_once(world: &World) {
    assert!(!is_repeated(world, named(world.put(ANNA), 0)));
    assert!(is_repeated(world, named(world.put(BERTA), 0)));
    assert!(world.current("Patient/berta").is_none());
    let marks = world.read(|reader| reader.marks(MarkKind::Once, 7));
    assert_eq!((marks.len(), marks[0].item.as_str()), (1, "request"));
    let outcome = Outcome::read(&marks[0].content).unwrap();
    assert_eq!((outcome.about.as_str(), outcome.written.len()), ("digest", 1));
    let stored = world.current("Patient/anna").unwrap();
    let done = &outcome.written[0];
    assert_eq!((&done.key, done.change), (&key("Patient/anna"), Change::Created));
    assert_eq!((done.version, done.updated), (stored.version, stored.updated));
    assert!(world.read(|reader| reader.marks(MarkKind::Once, 8)).is_empty());
}

fn a_refused_request_is_not_remembered(world: &World) {
    world.given(&[ANNA]);
    let mut op = world.put(ANNA);
    op.preconditions.if_absent = true;
    for atomic in [false, true] {
        let group = WriteGroup { atomic, ..named(op.clone(), 0) };
        assert!(world.group(group).is_err() || !atomic);
        assert!(world.read(|reader| reader.marks(MarkKind::Once, 7)).is_empty());
    }
    assert!(!is_repeated(world, named(world.put(BERTA), 0)));
}

fn of_two_at_once_one_is_done(world: &World) {
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|at| {
                scope.spawn(move || {
                    let text = format!(r#"{{"resourceType":"Patient","id":"p{at}"}}"#);
                    usize::from(!is_repeated(world, named(world.put(&text), 0)))
                })
            })
            .collect();
        tries.into_iter().map(|each| each.join().unwrap()).sum()
    });
    assert_eq!(done, 1);
    assert_eq!(world.count("Patient?"), 1);
}

fn an_old_name_is_free_again(world: &World) {
    assert!(!is_repeated(world, named(world.put(ANNA), 0)));
    assert!(!is_repeated(world, named(world.put(BERTA), i64::MAX)));
    assert!(world.current("Patient/berta").is_some());
}

fn past_values_outlive_their_resource(world: &World) {
    let past = |hash| PastMark { hash, key: key("Patient/anna") };
    let marked = |op: WriteOp, all: Vec<PastMark>| WriteGroup {
        ops: vec![op],
        past: all,
        ..WriteGroup::default()
    };
    world.group(marked(world.put(ANNA), vec![past(1), past(1), past(2)])).unwrap();
    world.group(marked(world.put(ANNA), vec![past(1)])).unwrap();
    world.op(world.delete("Patient/anna"));
    for hash in [1, 2] {
        let found = world.read(move |reader| reader.marks(MarkKind::Past, hash));
        assert_eq!(
            found.iter().map(|mark| mark.item.as_str()).collect::<Vec<_>>(),
            ["Patient/anna"]
        );
    }
    assert!(world.read(|reader| reader.marks(MarkKind::Once, 1)).is_empty());
    let purge = Purge { keys: vec![key("Patient/anna")], matching: Vec::new() };
    assert!(wait(world.store.purge(purge)).unwrap().is_clean());
    for hash in [1, 2] {
        assert!(world.read(move |reader| reader.marks(MarkKind::Past, hash)).is_empty());
    }
}
