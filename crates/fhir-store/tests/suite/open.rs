//! Opening and closing.

use fhir_model::VersionId;
use fhir_model::date::Zone;
use fhir_store::{Store, StoreError, WriteGroup};

use crate::cases;
use crate::world::{World, wait};

cases!(everything_is_there_after_opening_again, another_zone_is_refused, a_closed_store_says_so);

fn fresh(world: &World) -> World {
    world.sibling()
}

fn everything_is_there_after_opening_again(world: &World) {
    let json = r#"{"resourceType":"Patient","id":"a","gender":"male","name":[{"family":"One"}]}"#;
    world.given(&[json]);
    let hash = world.store.hasher().hash("x");
    let secret = *world.store.secret();
    let again = fresh(world);
    assert_eq!(again.store.hasher().hash("x"), hash);
    assert_eq!(*again.store.secret(), secret);
    assert_eq!(again.found("Patient?family=One&gender=male"), ["a"]);
    let updated = again.op(again.put(&json.replace("One", "Two")));
    assert_eq!(updated.version, VersionId(2));
    assert_eq!(again.found("Patient?family=Two"), ["a"]);
    assert_eq!(again.found("Patient?family=One"), Vec::<String>::new());
    assert_eq!(again.read(|reader| reader.live(None)), 1);
}

fn another_zone_is_refused(world: &World) {
    world.let_go();
    let mut settings = world.settings.clone();
    settings.zone = Zone::utc();
    let refused = Store::open(&world.url, &settings).err();
    assert!(matches!(refused, Some(StoreError::OtherZone { .. })), "{refused:?}");
}

fn a_closed_store_says_so(world: &World) {
    let op = world.put(r#"{"resourceType":"Patient","id":"a"}"#);
    world.store.close();
    let group = WriteGroup { ops: vec![op], ..WriteGroup::default() };
    let answer = wait(world.store.write(group));
    assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
}

/// One SQLite file has one owner.
#[test]
fn a_file_in_use_is_locked() {
    let world = World::sqlite();
    let refused = Store::open(&world.url, &world.settings).err();
    assert!(matches!(refused, Some(StoreError::Locked(_))), "{refused:?}");
}
