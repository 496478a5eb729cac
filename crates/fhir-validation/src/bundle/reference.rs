//! References inside of a Bundle. Spec: <https://hl7.org/fhir/R4/bundle.html#references>

use std::collections::{HashMap, HashSet};

use fhir_model::{ResourceType, Severity, Value};

use super::entry::restful;
use super::{BundleType, Check, Entry};

const RULE: &str = "references in Bundles";

/// A reference of an entry, as far as it leads to an entry.
pub(super) struct Link {
    /// Index of the entry that refers.
    pub(super) from: usize,
    /// Index of the entry that it leads to.
    pub(super) to: usize,
}

/// What entries are found by.
struct Index<'e> {
    by_url: HashMap<&'e str, usize>,
    by_key: HashMap<String, usize>,
}

impl Check<'_> {
    /// Looks at all references of all entries; gives those that lead to entries.
    pub(super) fn references(&mut self, entries: &[Entry<'_>]) -> Vec<Link> {
        let mut index = Index { by_url: HashMap::new(), by_key: HashMap::new() };
        for (at, entry) in entries.iter().enumerate() {
            if let Some(url) = entry.full_url.as_deref() {
                index.by_url.entry(url).or_insert(at);
            }
            if let Some(key) = entry.view.and_then(|view| view.key()) {
                index.by_key.entry(key.to_string()).or_insert(at);
            }
        }
        let mut links = Vec::new();
        for (from, entry) in entries.iter().enumerate() {
            let Some(view) = entry.view else { continue };
            let mut place = format!("{}.resource", entry.place);
            let mut found = Vec::new();
            walk(view.value, &mut place, &mut found);
            let mut told = HashSet::new();
            for (text, place) in found {
                if let Some(to) = self.lead(&index, entry, &text, place, &mut told) {
                    links.push(Link { from, to });
                }
            }
        }
        links
    }

    /// The entry that a reference leads to; tells where it should lead to one and doesn't.
    fn lead(
        &mut self,
        index: &Index<'_>,
        entry: &Entry<'_>,
        text: &str,
        place: String,
        told: &mut HashSet<String>,
    ) -> Option<usize> {
        let text = text.split('#').next().unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        let plain = text.split_once("/_history/").map_or(text, |(before, _)| before);
        if plain.contains('?') && !plain.contains(':') {
            if self.of != BundleType::Transaction {
                let text = "a reference by criteria is for transactions only";
                self.error(RULE, place, text);
            }
            return None;
        }
        if plain.starts_with("urn:") {
            let found = index.by_url.get(plain).copied();
            let is_id = plain.starts_with("urn:uuid:") || plain.starts_with("urn:oid:");
            if found.is_none() && is_id && told.insert(plain.to_owned()) {
                self.error(RULE, place, "no entry of the Bundle has this fullUrl");
            }
            return found;
        }
        if plain.contains(':') {
            return index.by_url.get(plain).copied();
        }
        let base = entry.full_url.as_deref().and_then(base_of);
        if let Some(base) = base {
            let whole = format!("{base}{plain}");
            if let Some(found) = index.by_url.get(whole.as_str()) {
                return Some(*found);
            }
        }
        let near = index.by_key.get(plain).copied()?;
        if matches!(self.of, BundleType::Document | BundleType::Message | BundleType::Collection)
            && told.insert(plain.to_owned())
        {
            let text =
                "this does not lead to the entry of that type and id: its fullUrl is another";
            self.told(Severity::Warning, RULE, place, text);
        }
        (self.of.has_requests() || self.of == BundleType::Searchset).then_some(near)
    }
}

/// The root of the server in a URL, with its slash.
fn base_of(url: &str) -> Option<&str> {
    let (resource_type, id): (ResourceType, _) = restful(url)?;
    url.strip_suffix(id.as_str())?.strip_suffix('/')?.strip_suffix(resource_type.as_str())
}

/// All references of a resource with their places; a Bundle in an entry has its own.
pub(super) fn walk(value: Value<'_>, place: &mut String, found: &mut Vec<(String, String)>) {
    let length = place.len();
    for (key, member) in value.members() {
        if key == "reference"
            && let Some(text) = member.text()
        {
            found.push((text.into_owned(), format!("{place}.reference")));
            continue;
        }
        let is_list = member.kind() == fhir_model::Kind::Array;
        for (at, item) in member.items().enumerate() {
            if item.kind() != fhir_model::Kind::Object {
                continue;
            }
            place.push('.');
            place.push_str(&key);
            if is_list {
                place.push_str(&format!("[{at}]"));
            }
            let is_bundle =
                item.get("resourceType").and_then(Value::text).as_deref() == Some("Bundle");
            if !is_bundle {
                walk(item, place, found);
            }
            place.truncate(length);
        }
    }
}
