//! Following the changes: `_history?_sort=_lastUpdated` and its `next` links, while others write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kantele_tests::examples::{bundle, entry, patient, patient_with_id};
use kantele_tests::{Client, on_each_backend};
use serde_json::{Value, json};

const WRITERS: usize = 4;
const ROUNDS: usize = 25;

/// How long the last changes may take to show: on PostgreSQL until every transaction that began
/// before theirs has ended, those of neighbours in the same cluster too.
const PATIENCE: Duration = Duration::from_secs(60);

/// `Patient/a` and its version, from an entry of a history.
fn version(entry: &Value) -> (String, u64) {
    let url = entry["fullUrl"].as_str().unwrap();
    let mut parts = url.rsplit('/');
    let (id, kind) = (parts.next().unwrap(), parts.next().unwrap());
    (format!("{kind}/{id}"), number(entry["response"]["etag"].as_str().unwrap()))
}

fn number(etag: &str) -> u64 {
    etag.trim_start_matches("W/").trim_matches('"').parse().unwrap()
}

fn entries(page: &Value) -> &[Value] {
    page["entry"].as_array().map_or(&[], Vec::as_slice)
}

/// Follows a history until it has seen what `complete` asks for, and gives it in its order.
fn follow(
    client: &Client,
    path: &str,
    is_over: &AtomicBool,
    complete: &dyn Fn() -> BTreeSet<(String, u64)>,
) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    let mut next = format!("{path}?_sort=_lastUpdated&_count=7");
    let mut wanted = None;
    let mut deadline = None;
    loop {
        let page = client.get(&next).expecting(200);
        next = page.link("next").expect("there is always a link to go on from");
        let page = page.json();
        assert!(entries(&page).len() <= 7 && page["total"].is_null());
        seen.extend(entries(&page).iter().map(version));
        if !entries(&page).is_empty() || !is_over.load(Ordering::Acquire) {
            continue;
        }
        let wanted: &BTreeSet<_> = wanted.get_or_insert_with(complete);
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
        if seen.len() >= wanted.len() || Instant::now() > deadline {
            return seen;
        }
    }
}

/// All versions of a history, walked newest first.
fn walk(client: &Client, path: &str) -> BTreeSet<(String, u64)> {
    let mut found = BTreeSet::new();
    let mut next = Some(format!("{path}?_count=200"));
    while let Some(path) = next {
        let page = client.get(&path).expecting(200);
        next = page.link("next");
        found.extend(entries(&page.json()).iter().map(version));
    }
    found
}

/// Creates, updates, deletes and transactions, on resources that other writers write too; gives
/// what the answers say was written.
fn write(client: &Client, writer: usize) -> Vec<(String, u64)> {
    let mut written = Vec::new();
    let mut note = |place: Option<&str>, etag: Option<&str>| {
        if let (Some(place), Some(etag)) = (place, etag) {
            let place = place.split("/_history").next().unwrap();
            let mut parts = place.rsplit('/');
            let (id, kind) = (parts.next().unwrap(), parts.next().unwrap());
            written.push((format!("{kind}/{id}"), number(etag)));
        }
    };
    for round in 0..ROUNDS {
        let shared = format!("shared-{}", (writer + round) % 3);
        let family = format!("F{writer}x{round}");
        let reply = match round % 5 {
            0 => client.post("Patient", &patient(&family)),
            1 | 2 => client.put(&format!("Patient/{shared}"), &patient_with_id(&shared, &family)),
            3 => client.delete(&format!("Patient/{shared}")),
            _ => {
                let basic = json!({"resourceType": "Basic", "code": {"text": family}});
                let own = format!("own-{writer}");
                let entries = vec![
                    entry("POST", "Basic", None, Some(basic)),
                    entry(
                        "PUT",
                        &format!("Patient/{own}"),
                        None,
                        Some(patient_with_id(&own, &family)),
                    ),
                    entry(
                        "PUT",
                        &format!("Patient/{shared}"),
                        None,
                        Some(patient_with_id(&shared, &family)),
                    ),
                ];
                let reply = client.post("", &bundle("transaction", entries)).expecting(200);
                for answer in entries_of(&reply.json()) {
                    let response = &answer["response"];
                    note(response["location"].as_str(), response["etag"].as_str());
                }
                continue;
            }
        };
        assert!(matches!(reply.status, 200 | 201 | 204), "{}", reply.text());
        note(reply.header("Location"), reply.header("ETag"));
    }
    written
}

fn entries_of(bundle: &Value) -> Vec<Value> {
    entries(bundle).to_vec()
}

#[test]
fn a_poller_misses_nothing_of_a_storm() {
    on_each_backend(|server| {
        let client = server.client();
        let is_over = AtomicBool::new(false);
        let (written, polls) = std::thread::scope(|scope| {
            let poll = |path: &'static str| {
                let is_over = &is_over;
                scope.spawn(move || follow(client, path, is_over, &|| walk(client, path)))
            };
            let pollers =
                ["_history", "Patient/_history", "Basic/_history"].map(|path| (path, poll(path)));
            let writers: Vec<_> =
                (0..WRITERS).map(|writer| scope.spawn(move || write(client, writer))).collect();
            let written: Vec<_> =
                writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
            is_over.store(true, Ordering::Release);
            (written, pollers.map(|(path, poller)| (path, poller.join().unwrap())))
        });
        assert!(written.len() > WRITERS * ROUNDS / 2);
        for (path, seen) in polls {
            let expected = walk(client, path);
            let distinct: BTreeSet<_> = seen.iter().cloned().collect();
            assert_eq!(distinct.len(), seen.len(), "{path}: a version came twice");
            assert_eq!(distinct, expected, "{path}: the union of polls is not all versions");
            let mut last: BTreeMap<&str, u64> = BTreeMap::new();
            for (key, version) in &seen {
                let before = last.insert(key, *version).unwrap_or(0);
                assert_eq!(before + 1, *version, "{path}: {key} out of order");
            }
            let is_here = |key: &str| {
                path == "_history" || key.starts_with(path.trim_end_matches("/_history"))
            };
            let missed: Vec<_> =
                written.iter().filter(|one| is_here(&one.0) && !distinct.contains(*one)).collect();
            assert!(missed.is_empty(), "{path}: written and never seen: {missed:?}");
        }
    });
}
