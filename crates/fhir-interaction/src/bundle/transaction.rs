//! Transactions: a Bundle that happens as a whole or not at all.
//!
//! Order of work: read and check all entries (all faults at once), refuse overlapping
//! identities, answer conditions in a read, give ids, build all operations, and hand them to the
//! store as one atomic group together with what was found. Where the store says that a condition
//! no longer holds, or that a patch started from an older version, everything from the conditions
//! on is done again.

use std::collections::HashMap;

use fhir_model::{Failure, FailureKind, Issue, Resource, ResourceKey};
use fhir_store::{JournalRow, WriteFault, Written};

use crate::app::WriteFailure;
use crate::bundle::Running;
use crate::bundle::answer::{self, Told};
use crate::bundle::entry::{self, Action, Entry, Who, at_entry};
use crate::bundle::overlap::refuse_plain;
use crate::bundle::plan::Plan;
use crate::bundle::question;
use crate::patch::Turns;
use crate::request::Answer;
use crate::{check, conditional, write};

pub(crate) async fn run(
    running: Running<'_>,
    bundle: &Resource,
    journal: Option<JournalRow>,
) -> Result<Answer, Failure> {
    let Running { app, request, permit, .. } = running;
    let entries = sound(entry::read_all(app, request, bundle)?)?;
    let mut warnings = checked(running, &entries).await?;
    refuse_plain(&entries)?;
    let questions = question::questions(running, &entries).await?;
    readable(running, &entries).await?;
    let (mut turns, mut lost) = (Turns::default(), None);
    loop {
        // Who has lost a race over a resource waits in its line before looking again.
        let _turn = turns.next(app, lost.as_ref()).await?;
        let mut plan = Plan::make(running, &entries, &questions).await?;
        let group = plan.take_group(app, journal.clone(), entries.len());
        let written = if group.ops.is_empty() && group.journal.is_none() {
            Vec::new()
        } else {
            match app.write(permit, group).await {
                Ok(results) => plan.assign(results)?,
                Err(WriteFailure::Refused { fault: WriteFault::Stale, .. }) => {
                    lost = None;
                    continue;
                }
                Err(WriteFailure::Refused { index, fault }) => match plan.lost(index, &fault) {
                    Some(key) => {
                        lost = Some(key.clone());
                        continue;
                    }
                    None => return Err(plan.refusal(index, &fault)),
                },
                Err(WriteFailure::Store(failure)) => return Err(failure),
            }
        };
        for (index, told) in plan.take_warnings() {
            if let Some(place) = warnings.get_mut(index) {
                *place = told;
            }
        }
        return respond(running, &entries, &plan, written, &warnings).await;
    }
}

/// All entries, or the faults of all that cannot be read.
fn sound(entries: Vec<Result<Entry<'_>, Failure>>) -> Result<Vec<Entry<'_>>, Failure> {
    let mut sound = Vec::with_capacity(entries.len());
    let mut failures = Vec::new();
    for entry in entries {
        match entry.and_then(undoable) {
            Ok(entry) => sound.push(entry),
            Err(failure) => failures.push(failure),
        }
    }
    merged(failures).map_or(Ok(sound), Err)
}

/// Refuses what could not be undone with the rest.
fn undoable(entry: Entry<'_>) -> Result<Entry<'_>, Failure> {
    let Action::Operate(operate) = &entry.action else { return Ok(entry) };
    if !operate.changes() {
        return Ok(entry);
    }
    let text = format!(
        "{} changes what is stored and cannot be undone with a transaction; call it in a batch or \
         alone",
        operate.called.name()
    );
    let failure = Failure::new(FailureKind::NotSupported, text).at("request.url");
    Err(at_entry(failure, entry.index))
}

/// The warnings of rules and validation by entry, or the faults of all entries that may not be
/// written.
async fn checked(running: Running<'_>, entries: &[Entry<'_>]) -> Result<Vec<Vec<Issue>>, Failure> {
    let Running { app, request, permit, .. } = running;
    let mut warnings = Vec::with_capacity(entries.len());
    let mut failures = Vec::new();
    for entry in entries {
        let (view, resource_type, id) = match &entry.action {
            Action::Create { view, .. } => (*view, view.resource_type, None),
            Action::Update { who: Who::Known(key), view, .. } => {
                (*view, key.resource_type, Some(&key.id))
            }
            Action::Update { who: Who::Like(criteria), view, .. } => {
                (*view, criteria.resource_type, None)
            }
            Action::Patch { .. } | Action::Delete { .. } | Action::Get(_) | Action::Operate(_) => {
                warnings.push(Vec::new());
                continue;
            }
        };
        let outcome = check::checked(app, request, permit, view, resource_type, id).await;
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

/// Refuses a transaction whose reads can be seen to fail: nothing is written then.
///
/// Reads run after the commit, so one that fails although it was fine here (somebody else deleted
/// the resource in between) is told in its own response.
async fn readable(running: Running<'_>, entries: &[Entry<'_>]) -> Result<(), Failure> {
    let Running { app, request, .. } = running;
    let is_deleted = |entry: &Entry<'_>| matches!(entry.action, Action::Delete { .. });
    let written: HashMap<&ResourceKey, bool> =
        entries.iter().filter_map(|entry| Some((entry.writes()?, !is_deleted(entry)))).collect();
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
    let mut answers: Vec<Option<Told>> = Vec::new();
    answers.resize_with(entries.len(), || None);
    written.extend(plan.existing());
    let mut several: HashMap<usize, usize> = HashMap::new();
    for (index, written) in written {
        let issues = warnings.get(index).map_or(&[][..], Vec::as_slice);
        let count = several.entry(index).or_default();
        *count += 1;
        let answered = match *count {
            1 => write::answer(app, permit, &written, issues, return_).await,
            count => Ok(conditional::counted(written.key.resource_type, count, return_)),
        };
        if let Some(place) = answers.get_mut(index) {
            *place = Some(Told::wrote(answered));
        }
    }
    for (index, resource_type) in plan.missed() {
        if let Some(place) = answers.get_mut(*index) {
            *place = Some(Told::Wrote(conditional::counted(*resource_type, 0, return_)));
        }
    }
    for entry in entries {
        let answered = match &entry.action {
            Action::Get(get) => answer::get(app, request, get).await,
            Action::Operate(operate) => answer::operate(app, request, operate).await,
            Action::Create { .. }
            | Action::Update { .. }
            | Action::Patch { .. }
            | Action::Delete { .. } => continue,
        };
        if let Some(place) = answers.get_mut(entry.index) {
            let answered = answered.map_err(|failure| at_entry(failure, entry.index));
            *place = Some(Told::gave(answered));
        }
    }
    let unanswered = || Told::Refused(Failure::new(FailureKind::Bug, "the entry got no answer"));
    let answers: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect();
    Ok(Answer::ok(answer::write("transaction-response", &answers)))
}
