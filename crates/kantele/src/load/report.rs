//! What a load came to: counts by type, and the faults with file, expression and reason.

use std::collections::BTreeMap;
use std::time::Duration;

use fhir_model::{Failure, Issue, json};
use fhir_package::PackageError;

use super::destination::Outcome;
use super::document::Document;
use crate::{Error, say};

/// Faults beyond these are only counted.
const MAX_FAULTS: usize = 10_000;

/// How many documents of one type came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    created: u64,
    updated: u64,
    unchanged: u64,
    executed: u64,
    refused: u64,
}

impl Counts {
    fn documents(self) -> u64 {
        self.accepted() + self.refused
    }

    fn accepted(self) -> u64 {
        self.created + self.updated + self.unchanged + self.executed
    }

    fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.executed += other.executed;
        self.refused += other.refused;
    }
}

/// One reason for which a document, or an entry of a batch, was refused.
#[derive(Debug)]
struct Fault {
    place: String,
    expression: String,
    reason: String,
}

/// The report of a load.
#[derive(Debug, Default)]
pub(crate) struct Report {
    by_type: BTreeMap<&'static str, Counts>,
    all: Counts,
    faults: Vec<Fault>,
    faults_left_out: u64,
    /// Entries that were refused in batches that were executed.
    refused_entries: u64,
}

impl Report {
    /// Counts what became of a document.
    pub(crate) fn add(&mut self, document: &Document, outcome: Outcome) {
        let mut counts = Counts::default();
        match outcome {
            Outcome::Created => counts.created = 1,
            Outcome::Updated => counts.updated = 1,
            Outcome::Unchanged => counts.unchanged = 1,
            Outcome::Executed(failures) => {
                counts.executed = 1;
                for failure in failures {
                    self.refused_entries += 1;
                    self.fault(&document.place(), &failure);
                }
            }
            Outcome::Refused(failure) => {
                counts.refused = 1;
                self.fault(&document.place(), &failure);
            }
        }
        self.count(document.type_name(), counts);
    }

    /// Counts a document that an earlier load has brought in.
    pub(crate) fn skipped(&mut self, document: &Document) {
        self.count(document.type_name(), Counts { unchanged: 1, ..Counts::default() });
    }

    /// Counts a document that could not even be read.
    pub(crate) fn unreadable(&mut self, error: &PackageError) {
        self.count("(unreadable)", Counts { refused: 1, ..Counts::default() });
        let source = std::error::Error::source(error).map(|source| format!(": {source}"));
        let reason = format!("{error}{}", source.unwrap_or_default());
        self.keep(Fault { place: String::new(), expression: String::new(), reason });
    }

    fn count(&mut self, type_name: &'static str, counts: Counts) {
        self.by_type.entry(type_name).or_default().add(counts);
        self.all.add(counts);
    }

    fn fault(&mut self, place: &str, failure: &Failure) {
        for issue in &failure.issues {
            let expression = issue.expression.clone().unwrap_or_default();
            self.keep(Fault { place: place.to_owned(), expression, reason: reason(issue) });
        }
    }

    fn keep(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        } else {
            self.faults_left_out += 1;
        }
    }

    /// All documents seen so far.
    pub(crate) fn documents(&self) -> u64 {
        self.all.documents()
    }

    /// Whether everything was accepted.
    pub(crate) fn is_complete(&self) -> bool {
        self.all.refused == 0 && self.refused_entries == 0
    }

    /// Prints faults, counts by type and the summary line.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub(crate) fn print(&self, took: Duration) -> Result<(), Error> {
        let mut text = String::new();
        for fault in &self.faults {
            let parts = [&fault.place, &fault.expression, &fault.reason];
            let parts: Vec<&str> =
                parts.iter().map(|part| part.as_str()).filter(|part| !part.is_empty()).collect();
            text.push_str(&format!("refused: {}\n", parts.join(" | ")));
        }
        if self.faults_left_out > 0 {
            text.push_str(&format!("refused: {} more faults\n", self.faults_left_out));
        }
        for (type_name, counts) in &self.by_type {
            text.push_str(&format!("{type_name}: {}\n", line(*counts)));
        }
        let seconds = took.as_millis();
        let (seconds, thousandths) = (seconds / 1_000, seconds % 1_000);
        text.push_str(&format!(
            "total: {} refused_entries={} seconds={seconds}.{thousandths:03}\n",
            line(self.all),
            self.refused_entries
        ));
        say(&text)
    }

    /// The report as JSON.
    pub(crate) fn json(&self) -> String {
        let by_type: serde_json::Map<String, serde_json::Value> = self
            .by_type
            .iter()
            .map(|(name, counts)| ((*name).to_owned(), object(*counts)))
            .collect();
        let faults: Vec<serde_json::Value> = self
            .faults
            .iter()
            .map(|fault| {
                serde_json::json!({
                    "place": fault.place, "expression": fault.expression, "reason": fault.reason,
                })
            })
            .collect();
        let report = serde_json::json!({
            "total": object(self.all), "refused_entries": self.refused_entries,
            "by_type": by_type, "faults": faults, "faults_left_out": self.faults_left_out,
        });
        String::from_utf8_lossy(&json::pretty(report.to_string().as_bytes())).into_owned()
    }
}

fn line(counts: Counts) -> String {
    let Counts { created, updated, unchanged, executed, refused } = counts;
    format!(
        "documents={} accepted={} created={created} updated={updated} unchanged={unchanged} \
         executed={executed} refused={refused}",
        counts.documents(),
        counts.accepted()
    )
}

fn object(counts: Counts) -> serde_json::Value {
    let Counts { created, updated, unchanged, executed, refused } = counts;
    serde_json::json!({
        "documents": counts.documents(), "accepted": counts.accepted(), "created": created,
        "updated": updated, "unchanged": unchanged, "executed": executed, "refused": refused,
    })
}

fn reason(issue: &Issue) -> String {
    let mut text = issue.diagnostics.clone();
    if let Some(rule) = &issue.rule {
        text = format!("{rule}: {text}");
    }
    if let (Some(line), Some(column)) = (issue.line, issue.column) {
        text = format!("{text} (line {line}, column {column})");
    }
    text
}

#[cfg(test)]
mod tests {
    use fhir_model::FailureKind;
    use fhir_package::{Format, PackageFile};

    use super::*;

    fn document(bytes: &[u8]) -> Document {
        Document::new(PackageFile {
            path: "a.json".to_owned(),
            line: None,
            format: Format::Json,
            bytes: bytes.to_vec(),
            consumed_bytes: 0,
        })
    }

    #[test]
    fn documents_are_counted_by_type_and_faults_kept() {
        let mut report = Report::default();
        let patient = document(br#"{"resourceType":"Patient","id":"1"}"#);
        report.add(&patient, Outcome::Created);
        report.skipped(&patient);
        let failure = Failure::new(FailureKind::NotSupported, "no endpoint").at("Patient.id");
        report.add(&patient, Outcome::Refused(failure.clone()));
        assert!(!report.is_complete());
        assert_eq!(report.documents(), 3);
        let parsed: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(parsed["by_type"]["Patient"]["created"], 1);
        assert_eq!(parsed["faults"][0]["expression"], "Patient.id");
        let mut report = Report::default();
        report.add(&patient, Outcome::Executed(vec![failure]));
        assert!(!report.is_complete(), "an entry of the batch was refused");
    }

    #[test]
    fn an_unreadable_document_is_counted() {
        let mut report = Report::default();
        let broken = document(b"{");
        let failure = broken.parsed.as_ref().err().unwrap().clone();
        report.add(&broken, Outcome::Refused(failure));
        assert_eq!(report.by_type["(unreadable)"].refused, 1);
    }
}
