//! Writing: versions, preconditions, groups, counters.

use fhir_definitions::ResourceType;
use fhir_model::VersionId;
use fhir_store::{Change, Expectation, JournalRow, Method, StoreError, WriteFault, WriteGroup};

use crate::cases;
use crate::world::{World, key};

cases!(
    create_update_unchanged_delete_undelete,
    if_match_and_if_absent,
    conditional_create_looks_inside_the_commit,
    conditions_see_systems_and_units_that_are_new_in_the_group,
    an_atomic_group_is_all_or_nothing,
    a_plain_group_keeps_what_is_good,
    expectations_refuse_a_group,
    counters_follow,
    the_journal_commits_with_the_data,
    instants_grow,
    ids_are_fresh_and_legal,
    bodies_of_every_size_come_back,
);

const ANNA: &str = r#"{"resourceType":"Patient","id":"anna","name":[{"family":"Virtanen"}]}"#;
const ANNA2: &str = r#"{"resourceType":"Patient","id":"anna","name":[{"family":"Korhonen"}]}"#;

fn create_update_unchanged_delete_undelete(world: &World) {
    let created = world.op(world.put(ANNA));
    assert_eq!((created.change, created.version), (Change::Created, VersionId(1)));
    let unchanged = world.op(world.put(ANNA));
    assert_eq!((unchanged.change, unchanged.version), (Change::Unchanged, VersionId(1)));
    assert_eq!(unchanged.updated, created.updated);
    let updated = world.op(world.put(ANNA2));
    assert_eq!((updated.change, updated.version), (Change::Updated, VersionId(2)));
    assert_eq!(world.found("Patient?family=Virtanen"), Vec::<String>::new());
    assert_eq!(world.found("Patient?family=Korhonen"), ["anna"]);

    let deleted = world.op(world.delete("Patient/anna"));
    assert_eq!((deleted.change, deleted.version), (Change::Deleted, VersionId(3)));
    assert_eq!(world.found("Patient?family=Korhonen"), Vec::<String>::new());
    assert_eq!(world.found("Patient?"), Vec::<String>::new());
    let current = world.current("Patient/anna").unwrap();
    assert_eq!((current.body, current.method), (None, Method::Delete));
    let again = world.op(world.delete("Patient/anna"));
    assert_eq!((again.change, again.version), (Change::NothingToDelete, VersionId(3)));
    let never = world.op(world.delete("Patient/never"));
    assert_eq!((never.change, never.version), (Change::NothingToDelete, VersionId(0)));

    let back = world.op(world.put(ANNA2));
    assert_eq!((back.change, back.version), (Change::Created, VersionId(4)));
    assert_eq!(world.found("Patient?family=Korhonen"), ["anna"]);
    let old = key("Patient/anna");
    let versions: Vec<_> = world.read(move |reader| {
        (1..=5).map(|number| reader.version(&old, VersionId(number))).collect::<Result<Vec<_>, _>>()
    });
    let shape: Vec<_> =
        versions.iter().map(|version| version.as_ref().map(|one| one.body.is_some())).collect();
    assert_eq!(shape, [Some(true), Some(true), Some(false), Some(true), None]);
}

fn if_match_and_if_absent(world: &World) {
    let with = |json: &str, versions: &[i64]| {
        let mut op = world.put(json);
        op.preconditions.if_match = Some(versions.iter().map(|n| VersionId(*n)).collect());
        world.try_op(op).map(|written| written.version)
    };
    assert_eq!(with(ANNA, &[1]), Err(WriteFault::VersionMismatch { current: None }));
    world.given(&[ANNA]);
    let mismatch = WriteFault::VersionMismatch { current: Some(VersionId(1)) };
    assert_eq!(with(ANNA2, &[2, 7]), Err(mismatch.clone()));
    assert_eq!(with(ANNA2, &[2, 1]), Ok(VersionId(2)));
    let mut delete = world.delete("Patient/anna");
    delete.preconditions.if_match = Some(vec![VersionId(1)]);
    assert_eq!(
        world.try_op(delete).map(|written| written.version),
        Err(WriteFault::VersionMismatch { current: Some(VersionId(2)) })
    );
    let mut absent = world.put(ANNA);
    absent.preconditions.if_absent = true;
    let exists = WriteFault::AlreadyExists { current: VersionId(2) };
    assert_eq!(world.try_op(absent.clone()).map(|written| written.version), Err(exists));
    world.op(world.delete("Patient/anna"));
    assert_eq!(world.op(absent).version, VersionId(4));
}

fn conditional_create_looks_inside_the_commit(world: &World) {
    let create = |id: &str| {
        let json = format!(
            r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:x","value":"1"}}]}}"#
        );
        let mut op = world.put(&json);
        op.preconditions.unless_exists = Some(world.query("Patient?identifier=urn:x|1"));
        op
    };
    // Both stand in one group: the second sees what the first has done.
    let group = WriteGroup { ops: vec![create("a"), create("b")], ..WriteGroup::default() };
    let answers = world.group(group).unwrap();
    let changes: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map(|one| (one.change, one.key.to_string())))
        .collect();
    assert_eq!(
        changes,
        [
            Ok((Change::Created, "Patient/a".to_owned())),
            Ok((Change::Existing, "Patient/a".to_owned()))
        ]
    );
    let mut second = create("c");
    second.preconditions.unless_exists = None;
    world.op(second);
    assert_eq!(
        world.try_op(create("d")).map(|written| written.change),
        Err(WriteFault::MultipleMatches(2))
    );
}

fn conditions_see_systems_and_units_that_are_new_in_the_group(world: &World) {
    let create = |id: &str, query: &str| {
        let json = format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"system":"urn:x","code":"c"}}]}},"valueQuantity":{{"value":1,"unit":"drop"}}}}"#
        );
        let mut op = world.put(&json);
        op.preconditions.unless_exists = Some(world.query(query));
        op
    };
    let ops = vec![
        create("a", "Observation?code=urn:x|"),
        create("b", "Observation?code=urn:x|"),
        create("c", "Observation?value-quantity=1||drop"),
    ];
    let answers = world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let changes: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().change).collect();
    assert_eq!(changes, [Change::Created, Change::Existing, Change::Existing]);
}

fn an_atomic_group_is_all_or_nothing(world: &World) {
    world.given(&[ANNA]);
    let mut bad = world.put(r#"{"resourceType":"Patient","id":"anna","active":true}"#);
    bad.preconditions.if_match = Some(vec![VersionId(9)]);
    let ops = vec![
        world.put(r#"{"resourceType":"Patient","id":"berta","name":[{"family":"Laine"}]}"#),
        world.put(ANNA2),
        bad,
    ];
    let refused = world.group(WriteGroup { ops, atomic: true, ..WriteGroup::default() });
    let fault = WriteFault::VersionMismatch { current: Some(VersionId(2)) };
    assert!(
        matches!(&refused, Err(StoreError::Refused { index: 2, fault: found }) if *found == fault),
        "{refused:?}"
    );
    assert!(world.current("Patient/berta").is_none());
    assert_eq!(world.current("Patient/anna").unwrap().version, VersionId(1));
    assert_eq!(world.found("Patient?family=Virtanen"), ["anna"]);
    assert_eq!(world.found("Patient?family=Laine"), Vec::<String>::new());
    assert_eq!(world.read(|reader| reader.live(None)), 1);
    // The next write is not disturbed.
    assert_eq!(world.op(world.put(ANNA2)).version, VersionId(2));
}

fn a_plain_group_keeps_what_is_good(world: &World) {
    let mut bad = world.put(ANNA);
    bad.preconditions.if_match = Some(vec![VersionId(1)]);
    let good = world.put(r#"{"resourceType":"Patient","id":"berta"}"#);
    let answers =
        world.group(WriteGroup { ops: vec![bad, good], ..WriteGroup::default() }).unwrap();
    assert!(answers[0].is_err() && answers[1].is_ok());
    assert!(world.current("Patient/berta").is_some());
    assert!(world.current("Patient/anna").is_none());
}

fn expectations_refuse_a_group(world: &World) {
    let expect = |found: Option<&str>| {
        let query = world.query("Patient?family=Virtanen");
        let group = WriteGroup {
            ops: vec![world.put(r#"{"resourceType":"Basic","id":"x","code":{"text":"t"}}"#)],
            expect: vec![Expectation { query, found: found.map(key) }],
            atomic: true,
            ..WriteGroup::default()
        };
        match world.group(group) {
            Ok(_) => true,
            Err(StoreError::Refused { index: 0, fault: WriteFault::Stale }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(!expect(Some("Patient/anna")));
    assert!(expect(None));
    world.given(&[ANNA]);
    assert!(!expect(None));
    assert!(!expect(Some("Patient/berta")));
    assert!(expect(Some("Patient/anna")));
}

fn counters_follow(world: &World) {
    world.given(&[
        ANNA,
        ANNA2,
        r#"{"resourceType":"Patient","id":"berta"}"#,
        r#"{"resourceType":"Basic","id":"b","code":{"text":"t"}}"#,
    ]);
    world.op(world.delete("Patient/berta"));
    let live = |kind| world.read(move |reader| reader.live(kind));
    assert_eq!(live(Some(ResourceType::PATIENT)), 1);
    assert_eq!(live(Some(ResourceType::OBSERVATION)), 0);
    assert_eq!(live(None), 2);
}

fn the_journal_commits_with_the_data(world: &World) {
    let row = |position| Some(JournalRow { file: "a.ndjson".into(), position });
    let good = WriteGroup { ops: vec![world.put(ANNA)], journal: row(7), ..WriteGroup::default() };
    world.group(good).unwrap();
    let mut bad = world.put(ANNA);
    bad.preconditions.if_absent = true;
    let bad = WriteGroup { ops: vec![bad], atomic: true, journal: row(8), ..WriteGroup::default() };
    assert!(world.group(bad).is_err());
    assert_eq!(world.read(|reader| reader.journal("a.ndjson")), [7]);
    assert_eq!(world.read(|reader| reader.journal("b.ndjson")), Vec::<i64>::new());
}

fn instants_grow(world: &World) {
    let ops = (0..50)
        .map(|n| world.put(&format!(r#"{{"resourceType":"Patient","id":"p{n}"}}"#)))
        .collect();
    let answers = world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    let instants: Vec<_> = answers.iter().map(|one| one.as_ref().unwrap().updated).collect();
    assert!(instants.windows(2).all(|pair| pair[0] < pair[1]), "{instants:?}");
}

fn ids_are_fresh_and_legal(world: &World) {
    let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| world.store.new_id(5)).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.as_str().len() == 26));
}

fn bodies_of_every_size_come_back(world: &World) {
    for size in [0_usize, 1, 100, 5_000, 200_000] {
        let text = "ä1\\n€".repeat(size / 5 + 1);
        let json =
            format!(r#"{{"resourceType":"Basic","id":"s{size}","code":{{"text":"{text}"}}}}"#);
        let written = world.op(world.put(&json));
        let current = world.current(&format!("Basic/s{size}")).unwrap();
        assert_eq!(current.body.as_ref(), written.body.as_deref());
    }
}
