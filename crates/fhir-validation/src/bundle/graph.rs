//! Documents and messages: what they must hold, and what nothing leads to.
//! Spec: <https://hl7.org/fhir/R4/documents.html#content>

use std::collections::HashSet;

use fhir_model::{ResourceType, ResourceView, Severity};

use super::reference::{Link, walk};
use super::{BundleType, Check, Entry};

impl Check<'_> {
    /// Holds a document to its Composition and a message to its MessageHeader.
    pub(super) fn graph(&mut self, entries: &[Entry<'_>], links: &[Link]) {
        let (first, rule) = match self.of {
            BundleType::Document => (ResourceType::COMPOSITION, "content of a document"),
            BundleType::Message => (ResourceType::MESSAGE_HEADER, "content of a message"),
            BundleType::Transaction
            | BundleType::TransactionResponse
            | BundleType::Batch
            | BundleType::BatchResponse
            | BundleType::History
            | BundleType::Searchset
            | BundleType::Collection => return,
        };
        let Some(head) = entries.first().and_then(|entry| entry.view) else { return };
        if head.resource_type != first {
            // An invariant tells it.
            return;
        }
        self.complete(entries, head, links, rule);
        self.reachable(entries, links, rule);
    }

    /// What the first entry refers to is there.
    fn complete(
        &mut self,
        entries: &[Entry<'_>],
        head: ResourceView<'_>,
        links: &[Link],
        rule: &str,
    ) {
        let Some(entry) = entries.first() else { return };
        let led: HashSet<String> = links
            .iter()
            .filter(|link| link.from == 0)
            .filter_map(|link| entries.get(link.to)?.full_url.clone())
            .collect();
        for (key, member) in head.value.members() {
            let is_needed = if self.of == BundleType::Message {
                key == "focus"
            } else {
                !matches!(key.as_ref(), "relatesTo" | "contained" | "extension")
            };
            if !is_needed {
                continue;
            }
            let is_list = member.kind() == fhir_model::Kind::Array;
            for (at, item) in member.items().enumerate() {
                let index = if is_list { format!("[{at}]") } else { String::new() };
                let mut place = format!("{}.resource.{key}{index}", entry.place);
                let mut found = Vec::new();
                walk(item, &mut place, &mut found);
                for (text, place) in found {
                    self.held(&led, &text, place, rule);
                }
            }
        }
    }

    fn held(&mut self, led: &HashSet<String>, text: &str, place: String, rule: &str) {
        let plain = text.split_once("/_history/").map_or(text, |(before, _)| before);
        let is_local = plain.starts_with('#') || plain.starts_with("urn:");
        let is_held = led.iter().any(|url| url == plain || url.ends_with(&format!("/{plain}")));
        if !is_local && !is_held {
            self.error(rule, place, "no entry of the Bundle is what this refers to");
        }
    }

    /// Entries that nothing leads to, and that lead to nothing that counts.
    fn reachable(&mut self, entries: &[Entry<'_>], links: &[Link], rule: &str) {
        let mut reached: HashSet<usize> = HashSet::from([0]);
        loop {
            let before = reached.len();
            for link in links {
                if reached.contains(&link.from) || reached.contains(&link.to) {
                    reached.insert(link.from);
                    reached.insert(link.to);
                }
            }
            if reached.len() == before {
                break;
            }
        }
        for (at, entry) in entries.iter().enumerate() {
            let is_binary =
                entry.view.is_some_and(|view| view.resource_type == ResourceType::BINARY);
            if !reached.contains(&at) && !is_binary {
                let text = "nothing leads from the first entry to this one, or back";
                self.told(Severity::Warning, rule, entry.place.clone(), text);
            }
        }
    }
}
