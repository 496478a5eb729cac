//! The codes of required bindings, as far as the package lists them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Sources, items, text};

/// Value sets that a required binding names, numbered in the order of first use.
pub(super) struct CodeSets {
    known: BTreeMap<String, Vec<String>>,
    used: Vec<String>,
}

impl CodeSets {
    /// All value sets of the package whose codes are listed there to the last one; those with
    /// filters or of systems that HL7 does not publish (MIME types, UCUM, currencies) are not.
    pub(super) fn of(sources: &Sources) -> Self {
        let systems: BTreeMap<String, &Value> = sources
            .of_type("CodeSystem")
            .filter(|system| text(system, "content") == "complete")
            .map(|system| (text(system, "url"), system))
            .collect();
        let known = sources
            .of_type("ValueSet")
            .filter_map(|set| Some((text(set, "url"), expand(set, &systems)?)))
            .collect();
        Self { known, used: Vec::new() }
    }

    /// The number of a value set, `None` where its codes are not known.
    pub(super) fn number(&mut self, canonical: &str) -> Option<usize> {
        let url = canonical.split('|').next().unwrap_or_default();
        if let Some(number) = self.used.iter().position(|used| used == url) {
            return Some(number);
        }
        self.known.contains_key(url).then(|| {
            self.used.push(url.to_owned());
            self.used.len() - 1
        })
    }

    /// A `V` line a set with a `v` line a system.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        for url in &self.used {
            out.push(format!("V\t{url}"));
            out.extend(self.known.get(url).into_iter().flatten().cloned());
        }
        out
    }
}

fn expand(set: &Value, systems: &BTreeMap<String, &Value>) -> Option<Vec<String>> {
    let compose = set.get("compose")?;
    if compose.get("exclude").is_some() {
        return None;
    }
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for include in items(compose, "include") {
        if include.get("filter").is_some() || include.get("valueSet").is_some() {
            return None;
        }
        let url = text(include, "system");
        let found = codes.entry(url.clone()).or_default();
        if include.get("concept").is_some() {
            concepts(include, found);
        } else {
            concepts(systems.get(&url)?, found);
        }
    }
    // The line format has codes apart by spaces: a set with a space in a code stays unknown.
    let is_plain = codes.values().flatten().all(|code| !code.contains(' '));
    let line = |(system, codes): (String, BTreeSet<String>)| {
        format!("v\t{system}\t{}", codes.into_iter().collect::<Vec<_>>().join(" "))
    };
    is_plain.then(|| codes.into_iter().map(line).collect())
}

fn concepts(owner: &Value, out: &mut BTreeSet<String>) {
    for concept in items(owner, "concept") {
        out.insert(text(concept, "code"));
        concepts(concept, out);
    }
}
