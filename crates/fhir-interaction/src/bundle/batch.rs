//! Batches: independent requests in one Bundle.
//!
//! All writes are handed to the store as one group that isn't atomic: one flush for all of them,
//! and each stands or falls alone. Reads run after the writes.

use fhir_model::{Failure, FailureKind, Issue, Resource, ResourceView, check as structure};
use fhir_store::{JournalRow, Preconditions, WriteGroup, WriteOp};

use crate::app::WriteFailure;
use crate::bundle::Running;
use crate::bundle::answer::{self, Answered};
use crate::bundle::entry::{self, Action, Entry, at_entry};
use crate::check;
use crate::request::Answer;
use crate::write;

pub(crate) async fn run(
    running: Running<'_>,
    bundle: &Resource,
    journal: Option<JournalRow>,
) -> Result<Answer, Failure> {
    let Running { app, request, permit, .. } = running;
    let entries = entry::read_all(app, request, bundle)?;
    let mut answers: Vec<Option<Answered>> = Vec::new();
    answers.resize_with(entries.len(), || None);
    let mut ops = Vec::new();
    let mut waiting = Vec::new();
    let mut reads = Vec::new();
    for (place, entry) in answers.iter_mut().zip(&entries) {
        match entry {
            Err(failure) => *place = Some(Err(failure.clone())),
            Ok(Entry { action: Action::Get(get), index, .. }) => reads.push((*index, get)),
            Ok(entry) => match ready(&running, entry).await {
                Err(failure) => *place = Some(Err(at_entry(failure, entry.index))),
                Ok((op, warnings)) => {
                    waiting.push((entry.index, op.key.clone(), warnings));
                    ops.push(op);
                }
            },
        }
    }
    let return_ = request.prefer.return_.in_bundle();
    if !ops.is_empty() || journal.is_some() {
        let group = WriteGroup { ops, journal, ..WriteGroup::default() };
        let results = app.write(permit, group).await.map_err(|failure| match failure {
            WriteFailure::Store(failure) => failure,
            WriteFailure::Refused { fault, .. } => {
                tracing::error!(fault = %fault, "the store refused a batch as a whole");
                Failure::new(FailureKind::Bug, "the server failed to write; the fault is logged")
            }
        })?;
        for ((index, key, warnings), result) in waiting.into_iter().zip(results) {
            let answered = match result {
                Ok(written) => write::answer(app, permit, &written, &warnings, return_).await,
                Err(fault) => Err(write::write_fault(&key, &fault)),
            };
            let answered = answered.map_err(|failure| at_entry(failure, index));
            if let Some(place) = answers.get_mut(index) {
                *place = Some(answered);
            }
        }
    }
    for (index, get) in reads {
        let answered =
            answer::get(app, request, get).await.map_err(|failure| at_entry(failure, index));
        if let Some(place) = answers.get_mut(index) {
            *place = Some(answered);
        }
    }
    let unanswered = || Err(Failure::new(FailureKind::Bug, "the entry got no answer"));
    let answers: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect();
    Ok(Answer::ok(answer::write("batch-response", &answers)))
}

/// Checks the structure of one entry's resource, which [`super::parse`] leaves to the entry.
fn well_formed(view: ResourceView<'_>) -> Result<(), Failure> {
    let checked = structure::check(view.value);
    checked.map_err(|issues| Failure::with_issues(FailureKind::MalformedBody, issues)).map(|_| ())
}

/// [`operation`] with a condition that leaves nothing open.
async fn ready(running: &Running<'_>, entry: &Entry<'_>) -> Result<(WriteOp, Vec<Issue>), Failure> {
    let (mut op, warnings) = operation(running, entry)?;
    write::look_up(running.app, running.request, running.permit, &mut op).await?;
    Ok((op, warnings))
}

/// The operation of an entry that writes, and the warnings of the rules.
fn operation(running: &Running<'_>, entry: &Entry<'_>) -> Result<(WriteOp, Vec<Issue>), Failure> {
    let Running { app, request, .. } = *running;
    match &entry.action {
        Action::Create { view, if_none_exist } => {
            well_formed(*view)?;
            let warnings = check::check(app, *view, view.resource_type, None)?;
            let unless_exists = if_none_exist
                .as_deref()
                .map(|query| write::criteria(app, request, view.resource_type, query))
                .transpose()
                .map_err(|failure| failure.at("http.If-None-Exist"))?;
            let preconditions = Preconditions { unless_exists, ..Preconditions::default() };
            Ok((
                write::post(app, *view, preconditions, |person| {
                    running.new_id(person, entry.index)
                }),
                warnings,
            ))
        }
        Action::Update { key, view, conditions } => {
            well_formed(*view)?;
            let warnings = check::check(app, *view, key.resource_type, Some(&key.id))?;
            let preconditions = write::preconditions(conditions.clone());
            Ok((write::put(app, key.clone(), *view, preconditions), warnings))
        }
        Action::Delete { key, conditions } => Ok((
            write::delete_op(key.clone(), write::preconditions(conditions.clone())),
            Vec::new(),
        )),
        Action::Get(_) => Err(Failure::new(FailureKind::Bug, "a read is no operation")),
    }
}
