//! Everything that a server holds, for comparison: types, ids, versions and contents.

use std::collections::BTreeMap;
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

/// The first difference between two snapshots. Resources that were posted inside a transaction
/// have ids that the server chose, other ones in each database: those are compared by content.
pub(crate) fn difference(left: &Snapshot, right: &Snapshot) -> Option<String> {
    let shared = left.keys().filter(|key| right.contains_key(*key));
    let changed = shared.into_iter().find_map(|key| {
        let difference = match (&left[key], &right[key]) {
            (Some(left), Some(right)) => left.difference(right)?,
            (None, None) => return None,
            _ => "deleted in one of them".to_owned(),
        };
        Some(format!("{key}: {difference}"))
    });
    changed.or_else(|| {
        let (left, right) = (without_ids(left, right), without_ids(right, left));
        let one_sided = left.iter().find(|it| !right.contains(it));
        let one_sided = one_sided.or_else(|| right.iter().find(|it| !left.contains(it)));
        let is_same = left == right;
        (!is_same).then(|| format!("{one_sided:?}; {} and {} others", left.len(), right.len()))
    })
}

/// What only `own` holds, as sorted texts in which the ids of those resources are blotted out.
fn without_ids(own: &Snapshot, other: &Snapshot) -> Vec<String> {
    let only: Vec<_> = own.iter().filter(|(key, _)| !other.contains_key(*key)).collect();
    let id = |key: &str| key.split(['/', ' ']).nth(1).unwrap_or_default().to_owned();
    let ids: Vec<String> = only.iter().map(|(key, _)| id(key)).collect();
    let mut texts: Vec<String> = only
        .iter()
        .map(|(key, content)| {
            let text = format!("{key} {content:?}");
            ids.iter().fold(text, |text, id| text.replace(id, "*"))
        })
        .collect();
    texts.sort();
    texts
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
