//! One transaction of the storm, and what its answer says.

use kantele_tests::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

/// System of the identifiers that conditions ask for.
const SYSTEM: &str = "http://example.org/storm";

/// Resources that all clients update by id, by criteria, and patch.
pub(crate) const SHARED: usize = 200;
const CONDITIONAL: usize = 40;
pub(crate) const PATCHED: usize = 40;

/// Entries of one transaction: updates, creates, conditional creates and updates, patches.
pub(crate) const ENTRIES: usize = UPDATES + CREATES + UNLESS + LIKE + PATCHES;
const UPDATES: usize = 60;
const CREATES: usize = 20;
const UNLESS: usize = 8;
const LIKE: usize = 8;
const PATCHES: usize = 4;

/// A transaction with what is expected of each entry.
pub(crate) struct Sent {
    pub(crate) bundle: Value,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Leaves the mark in a new version.
    Writes,
    /// Creates once, by whoever is first.
    Unless,
}

/// Stores what patches start from.
pub(crate) fn prepare(client: &Client) {
    for number in 0..PATCHED {
        client.store(&json!({
            "resourceType": "Patient", "id": format!("patched-{number}"),
            "identifier": [{ "system": SYSTEM, "value": "start" }]
        }));
    }
}

impl Sent {
    pub(crate) fn draw(mark: &str, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut entries: Vec<(Kind, Value)> = Vec::with_capacity(ENTRIES);
        let tag = json!({ "tag": [{ "code": mark }] });
        for number in some(&mut random, SHARED, UPDATES) {
            let id = format!("shared-{number}");
            let resource = json!({ "resourceType": "Patient", "id": id, "meta": tag });
            entries.push((Kind::Writes, entry("PUT", &format!("Patient/{id}"), &resource)));
        }
        for _ in 0..CREATES {
            let resource = json!({
                "resourceType": "Observation", "meta": tag, "status": "final",
                "code": { "text": "storm" }
            });
            entries.push((Kind::Writes, entry("POST", "Observation", &resource)));
        }
        for number in some(&mut random, CONDITIONAL, UNLESS) {
            let value = format!("unless-{number}");
            let resource = identified(&value, &tag);
            let mut entry = entry("POST", "Patient", &resource);
            entry["request"]["ifNoneExist"] = criteria(&value).into();
            entries.push((Kind::Unless, entry));
        }
        for number in some(&mut random, CONDITIONAL, LIKE) {
            let value = format!("like-{number}");
            let url = format!("Patient?{}", criteria(&value));
            entries.push((Kind::Writes, entry("PUT", &url, &identified(&value, &tag))));
        }
        for number in some(&mut random, PATCHED, PATCHES) {
            let url = format!("Patient/patched-{number}");
            entries.push((Kind::Writes, entry("PATCH", &url, &patch(mark))));
        }
        entries.shuffle(&mut random);
        let (kinds, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        Self { bundle, kinds }
    }

    /// Each resource that has a new version by this transaction, with its number.
    pub(crate) fn written(&self, answer: &Value) -> Result<Vec<(String, i64)>, String> {
        let entries = answer["entry"].as_array().ok_or("an answer without entries")?;
        if entries.len() != self.kinds.len() {
            return Err(format!("{} entries are answered by {}", self.kinds.len(), entries.len()));
        }
        let mut written = Vec::new();
        for (entry, kind) in entries.iter().zip(&self.kinds) {
            let response = &entry["response"];
            let status = response["status"].as_str().unwrap_or_default();
            let is_fine = matches!(status, "200 OK" | "201 Created");
            if !is_fine {
                return Err(format!("an entry was answered {response}"));
            }
            let location = response["location"].as_str().ok_or("a response without location")?;
            let (key, version) = location.split_once("/_history/").ok_or("no version")?;
            let version = version.parse().map_err(|error| format!("{location}: {error}"))?;
            if *kind == Kind::Unless && status == "200 OK" {
                continue;
            }
            written.push((key.to_owned(), version));
        }
        Ok(written)
    }
}

/// The criteria for an identifier.
pub(crate) fn criteria(value: &str) -> String {
    format!("identifier={SYSTEM}|{value}")
}

/// The values of the identifiers that conditions ask for.
pub(crate) fn conditional() -> impl Iterator<Item = String> {
    let named = |name: &'static str| (0..CONDITIONAL).map(move |at| format!("{name}-{at}"));
    named("unless").chain(named("like"))
}

fn some(random: &mut StdRng, of: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    all.shuffle(random);
    all.truncate(count);
    all
}

fn identified(value: &str, tag: &Value) -> Value {
    json!({
        "resourceType": "Patient", "meta": tag,
        "identifier": [{ "system": SYSTEM, "value": value }]
    })
}

/// A FHIRPath Patch that adds the mark as an identifier.
fn patch(mark: &str) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
        { "name": "type", "valueCode": "add" },
        { "name": "path", "valueString": "Patient" },
        { "name": "name", "valueString": "identifier" },
        { "name": "value", "valueIdentifier": { "system": SYSTEM, "value": mark } }
    ] }] })
}

fn entry(method: &str, url: &str, resource: &Value) -> Value {
    json!({ "resource": resource, "request": { "method": method, "url": url } })
}
