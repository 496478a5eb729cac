//! Transactions: a Bundle that happens as a whole or not at all.
//!
//! Order of work: read and check all entries (all faults at once), refuse overlapping
//! identities, resolve conditions in a read, give ids, build all operations, and hand them to the
//! store as one atomic group together with what was found. Where the store says that a condition
//! no longer holds, everything from the conditions on is done again, a few times.

use std::collections::{BTreeMap, HashMap};

use fhir_model::{Failure, FailureKind, Issue, IssueType, Resource, ResourceKey};
use fhir_search::SearchQuery;
use fhir_store::{JournalRow, WriteFault, Written};

use crate::answers;
use crate::app::{App, WriteFailure};
use crate::bundle::Running;
use crate::bundle::answer::{self, Answered};
use crate::bundle::entry::{self, Action, Entry, at_entry};
use crate::bundle::plan::Plan;
use crate::check;
use crate::request::{Answer, Request};
use crate::write;

/// How often conditions are resolved again when other writers change what they match.
const ATTEMPTS: usize = 8;

pub(crate) async fn run(
    running: Running<'_>,
    bundle: &Resource,
    journal: Option<JournalRow>,
) -> Result<Answer, Failure> {
    let Running { app, request, permit, .. } = running;
    let entries = sound(entry::read_all(app, request, bundle)?)?;
    let warnings = checked(app, &entries)?;
    refuse_overlaps(&entries)?;
    let mut conditions = creation_conditions(app, request, &entries)?;
    look_up(running, &mut conditions).await?;
    readable(running, &entries).await?;
    for _ in 0..ATTEMPTS {
        let mut plan = Plan::make(running, &entries, &conditions).await?;
        let group = plan.take_group(journal.clone());
        if group.ops.is_empty() && group.journal.is_none() {
            return respond(running, &entries, &plan, Vec::new(), &warnings).await;
        }
        match app.write(permit, group).await {
            Ok(results) => {
                let written = plan.assign(results)?;
                return respond(running, &entries, &plan, written, &warnings).await;
            }
            Err(WriteFailure::Refused { fault: WriteFault::Stale, .. }) => {}
            Err(WriteFailure::Refused { index, fault }) => {
                return Err(plan.refusal(index, &fault));
            }
            Err(WriteFailure::Store(failure)) => return Err(failure),
        }
    }
    let text = "what the conditions of the transaction match kept changing; send it again";
    Err(Failure::new(FailureKind::Conflict, text))
}

/// All entries, or the faults of all that cannot be read.
fn sound(entries: Vec<Result<Entry<'_>, Failure>>) -> Result<Vec<Entry<'_>>, Failure> {
    let mut sound = Vec::with_capacity(entries.len());
    let mut failures = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => sound.push(entry),
            Err(failure) => failures.push(failure),
        }
    }
    merged(failures).map_or(Ok(sound), Err)
}

/// The rules' warnings by entry, or the faults of all entries that may not be written.
fn checked(app: &App, entries: &[Entry<'_>]) -> Result<Vec<Vec<Issue>>, Failure> {
    let mut warnings = Vec::with_capacity(entries.len());
    let mut failures = Vec::new();
    for entry in entries {
        let outcome = match &entry.action {
            Action::Create { view, .. } => check::check(app, *view, view.resource_type, None),
            Action::Update { key, view, .. } => {
                check::check(app, *view, key.resource_type, Some(&key.id))
            }
            Action::Delete { .. } | Action::Get(_) => Ok(Vec::new()),
        };
        match outcome {
            Ok(found) => warnings.push(found),
            Err(failure) => failures.push(at_entry(failure, entry.index)),
        }
    }
    merged(failures).map_or(Ok(warnings), Err)
}

/// One failure that tells all; its kind is that of the first.
fn merged(failures: Vec<Failure>) -> Option<Failure> {
    let mut failures = failures.into_iter();
    let mut first = failures.next()?;
    first.issues.extend(failures.flat_map(|failure| failure.issues));
    Some(first)
}

/// Refuses two entries that write the same resource, or that go by the same `fullUrl`.
fn refuse_overlaps(entries: &[Entry<'_>]) -> Result<(), Failure> {
    let mut by_key: HashMap<&ResourceKey, usize> = HashMap::new();
    let mut by_url: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        let key = match &entry.action {
            Action::Delete { key, .. } | Action::Update { key, .. } => Some(key),
            Action::Create { .. } | Action::Get(_) => None,
        };
        if let Some(other) = key.and_then(|key| by_key.insert(key, entry.index)) {
            return Err(overlap(other, entry.index, "write the same resource"));
        }
        let has_resource = matches!(entry.action, Action::Create { .. } | Action::Update { .. });
        let full_url = entry.full_url.as_deref().filter(|_| has_resource);
        if let Some(other) = full_url.and_then(|url| by_url.insert(url, entry.index)) {
            return Err(overlap(other, entry.index, "have the same fullUrl"));
        }
    }
    Ok(())
}

/// The failure for two entries that cannot stand in one transaction.
pub(crate) fn overlap(one: usize, other: usize, what: &str) -> Failure {
    let text = format!("Bundle.entry[{one}] and Bundle.entry[{other}] {what}");
    let issues = [one, other].map(|index| {
        Issue::error(IssueType::Duplicate, text.clone()).at(format!("Bundle.entry[{index}]"))
    });
    Failure::with_issues(FailureKind::InvalidParameter, issues.to_vec())
}

/// The criteria of conditional creates, by entry. Two entries with the same criteria would be one
/// resource, so they are refused like any other overlap.
fn creation_conditions(
    app: &App,
    request: &Request,
    entries: &[Entry<'_>],
) -> Result<BTreeMap<usize, SearchQuery>, Failure> {
    let mut conditions = BTreeMap::new();
    let mut seen = HashMap::new();
    for entry in entries {
        let Action::Create { view, if_none_exist: Some(query) } = &entry.action else { continue };
        let parsed = write::criteria(app, request, view.resource_type, query)
            .map_err(|failure| at_entry(failure.at("http.If-None-Exist"), entry.index))?;
        let mut applied = parsed.applied.clone();
        applied.sort();
        if let Some(other) = seen.insert((view.resource_type, applied), entry.index) {
            return Err(overlap(other, entry.index, "create on the same condition"));
        }
        conditions.insert(entry.index, parsed);
    }
    Ok(conditions)
}

/// Looks up what the criteria of conditional creates leave open.
async fn look_up(
    running: Running<'_>,
    conditions: &mut BTreeMap<usize, SearchQuery>,
) -> Result<(), Failure> {
    let Running { app, request, permit, .. } = running;
    for (index, query) in conditions.iter_mut().filter(|(_, query)| query.has_lookups()) {
        *query = answers::resolved(app, request, permit, query.clone())
            .await
            .map_err(|failure| at_entry(failure.at("http.If-None-Exist"), *index))?;
    }
    Ok(())
}

/// Refuses a transaction whose reads can be seen to fail: nothing is written then.
///
/// Reads run after the commit, so one that fails although it was fine here (somebody else deleted
/// the resource in between) is told in its own response.
async fn readable(running: Running<'_>, entries: &[Entry<'_>]) -> Result<(), Failure> {
    let Running { app, request, .. } = running;
    let mut written = HashMap::new();
    for entry in entries {
        match &entry.action {
            Action::Delete { key, .. } => written.insert(key, false),
            Action::Update { key, .. } => written.insert(key, true),
            Action::Create { .. } | Action::Get(_) => None,
        };
    }
    for entry in entries {
        let Action::Get(get) = &entry.action else { continue };
        let outcome = match get.target.key() {
            Some(key) => match written.get(key) {
                Some(true) => Ok(()),
                Some(false) => {
                    let text = format!("{key} is deleted by the same transaction");
                    Err(Failure::new(FailureKind::Deleted, text))
                }
                None => answer::get(app, request, get).await.map(|_| ()),
            },
            None => answer::get_is_valid(app, request, get),
        };
        outcome.map_err(|failure| at_entry(failure, entry.index))?;
    }
    Ok(())
}

async fn respond(
    running: Running<'_>,
    entries: &[Entry<'_>],
    plan: &Plan,
    mut written: Vec<(usize, Written)>,
    warnings: &[Vec<Issue>],
) -> Result<Answer, Failure> {
    let Running { app, request, permit, .. } = running;
    let return_ = request.prefer.return_.in_bundle();
    let mut answers: Vec<Option<Answered>> = Vec::new();
    answers.resize_with(entries.len(), || None);
    written.extend(plan.existing());
    for (index, written) in written {
        let issues = warnings.get(index).map_or(&[][..], Vec::as_slice);
        let answered = write::answer(app, permit, &written, issues, return_).await;
        if let Some(place) = answers.get_mut(index) {
            *place = Some(answered);
        }
    }
    for entry in entries {
        let Action::Get(get) = &entry.action else { continue };
        let answered = answer::get(app, request, get).await;
        if let Some(place) = answers.get_mut(entry.index) {
            *place = Some(answered.map_err(|failure| at_entry(failure, entry.index)));
        }
    }
    let unanswered = || Err(Failure::new(FailureKind::Bug, "the entry got no answer"));
    let answers: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect();
    Ok(Answer::ok(answer::write("transaction-response", &answers)))
}
