//! Entries that mean the same resource: a transaction in which they stand is refused, since what
//! comes out would depend on their order. Spec: <https://hl7.org/fhir/R4/http.html#trules>

use std::collections::HashMap;

use fhir_model::{Failure, FailureKind, Issue, IssueType, ResourceKey};

use crate::bundle::entry::Entry;
use crate::bundle::fate::Fate;
use crate::bundle::own::Own;
use crate::bundle::question::Questions;

/// Refuses two entries that write the same id, or that go by the same `fullUrl`.
pub(crate) fn refuse_plain(entries: &[Entry<'_>]) -> Result<(), Failure> {
    let mut by_key: HashMap<&ResourceKey, usize> = HashMap::new();
    let mut by_url: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        if let Some(other) = entry.writes().and_then(|key| by_key.insert(key, entry.index)) {
            return Err(overlap(other, entry.index, "write the same resource"));
        }
        let full_url = entry.full_url.as_deref().filter(|_| entry.action.stores().is_some());
        if let Some(other) = full_url.and_then(|url| by_url.insert(url, entry.index)) {
            return Err(overlap(other, entry.index, "have the same fullUrl"));
        }
    }
    Ok(())
}

/// Refuses two entries that come to the same resource, now that their conditions are answered.
pub(crate) fn refuse_found(entries: &[Entry<'_>], fates: &[Fate]) -> Result<(), Failure> {
    let mut by_key: HashMap<&ResourceKey, usize> = HashMap::new();
    for (entry, fate) in entries.iter().zip(fates) {
        for key in fate.keys() {
            if let Some(other) = by_key.insert(key, entry.index) {
                let what = "mean the same resource: a condition finds what another entry writes";
                return Err(overlap(other, entry.index, what));
            }
        }
    }
    Ok(())
}

/// Refuses conditions that match nothing stored, but what another entry brings: whether there
/// were one resource or two in the end would depend on which comes first.
pub(crate) fn refuse_brought(
    entries: &[Entry<'_>],
    fates: &[Fate],
    questions: &Questions,
    own: &Own,
) -> Result<(), Failure> {
    for (entry, fate) in entries.iter().zip(fates) {
        let Some(question) = questions.get(&entry.index).filter(|_| fate.creates()) else {
            continue;
        };
        let brought = own.matching(&question.query);
        if let Some(other) = brought.iter().find(|found| found.index != entry.index) {
            let what = "mean the same resource: the condition of one matches the other";
            return Err(overlap(entry.index, other.index, what));
        }
    }
    Ok(())
}

/// The failure for two entries that cannot stand in one transaction.
pub(crate) fn overlap(one: usize, other: usize, what: &str) -> Failure {
    let (one, other) = (one.min(other), one.max(other));
    let text = format!("Bundle.entry[{one}] and Bundle.entry[{other}] {what}");
    let issues = [one, other].map(|index| {
        Issue::error(IssueType::Duplicate, text.clone()).at(format!("Bundle.entry[{index}]"))
    });
    Failure::with_issues(FailureKind::InvalidParameter, issues.to_vec())
}
