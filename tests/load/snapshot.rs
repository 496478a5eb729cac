//! Everything that a server holds, for comparison: types, ids, versions and contents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kantele_tests::exact::Exact;
use kantele_tests::{Client, repository};

/// `Patient/a/_history/2` with the content of that version; nothing for a deletion.
pub(crate) type Snapshot = BTreeMap<String, Option<Exact>>;

/// Walks the history of the whole system.
pub(crate) fn snapshot(client: &Client) -> Snapshot {
    let mut found = Snapshot::new();
    let mut next = Some("_history?_count=500".to_owned());
    while let Some(path) = next {
        let reply = client.get(&path).expecting(200);
        next = reply.link("next");
        let page = Exact::read(&reply.text());
        for entry in page.get("entry").map_or(&[][..], Exact::items) {
            let part =
                |name: &str, member: &str| Some(entry.get(name)?.get(member)?.text()?.to_owned());
            let resource = entry.get("resource");
            let key = match resource {
                Some(resource) => {
                    let text = |name| resource.get(name).and_then(Exact::text).unwrap();
                    format!("{}/{}", text("resourceType"), text("id"))
                }
                None => part("request", "url").unwrap(),
            };
            let version = part("response", "etag").unwrap();
            let content = resource.cloned().map(Exact::without_server_parts);
            let twice = found.insert(format!("{key} {version}"), content);
            assert!(twice.is_none(), "{key} {version} stands twice in the history");
        }
    }
    found
}

/// The first difference between two snapshots, ids included.
pub(crate) fn difference(left: &Snapshot, right: &Snapshot) -> Option<String> {
    let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    keys.into_iter().find_map(|key| {
        let difference = match (left.get(key), right.get(key)) {
            (Some(Some(left)), Some(Some(right))) => left.difference(right)?,
            (Some(None), Some(None)) => return None,
            (Some(_), Some(_)) => "deleted in one of them".to_owned(),
            _ => "stands in one of them only".to_owned(),
        };
        Some(format!("{key}: {difference}"))
    })
}

/// The folder of examples: the small committed ones, or what `KANTELE_TEST_EXAMPLES` names.
pub(crate) fn examples() -> PathBuf {
    match std::env::var_os("KANTELE_TEST_EXAMPLES") {
        Some(path) => PathBuf::from(path),
        None => repository("conformance/examples"),
    }
}

/// The path of [`examples`] as text.
pub(crate) fn examples_text() -> String {
    examples().to_string_lossy().into_owned()
}
