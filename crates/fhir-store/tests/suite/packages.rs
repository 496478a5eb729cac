//! Packages: all or nothing, found by another store, read one by one.

use fhir_definitions::ResourceType;
use fhir_store::{DatabaseUrl, NewPackage, PackageChange, PackageResource, Store};

use crate::cases;
use crate::world::World;

cases!(
    packages_come_and_go_in_one_change,
    a_change_of_what_has_changed_is_refused,
    a_change_that_fails_leaves_nothing,
    another_store_notices,
);

fn package(name: &str, version: &str, resources: u32) -> NewPackage {
    let resource = |number: u32| {
        let resource = PackageResource {
            number,
            resource_type: ResourceType::VALUE_SET,
            id: format!("v{number}"),
            url: format!("http://x.org/{name}/{number}"),
            version: version.to_owned(),
            status: "active".to_owned(),
            date: String::new(),
        };
        (resource, format!("{name} {version} {number}").into_bytes())
    };
    NewPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: "d".to_owned(),
        about: b"{}".to_vec(),
        resources: (0..resources).map(resource).collect(),
    }
}

fn add(store: &Store, packages: Vec<NewPackage>) -> Option<i64> {
    let after = store.package_change().unwrap();
    store.change_packages(PackageChange { after, add: packages, remove: Vec::new() }).unwrap()
}

fn listed(store: &Store) -> String {
    let stored = store.packages().unwrap();
    let texts = stored
        .packages
        .iter()
        .map(|(row, resources)| format!("{}#{} {}", row.name, row.version, resources.len()));
    texts.collect::<Vec<_>>().join(", ")
}

fn packages_come_and_go_in_one_change(world: &World) {
    let store = &world.store;
    assert_eq!(store.package_change().unwrap(), 0);
    assert_eq!(store.packages().unwrap().packages, []);
    assert_eq!(add(store, vec![package("a", "1.0.0", 1203), package("b", "1.0.0", 2)]), Some(1));
    assert_eq!(add(store, vec![package("a", "2.0.0", 1)]), Some(2));
    assert_eq!(listed(store), "a#1.0.0 1203, b#1.0.0 2, a#2.0.0 1");
    let stored = store.packages().unwrap();
    let (row, resources) = &stored.packages[0];
    assert_eq!((row.digest.as_str(), row.about.as_slice()), ("d", b"{}".as_slice()));
    assert_eq!(resources[1202], package("a", "1.0.0", 1203).resources[1202].0);
    for number in [0, 700, 1202] {
        let body = store.package_body(row.number, number).unwrap().unwrap();
        assert_eq!(body, format!("a 1.0.0 {number}").into_bytes());
    }
    assert_eq!(store.package_body(row.number, 1203).unwrap(), None);
    let gone = row.number;
    let change =
        PackageChange { after: 2, remove: vec![gone], add: vec![package("a", "1.0.0", 3)] };
    assert_eq!(store.change_packages(change).unwrap(), Some(3));
    assert_eq!(listed(store), "b#1.0.0 2, a#2.0.0 1, a#1.0.0 3");
    assert_eq!(store.package_body(gone, 0).unwrap(), None, "numbers are not used twice");
}

fn a_change_of_what_has_changed_is_refused(world: &World) {
    let store = &world.store;
    assert_eq!(add(store, vec![package("a", "1.0.0", 1)]), Some(1));
    let change =
        PackageChange { after: 0, remove: Vec::new(), add: vec![package("b", "1.0.0", 1)] };
    assert_eq!(store.change_packages(change).unwrap(), None);
    assert_eq!(listed(store), "a#1.0.0 1");
}

fn a_change_that_fails_leaves_nothing(world: &World) {
    let store = &world.store;
    let twice = vec![package("a", "1.0.0", 4), package("b", "1.0.0", 1), package("a", "1.0.0", 1)];
    let failed = store.change_packages(PackageChange { after: 0, remove: Vec::new(), add: twice });
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!((listed(store).as_str(), store.package_change().unwrap()), ("", 0));
}

fn another_store_notices(world: &World) {
    let DatabaseUrl::Postgres(_) = &world.url else { return };
    let other = Store::open(&world.url, &world.settings).unwrap();
    assert_eq!(add(&world.store, vec![package("a", "1.0.0", 1)]), Some(1));
    assert_eq!(other.package_change().unwrap(), 1);
    assert_eq!(listed(&other), "a#1.0.0 1");
    other.close();
}
