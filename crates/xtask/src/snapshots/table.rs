//! The table of compared snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use fhir_structure::{Difference, differences, make_snapshot};
use serde_json::{Value, json};

use super::judge::Reason;
use super::{All, text};

/// The name of what no reason explains.
const UNEXPLAINED: &str = "-";

/// What was found in one package.
pub(super) struct Row {
    package: String,
    is_types: bool,
    /// Every property of every element is the same.
    equal: usize,
    /// What differs is cosmetic, or was added by the publisher's tools.
    same: usize,
    /// Only words differ, or what validation cannot tell apart.
    words: usize,
    /// Something that validation can tell apart differs.
    meaning: usize,
    /// No snapshot could be made.
    refused: usize,
    /// The differential has faults.
    faulty: Vec<(String, String)>,
    /// By reason: the definitions, and each difference with its definition.
    reasons: BTreeMap<String, Vec<(String, Difference)>>,
}

impl Row {
    /// Compares the definitions of a package: its profiles, or its types.
    pub(super) fn of(package: &str, is_types: bool, all: &All<'_>, reasons: &[Reason]) -> Self {
        let package = package.to_owned();
        let (reasons_found, faulty) = (BTreeMap::new(), Vec::new());
        let mut row = Self {
            package,
            is_types,
            equal: 0,
            same: 0,
            words: 0,
            meaning: 0,
            refused: 0,
            faulty,
            reasons: reasons_found,
        };
        for (url, published) in all.own {
            let view = published.view();
            let is_type = text(view, "derivation").as_deref() == Some("specialization");
            let has = |key: &str| view.at(&[key]).is_some();
            if is_type != is_types
                || !["snapshot", "differential", "baseDefinition"].iter().all(|key| has(key))
            {
                continue;
            }
            let made = make_snapshot(published, all);
            if let Some(fault) = made.faults.first() {
                let place = fault.expression.clone().unwrap_or_default();
                row.faulty.push((url.clone(), format!("{place}: {}", fault.diagnostics)));
            }
            let Some(definition) = made.definition else {
                row.refused += 1;
                continue;
            };
            row.judge(url, differences(definition.view(), view), reasons);
        }
        row
    }

    fn judge(&mut self, url: &str, found: Vec<Difference>, reasons: &[Reason]) {
        match (found.is_empty(), found.iter().any(Difference::is_meaning)) {
            (true, _) => self.equal += 1,
            (false, true) => self.meaning += 1,
            (false, false) => self.words += 1,
        }
        let is_same = |each: &Difference| {
            let reason = reasons.iter().find(|reason| reason.explains(url, each));
            reason.is_some_and(|reason| {
                matches!(reason.verdict.as_str(), "cosmetic" | "publisher's tools")
            })
        };
        if !found.is_empty() && found.iter().all(is_same) {
            self.same += 1;
        }
        for each in found {
            let reason = reasons.iter().find(|reason| reason.explains(url, &each));
            let name = reason.map_or(UNEXPLAINED, |reason| &reason.name).to_owned();
            self.reasons.entry(name).or_default().push((url.to_owned(), each));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.equal + self.words + self.meaning + self.refused
    }

    fn unexplained(&self) -> usize {
        self.reasons.get(UNEXPLAINED).map_or(0, |list| definitions(list))
    }

    fn kind(&self) -> &'static str {
        if self.is_types { "types" } else { "profiles" }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.package,
            self.kind(),
            self.count(),
            self.equal,
            self.same,
            self.words,
            self.meaning,
            self.unexplained(),
            self.faulty.len(),
        )
    }

    /// Prints the differences of one reason, or how many there are of each.
    pub(super) fn show(&self, reason: Option<&str>) {
        for (name, list) in &self.reasons {
            println!("    {name}: {} in {} definitions", list.len(), definitions(list));
            if reason == Some(name) {
                for (url, each) in list {
                    println!(
                        "        {url} {} {}: {:?} / {:?}",
                        each.id, each.property, each.made, each.published
                    );
                }
            }
        }
        for (url, fault) in &self.faulty {
            println!("    {url}: {fault}");
        }
    }

    fn json(&self) -> Value {
        let reasons: BTreeMap<&str, Value> = self
            .reasons
            .iter()
            .map(|(name, list)| {
                let urls: BTreeSet<&str> =
                    list.iter().filter_map(|(url, _)| url.rsplit('/').next()).collect();
                let properties: BTreeSet<&str> =
                    list.iter().map(|(_, each)| each.property.as_str()).collect();
                // A reason that is everywhere needs no list of places.
                let urls = if urls.len() > 40 { json!(urls.len()) } else { json!(urls) };
                let found =
                    json!({"differences": list.len(), "properties": properties, "definitions": urls});
                (name.as_str(), found)
            })
            .collect();
        let faulty: BTreeMap<&str, &str> =
            self.faulty.iter().map(|(url, fault)| (url.as_str(), fault.as_str())).collect();
        json!({"package": self.package, "of": self.kind(), "compared": self.count(),
            "equal": self.equal,
            "same": self.same, "words differ": self.words, "meaning differs": self.meaning,
            "refused": self.refused, "reasons": reasons, "faults": faulty})
    }
}

/// The table as data.
pub(super) fn json(rows: &[Row]) -> Result<String, serde_json::Error> {
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}

/// The table as a document.
pub(super) fn document(rows: &[Row], reasons: &[Reason]) -> String {
    let mut out = String::from(HEAD);
    for row in rows {
        out.push_str(&row.line());
        out.push('\n');
    }
    out.push_str(
        "\n## Reasons\n\n| reason | who | what | differences (definitions) |\n|---|---|---|---|\n",
    );
    for reason in reasons {
        let mut places = Vec::new();
        for row in rows {
            if let Some(list) = row.reasons.get(&reason.name) {
                let name = row.package.split(' ').next().unwrap_or_default();
                places.push(format!(
                    "{name} {}: {} ({})",
                    row.kind(),
                    list.len(),
                    definitions(list)
                ));
            }
        }
        if !places.is_empty() {
            let (name, places) = (&reason.name, places.join("; "));
            let words = reason.words.replace('|', "\\|");
            // Writing into a String cannot fail.
            let _ = writeln!(out, "| {name} | {} | {words} | {places} |", reason.verdict);
        }
    }
    out.push_str("\n## Differentials with faults\n\n");
    for (url, fault) in rows.iter().flat_map(|row| &row.faulty) {
        let _ = writeln!(out, "- `{url}`: {fault}");
    }
    out
}

fn definitions(list: &[(String, Difference)]) -> usize {
    list.iter().map(|(url, _)| url).collect::<BTreeSet<_>>().len()
}

const HEAD: &str = "\
# Snapshots compared

Made by `cargo xtask snapshots --write PACKAGE…`: each StructureDefinition that has a differential and
a snapshot gets its snapshot made anew, from the differential and its base, and every property of
every element is held against the published one. Do not edit; `conformance/snapshot/compared.json`
has the same as data, and `conformance/snapshot/reasons.json` the reasons. How snapshots are made is
told in [decision 0041](decisions/0041-snapshots.md).

*Same* are those that differ only in what the reasons below call cosmetic or the work of the publisher's
tools. *Words* are texts, mappings, markers of maturity and where a constraint comes from; *meaning* is
all that a validator reads. *Unexplained* is what no reason below covers.

| package | | compared | equal | same | words differ | meaning differs | unexplained | with faults |
|---|---|---|---|---|---|---|---|---|
";
