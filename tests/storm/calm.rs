//! After the storm: what is stored, held against what the clients were answered.

use std::collections::BTreeMap;

use kantele_tests::Client;
use serde_json::Value;

use super::Acknowledged;
use super::transaction::{PATCHED, conditional, criteria};

/// Everything that is lost, doubled, or has gaps.
pub(crate) fn faults(client: &Client, acknowledged: &Acknowledged) -> Vec<String> {
    let mut faults = Vec::new();
    let mut created = 0;
    for (key, versions) in &acknowledged.versions {
        if key.starts_with("Observation/") {
            created += 1;
            if versions.keys().ne([&1]) {
                faults.push(format!("{key} was created with versions {versions:?}"));
            }
            continue;
        }
        let history = history(client, key);
        if !history.keys().copied().eq(1..=history.len() as i64) {
            faults.push(format!("{key} has versions {:?}", history.keys()));
        }
        let is_patched = key.starts_with("Patient/patched-");
        let mut stored: BTreeMap<i64, String> = history
            .iter()
            .map(|(version, resource)| (*version, mark(resource, is_patched)))
            .collect();
        if is_patched {
            // The first version was there before the storm.
            stored.remove(&1);
        }
        if stored != *versions {
            let count = (stored.len(), versions.len());
            faults.push(format!("{key}: {} versions are stored, {} told", count.0, count.1));
        }
    }
    let count = total(client, "Observation?_summary=count");
    if count != created {
        faults.push(format!("{count} Observations are stored, {created} told"));
    }
    for value in conditional() {
        let count = total(client, &format!("Patient?{}&_summary=count", criteria(&value)));
        if count > 1 {
            faults.push(format!("{count} resources are {value}"));
        }
    }
    for number in 0..PATCHED {
        let resource = client.get(&format!("Patient/patched-{number}")).expecting(200).json();
        let marks = resource["identifier"].as_array().map_or(0, Vec::len) as i64;
        let version: i64 = resource["meta"]["versionId"].as_str().unwrap().parse().unwrap();
        if marks != version {
            faults.push(format!("patched-{number}: {marks} marks in version {version}"));
        }
    }
    faults
}

/// The mark that a version brought.
fn mark(resource: &Value, is_patched: bool) -> String {
    let mark = match is_patched {
        true => resource["identifier"].as_array().and_then(|all| all.last()?["value"].as_str()),
        false => resource["meta"]["tag"][0]["code"].as_str(),
    };
    mark.unwrap_or_default().to_owned()
}

fn total(client: &Client, query: &str) -> u64 {
    client.get(query).expecting(200).json()["total"].as_u64().unwrap()
}

/// All versions of a resource.
fn history(client: &Client, key: &str) -> BTreeMap<i64, Value> {
    let mut versions = BTreeMap::new();
    let mut next = Some(format!("{key}/_history?_count=1000"));
    while let Some(path) = next {
        let page = client.get(&path).expecting(200);
        next = page.link("next");
        for entry in page.json()["entry"].as_array().unwrap() {
            let resource = entry["resource"].clone();
            let version = resource["meta"]["versionId"].as_str().unwrap().parse().unwrap();
            let before = versions.insert(version, resource);
            assert!(before.is_none(), "{key} tells version {version} twice");
        }
    }
    versions
}
