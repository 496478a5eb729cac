//! Bytes kept by name, on both back ends.
#![cfg(test)]

use std::sync::Arc;

use fhir_model::Instant;
use fhir_model::date::Zone;
use fhir_store::{DatabaseUrl, KeptKind, NewKept, Store, StoreSettings};

fn new(kind: KeptKind, after: i64, body: &[u8]) -> NewKept {
    let about = format!("{} bytes", body.len());
    NewKept { kind, name: "urn:x|1".to_owned(), after, about, body: body.to_vec() }
}

#[test]
fn what_others_wrote_meanwhile_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let mut urls = vec![DatabaseUrl::Sqlite(folder.path().join("test.sqlite"))];
    let cluster = fhir_store::testing::postgres();
    urls.extend(cluster.map(|cluster| cluster.database()));
    for url in urls {
        let clock = Arc::new(|| Instant(1_790_000_000_000_000));
        let settings = StoreSettings::new(clock, Zone::utc());
        let store = Store::open(&url, &settings).unwrap();
        let (system, closure) = (KeptKind::CodeSystem, KeptKind::Closure);
        assert_eq!(store.kept(system, "urn:x|1").unwrap(), None);
        assert!(store.keep(new(system, 0, b"one")).unwrap());
        assert!(!store.keep(new(system, 0, b"two")).unwrap());
        assert!(store.keep(new(closure, 0, b"other")).unwrap());
        assert!(store.keep(new(system, 1, b"two")).unwrap());
        assert!(!store.keep(new(system, 1, b"three")).unwrap());
        assert_eq!(store.kept(system, "urn:x|1").unwrap(), Some((2, b"two".to_vec())));
        let names = store.kept_names(system).unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!((names[0].name.as_str(), names[0].revision), ("urn:x|1", 2));
        assert_eq!(names[0].about, "3 bytes");
        assert!(store.drop_kept(system, "urn:x|1").unwrap());
        assert!(!store.drop_kept(system, "urn:x|1").unwrap());
        assert_eq!(store.kept(closure, "urn:x|1").unwrap(), Some((1, b"other".to_vec())));
        store.close();
    }
}
