//! Integrity of references, decided inside the commit.

use std::sync::Barrier;

use fhir_definitions::ResourceType;
use fhir_model::VersionId;
use fhir_store::{Change, ReferenceTarget, StoreError, WriteFault, WriteGroup, WriteOp};

use crate::cases;
use crate::world::{World, key, wait};

cases!(
    targets_must_live,
    entries_may_refer_to_each_other,
    whoever_is_referred_to_stays,
    what_no_parameter_reads_counts_too,
    versions_are_targets_of_their_own,
    a_referrer_and_a_delete_race,
);

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#)
}

fn observation(id: &str, subject: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"{subject}"}}}}"#
    )
}

fn to(mut op: WriteOp, target: &str, version: Option<i64>) -> WriteOp {
    let version = version.map(VersionId);
    let place = format!("place of {target}");
    op.preconditions.targets.push(ReferenceTarget { key: key(target), version, place });
    op
}

fn end(world: &World, of: &str) -> WriteOp {
    let mut op = world.delete(of);
    op.preconditions.unreferenced = true;
    op
}

fn told(fault: &WriteFault) -> Vec<String> {
    if let WriteFault::BrokenReferences(broken) = fault {
        return broken.iter().map(|each| format!("{}: {}", each.place, each.told)).collect();
    }
    let WriteFault::Referenced(referrers) = fault else { panic!("{fault:?}") };
    assert!(!referrers.has_more);
    referrers.by_type.iter().map(|(kind, count)| format!("{kind} {count}")).collect()
}

/// What a group that stands together came to.
fn together(world: &World, ops: Vec<WriteOp>) -> Result<usize, (usize, Vec<String>)> {
    let group = WriteGroup { ops, atomic: true, ..WriteGroup::default() };
    match wait(world.store.write(group)) {
        Ok(results) => Ok(results.len()),
        Err(StoreError::Refused { index, fault }) => Err((index, told(&fault))),
        Err(other) => panic!("{other:?}"),
    }
}

fn targets_must_live(world: &World) {
    world.given(&[&patient("a"), &patient("gone")]);
    world.op(world.delete("Patient/gone"));
    let refers = |id: &str, target: &str| to(world.put(&observation(id, target)), target, None);
    let ops =
        ["Patient/a", "Patient/never", "Patient/gone"].map(|target| refers("x", target)).to_vec();
    let results = world.group(WriteGroup { ops, ..WriteGroup::default() }).unwrap();
    assert!(results[0].as_ref().is_ok_and(|written| written.change == Change::Created));
    let faults: Vec<_> = results[1..].iter().map(|each| told(each.as_ref().unwrap_err())).collect();
    assert_eq!(
        faults,
        [
            ["place of Patient/never: there is no Patient/never"],
            ["place of Patient/gone: Patient/gone was deleted"]
        ]
    );
    assert_eq!(world.current("Observation/x").unwrap().version, VersionId(1));
    let own = to(world.put(&patient("own")), "Patient/own", None);
    assert_eq!(world.op(own).change, Change::Created);
}

fn entries_may_refer_to_each_other(world: &World) {
    let one = to(world.put(&observation("one", "Patient/p")), "Patient/p", None);
    let circle = to(world.put(&patient("p")), "Observation/one", None);
    assert_eq!(together(world, vec![one.clone(), circle.clone()]), Ok(2));
    // Both may go together, in any order, and not one of them.
    let (all, part) = (["Patient/p", "Observation/one"], ["Patient/p"]);
    let ends = |of: &[&str]| of.iter().map(|each| end(world, each)).collect();
    assert_eq!(together(world, ends(&part)), Err((0, vec!["Observation 1".to_owned()])));
    assert_eq!(together(world, ends(&all)), Ok(2));
    // A target that goes in the same group is none.
    assert_eq!(together(world, vec![one.clone(), circle]), Ok(2));
    let other = to(world.put(&observation("two", "Patient/p")), "Patient/p", None);
    let fault =
        together(world, vec![end(world, "Observation/one"), end(world, "Patient/p"), other]);
    assert_eq!(fault, Err((1, vec!["Observation 1".to_owned()])));
    assert!(world.current("Observation/two").is_none(), "nothing of the group stands");
    assert!(world.current("Observation/one").unwrap().body.is_some());
}

fn whoever_is_referred_to_stays(world: &World) {
    world.given(&[&patient("a"), &observation("x", "Patient/a"), &observation("y", "Patient/a")]);
    let refused = |of: &str| {
        let group = WriteGroup { ops: vec![end(world, of)], ..WriteGroup::default() };
        world.group(group).unwrap().remove(0).map_err(|fault| told(&fault))
    };
    assert_eq!(refused("Patient/a").unwrap_err(), ["Observation 2"]);
    assert_eq!(refused("Observation/x").unwrap().change, Change::Deleted);
    assert_eq!(refused("Patient/a").unwrap_err(), ["Observation 1"]);
    world.given(&[&observation("y", "Patient/other")]);
    assert_eq!(refused("Patient/a").unwrap().change, Change::Deleted);
    assert_eq!(refused("Patient/a").unwrap().change, Change::NothingToDelete);
}

fn what_no_parameter_reads_counts_too(world: &World) {
    let contained = r#"{"resourceType":"Basic","id":"b","code":{"text":"x"},
        "contained":[{"resourceType":"Patient","id":"in","managingOrganization":{"reference":"Organization/o"}}],
        "extension":[{"url":"http://x.example/e","valueReference":{"reference":"Patient/a"}}]}"#;
    let note = r#"{"resourceType":"Observation","id":"n","status":"final","code":{"text":"x"},
        "note":[{"text":"n","authorReference":{"reference":"Patient/a"}}]}"#;
    let organization = r#"{"resourceType":"Organization","id":"o","name":"n"}"#;
    world.given(&[&patient("a"), organization, contained, note]);
    let refused = |of: &str| together(world, vec![end(world, of)]).unwrap_err().1;
    assert_eq!(refused("Patient/a"), ["Basic 1", "Observation 1"]);
    assert_eq!(refused("Organization/o"), ["Basic 1"]);
    // What is inside a stored Bundle refers to what is inside it.
    let bundle = r#"{"resourceType":"Bundle","id":"d","type":"document","entry":[{"resource":
        {"resourceType":"Composition","id":"c","status":"final","type":{"text":"t"},"date":"2026",
        "author":[{"reference":"Patient/z"}],"title":"t"}}]}"#;
    let composition = r#"{"resourceType":"Composition","id":"c","status":"final",
        "type":{"text":"t"},"date":"2026","author":[{"display":"d"}],"title":"t"}"#;
    world.given(&[&patient("z"), composition, bundle]);
    assert_eq!(together(world, vec![end(world, "Patient/z")]), Ok(1));
    assert_eq!(together(world, vec![end(world, "Composition/c")]), Ok(1));
    world.op(world.delete("Basic/b"));
    world.op(world.delete("Observation/n"));
    assert_eq!(together(world, vec![end(world, "Patient/a"), end(world, "Organization/o")]), Ok(2));
}

fn versions_are_targets_of_their_own(world: &World) {
    world.given(&[&patient("a")]);
    world.op(world.delete("Patient/a"));
    let refers = |version| {
        let op = to(world.put(&observation("x", "Patient/a/_history/1")), "Patient/a", version);
        together(world, vec![op]).map_err(|(_, told)| told)
    };
    assert_eq!(refers(Some(1)), Ok(1));
    let gone = "place of Patient/a: version 2 of Patient/a is its deletion";
    assert_eq!(refers(Some(2)), Err(vec![gone.to_owned()]));
    let never = "place of Patient/a: there is no version 3 of Patient/a";
    assert_eq!(refers(Some(3)), Err(vec![never.to_owned()]));
    assert!(refers(None).is_err());
}

fn a_referrer_and_a_delete_race(world: &World) {
    const ROUNDS: usize = 60;
    let ids: Vec<String> = (0..ROUNDS).map(|n| format!("p{n}")).collect();
    let patients: Vec<String> = ids.iter().map(|id| patient(id)).collect();
    world.given(&patients.iter().map(String::as_str).collect::<Vec<_>>());
    let start = Barrier::new(3);
    // Two referrers, one of them in a group with something else, against one who deletes.
    let (singles, groups, deletes) = std::thread::scope(|scope| {
        let single = scope.spawn(|| {
            let run = |id: &String| {
                start.wait();
                let target = format!("Patient/{id}");
                let op = to(world.put(&observation(&format!("s-{id}"), &target)), &target, None);
                let group = WriteGroup { ops: vec![op], ..WriteGroup::default() };
                world.group(group).unwrap().remove(0).is_ok()
            };
            ids.iter().map(run).collect::<Vec<_>>()
        });
        let group = scope.spawn(|| {
            let run = |id: &String| {
                start.wait();
                let target = format!("Patient/{id}");
                let other = world.put(&format!(
                    r#"{{"resourceType":"Basic","id":"b-{id}","code":{{"text":"x"}}}}"#
                ));
                let op = to(world.put(&observation(&format!("g-{id}"), &target)), &target, None);
                together(world, vec![other, op]).is_ok()
            };
            ids.iter().map(run).collect::<Vec<_>>()
        });
        let delete = scope.spawn(|| {
            let run = |id: &String| {
                start.wait();
                together(world, vec![end(world, &format!("Patient/{id}"))]).is_ok()
            };
            ids.iter().map(run).collect::<Vec<_>>()
        });
        (single.join().unwrap(), group.join().unwrap(), delete.join().unwrap())
    });
    for (n, id) in ids.iter().enumerate() {
        let is_live = |of: String| world.current(&of).is_some_and(|found| found.body.is_some());
        let refers =
            is_live(format!("Observation/s-{id}")) || is_live(format!("Observation/g-{id}"));
        assert_eq!(refers, singles[n] || groups[n], "{id}");
        assert_eq!(is_live(format!("Patient/{id}")), !deletes[n], "{id}");
        assert_ne!(refers, deletes[n], "{id}: a reference to nothing, or a delete refused in vain");
        assert_eq!(is_live(format!("Basic/b-{id}")), groups[n], "{id}");
    }
    let kinds = world.read(|reader| reader.live(Some(ResourceType::PATIENT)));
    assert_eq!(kinds, deletes.iter().map(|deleted| u64::from(!deleted)).sum::<u64>());
}
