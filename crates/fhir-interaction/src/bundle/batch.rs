//! Batches: independent requests in one Bundle.
//!
//! Plain writes are handed to the store as one group that isn't atomic: one flush for all of them,
//! and each stands or falls alone. Conditional writes, patches and operations that change
//! something follow one by one, as single requests. Reads run after the writes.

use fhir_model::check as structure;
use fhir_model::{Failure, FailureKind, Issue, Resource, ResourceKey, ResourceView};
use fhir_store::{JournalRow, Preconditions, WriteGroup, WriteOp};

use crate::app::WriteFailure;
use crate::booking;
use crate::bundle::Running;
use crate::bundle::answer::{self, Told, owned};
use crate::bundle::entry::{self, Action, Entry, Who, at_entry};
use crate::request::{Answer, Request};
use crate::{check, conditional, patch, validation, write};

/// Plain writes on their way to the store.
#[derive(Default)]
struct Plain {
    ops: Vec<WriteOp>,
    waiting: Vec<(usize, ResourceKey, Vec<Issue>)>,
    /// Those that are judged together with others inside the commit, and so come one by one.
    judged: Vec<(usize, WriteOp, Vec<Issue>)>,
}

pub(crate) async fn run(
    running: Running<'_>,
    bundle: &Resource,
    journal: Option<JournalRow>,
) -> Result<Answer, Failure> {
    let entries = entry::read_all(running.app, running.request, bundle)?;
    let mut answers: Vec<Option<Told>> = Vec::new();
    answers.resize_with(entries.len(), || None);
    let mut plain = Plain::default();
    let (mut alone, mut last) = (Vec::new(), Vec::new());
    for (place, entry) in answers.iter_mut().zip(&entries) {
        match entry {
            Err(failure) => *place = Some(Told::Refused(failure.clone())),
            Ok(entry) => match &entry.action {
                Action::Get(_) => last.push(entry),
                Action::Operate(operate) if !operate.changes() => last.push(entry),
                Action::Operate(_)
                | Action::Patch { .. }
                | Action::Update { who: Who::Like(_), .. }
                | Action::Delete { who: Who::Like(_), .. } => alone.push(entry),
                Action::Create { .. } | Action::Update { .. } | Action::Delete { .. } => {
                    match ready(&running, entry).await {
                        Err(failure) => {
                            *place = Some(Told::Refused(at_entry(failure, entry.index)));
                        }
                        Ok((op, warnings)) if booking::concerns(running.app, &op) => {
                            plain.judged.push((entry.index, op, warnings));
                        }
                        Ok((op, warnings)) => {
                            plain.waiting.push((entry.index, op.key.clone(), warnings));
                            plain.ops.push(op);
                        }
                    }
                }
            },
        }
    }
    let mut tell = |index: usize, told: Told| {
        if let Some(place) = answers.get_mut(index) {
            *place = Some(match told {
                Told::Refused(failure) => Told::Refused(at_entry(failure, index)),
                told @ (Told::Wrote(_) | Told::Gave(_)) => told,
            });
        }
    };
    for (index, op, warnings) in std::mem::take(&mut plain.judged) {
        tell(index, Told::wrote(write_judged(&running, op, &warnings).await));
    }
    if !plain.ops.is_empty() || journal.is_some() {
        write_plain(&running, plain, journal, &mut tell).await?;
    }
    for entry in alone.into_iter().chain(last) {
        tell(entry.index, single(&running, entry).await);
    }
    let unanswered = || Told::Refused(Failure::new(FailureKind::Bug, "the entry got no answer"));
    let answers: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect();
    Ok(Answer::ok(answer::write("batch-response", &answers)))
}

async fn write_judged(
    running: &Running<'_>,
    op: WriteOp,
    warnings: &[Issue],
) -> Result<Answer, Failure> {
    let Running { app, request, permit, .. } = *running;
    let key = op.key.clone();
    let written = write::write_expecting(app, permit, op, Vec::new()).await?;
    let written = written.map_err(|fault| write::write_fault(&key, &fault))?;
    write::answer(app, permit, &written, warnings, request.prefer.return_.in_bundle()).await
}

async fn write_plain(
    running: &Running<'_>,
    plain: Plain,
    journal: Option<JournalRow>,
    tell: &mut impl FnMut(usize, Told),
) -> Result<(), Failure> {
    let Running { app, request, permit, .. } = *running;
    let return_ = request.prefer.return_.in_bundle();
    let group = WriteGroup { ops: plain.ops, journal, ..WriteGroup::default() };
    let results = app.write(permit, group).await.map_err(|failure| match failure {
        WriteFailure::Store(failure) => failure,
        WriteFailure::Refused { fault, .. } => {
            tracing::error!(fault = %fault, "the store refused a batch as a whole");
            Failure::new(FailureKind::Bug, "the server failed to write; the fault is logged")
        }
    })?;
    for ((index, key, warnings), result) in plain.waiting.into_iter().zip(results) {
        let answered = match result {
            Ok(written) => write::answer(app, permit, &written, &warnings, return_).await,
            Err(fault) => Err(write::write_fault(&key, &fault)),
        };
        tell(index, Told::wrote(answered));
    }
    Ok(())
}

/// Runs an entry as the single request that it stands for.
async fn single(running: &Running<'_>, entry: &Entry<'_>) -> Told {
    let app = running.app;
    let mut request: Request = running.request.clone();
    match &entry.action {
        Action::Get(get) => Told::gave(answer::get(app, &request, get).await),
        Action::Operate(operate) => Told::gave(answer::operate(app, &request, operate).await),
        Action::Create { .. }
        | Action::Update { .. }
        | Action::Patch { .. }
        | Action::Delete { .. } => {
            request.prefer.return_ = request.prefer.return_.in_bundle();
            Told::wrote(single_write(running, &request, entry).await)
        }
    }
}

async fn single_write(
    running: &Running<'_>,
    request: &Request,
    entry: &Entry<'_>,
) -> Result<Answer, Failure> {
    let app = running.app;
    match &entry.action {
        Action::Update { who: Who::Like(criteria), view, conditions } => {
            let resource = owned(*view)?;
            conditional::update_where(app, request, criteria, resource, conditions.clone()).await
        }
        Action::Delete { who: Who::Like(criteria), conditions } => {
            conditional::delete_where(app, request, criteria, conditions.clone()).await
        }
        Action::Patch { who: Who::Like(criteria), patch, conditions } => {
            conditional::patch_where(app, request, criteria, patch, conditions.clone()).await
        }
        Action::Patch { who: Who::Known(key), patch, conditions } => {
            patch::patch(app, request, key, patch, conditions.clone()).await
        }
        Action::Create { .. }
        | Action::Update { who: Who::Known(_), .. }
        | Action::Delete { who: Who::Known(_), .. }
        | Action::Get(_)
        | Action::Operate(_) => Err(Failure::new(FailureKind::Bug, "the entry goes another way")),
    }
}

/// Checks the structure of one entry's resource, which [`super::parse`] leaves to the entry.
fn well_formed(view: ResourceView<'_>) -> Result<(), Failure> {
    let checked = structure::check(view.value);
    checked.map_err(|issues| Failure::with_issues(FailureKind::MalformedBody, issues)).map(|_| ())
}

/// [`operation`] with a condition that leaves nothing open.
async fn ready(running: &Running<'_>, entry: &Entry<'_>) -> Result<(WriteOp, Vec<Issue>), Failure> {
    let (mut op, mut warnings) = operation(running, entry)?;
    if let Action::Create { view, .. } | Action::Update { view, .. } = &entry.action {
        let Running { app, request, permit, .. } = *running;
        warnings.extend(validation::on_write(app, request, permit, *view).await?);
    }
    write::look_up(running.app, running.request, running.permit, &mut op).await?;
    Ok((op, warnings))
}

/// The operation of an entry that writes without looking first, and the warnings of the rules.
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
        Action::Update { who: Who::Known(key), view, conditions } => {
            well_formed(*view)?;
            let warnings = check::check(app, *view, key.resource_type, Some(&key.id))?;
            let preconditions = write::preconditions(conditions.clone());
            Ok((write::put(app, key.clone(), *view, preconditions), warnings))
        }
        Action::Delete { who: Who::Known(key), conditions } => Ok((
            write::delete_op(key.clone(), write::preconditions(conditions.clone())),
            Vec::new(),
        )),
        Action::Update { .. }
        | Action::Delete { .. }
        | Action::Patch { .. }
        | Action::Get(_)
        | Action::Operate(_) => Err(Failure::new(FailureKind::Bug, "the entry is no plain write")),
    }
}
