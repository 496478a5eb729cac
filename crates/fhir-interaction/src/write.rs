//! create, update and delete. Spec: <https://hl7.org/fhir/R4/http.html#create>
//!
//! Everything that can be is done before the store is asked: checks, body, index rows. Versions
//! and conditions are decided by the store inside its commit. Bundles use the same functions.

use std::sync::Arc;

use fhir_access::{Interaction, Permit};
use fhir_definitions::ResourceType;
use fhir_model::failure::outcome_json;
use fhir_model::{
    Body, Failure, FailureKind, Id, Issue, IssueType, Resource, ResourceKey, ResourceView,
};
use fhir_search::SearchQuery;
use fhir_store::{
    Action, Change, Expectation, Method, Objection, Preconditions, WriteFault, WriteGroup, WriteOp,
    Written,
};

use crate::answers;
use crate::app::{App, WriteFailure};
use crate::check;
use crate::conditional;
use crate::query_string;
use crate::reference;
use crate::request::{Answer, Conditions, Request, Return};
use crate::subset::Subset;

/// A new resource under an id that the server gives.
///
/// `if_none_exist` is the query of the header: where one resource matches at the commit, nothing
/// is created and the answer (200) names that one.
///
/// # Errors
/// What the checks refuse; `MultipleMatches` where the condition matches several.
pub async fn create(
    app: &App,
    request: &Request,
    resource_type: ResourceType,
    resource: Resource,
    if_none_exist: Option<String>,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Create, Some(resource_type))?;
    let view = resource.view();
    let warnings = check::checked(app, request, &permit, view, resource_type, None).await?;
    let unless_exists = if_none_exist
        .map(|query| criteria(app, request, resource_type, &query))
        .transpose()
        .map_err(|failure| failure.at("http.If-None-Exist"))?;
    let preconditions = Preconditions { unless_exists, ..Preconditions::default() };
    let mut op = post(app, view, preconditions, |person| app.new_id(person));
    look_up(app, request, &permit, &mut op).await?;
    let written = write_one(app, &permit, op).await?;
    answer(app, &permit, &written, &warnings, request.prefer.return_).await
}

/// A new version of a resource, or its first one under an id that the client chose.
///
/// # Errors
/// What the checks refuse; `VersionMismatch` where `If-Match` names another version than the
/// current one, `PreconditionFailed` where `If-None-Match: *` meets a resource.
pub async fn update(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    resource: Resource,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Update, Some(key.resource_type))?;
    let view = resource.view();
    let id = Some(&key.id);
    let warnings = check::checked(app, request, &permit, view, key.resource_type, id).await?;
    let mut op = put(app, key.clone(), view, preconditions(conditions));
    op.preconditions.if_exists |= app.updates_only(key.resource_type);
    let written = write_one(app, &permit, op).await?;
    answer(app, &permit, &written, &warnings, request.prefer.return_).await
}

/// The end of a resource; what never was, or is gone already, is fine too.
///
/// # Errors
/// `VersionMismatch` where `If-Match` names another version than the current one.
pub async fn delete(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Delete, Some(key.resource_type))?;
    let op = delete_op(key.clone(), preconditions(conditions));
    let written = write_one(app, &permit, op).await?;
    let return_ = request.prefer.return_;
    answer(app, &permit, &written, &[], return_).await
}

/// The query of a conditional create or of a conditional reference.
///
/// # Errors
/// What the parser refuses (always strictly: a criterion that is passed over would match too
/// much), and `InvalidParameter` where there are no criteria at all.
pub(crate) fn criteria(
    app: &App,
    request: &Request,
    resource_type: ResourceType,
    query: &str,
) -> Result<SearchQuery, Failure> {
    // The specification asks for the query alone; its own examples also write the type before it.
    let query = match query.split_once('?') {
        Some((name, rest)) if name == resource_type.as_str() => rest,
        _ => query,
    };
    let pairs = query_string::pairs(query);
    conditional::parse(app, request, resource_type, &pairs)
}

/// Looks up what the condition of an operation leaves open.
///
/// # Errors
/// What cannot be looked up.
pub(crate) async fn look_up(
    app: &App,
    request: &Request,
    permit: &Permit,
    op: &mut WriteOp,
) -> Result<(), Failure> {
    if let Some(query) = op.preconditions.unless_exists.take() {
        let resolved = answers::resolved(app, request, permit, query).await;
        op.preconditions.unless_exists =
            Some(resolved.map_err(|failure| failure.at("http.If-None-Exist"))?);
    }
    Ok(())
}

/// The operation that creates a resource under a new id, in the bucket of the person whose data
/// it is.
pub(crate) fn post(
    app: &App,
    view: ResourceView<'_>,
    preconditions: Preconditions,
    new_id: impl FnOnce(i64) -> Id,
) -> WriteOp {
    // The rows name their own resource only as the person of what belongs to nobody, so they can
    // be made before the id, which depends on the person.
    let mut rows = app.index(view, None);
    let person = rows.access.person;
    let key = ResourceKey::new(view.resource_type, new_id(person));
    if person == fhir_search::hash::NONE {
        rows.access.person = app.hasher().reference(&key);
    }
    let action = Action::Put {
        body: Arc::new(Body::from_view(view, None)),
        rows: Box::new(rows),
        method: Method::Post,
    };
    WriteOp { key, action, preconditions }
}

/// The operation that gives a resource its next version under a known key.
pub(crate) fn put(
    app: &App,
    key: ResourceKey,
    view: ResourceView<'_>,
    preconditions: Preconditions,
) -> WriteOp {
    let rows = Box::new(app.index(view, Some(&key)));
    let body = Arc::new(Body::from_view(view, None));
    WriteOp { key, action: Action::Put { body, rows, method: Method::Put }, preconditions }
}

/// The operation that ends a resource.
pub(crate) fn delete_op(key: ResourceKey, preconditions: Preconditions) -> WriteOp {
    WriteOp { key, action: Action::Delete, preconditions }
}

/// What the store is to decide inside the commit.
pub(crate) fn preconditions(conditions: Conditions) -> Preconditions {
    Preconditions {
        if_match: conditions.if_match,
        if_exists: conditions.if_exists,
        if_absent: conditions.if_absent,
        ..Preconditions::default()
    }
}

async fn write_one(app: &App, permit: &Permit, op: WriteOp) -> Result<Written, Failure> {
    let key = op.key.clone();
    let written = write_expecting(app, permit, op, Vec::new()).await?;
    written.map_err(|fault| write_fault(&key, &fault))
}

/// Hands one operation to the store, to be done only where the expectations hold in its commit.
///
/// # Errors
/// The store's own failures; what is to be decided from (`Stale`, `VersionMismatch`) comes inside.
pub(crate) async fn write_expecting(
    app: &App,
    permit: &Permit,
    op: WriteOp,
    expect: Vec<Expectation>,
) -> Result<Result<Written, WriteFault>, Failure> {
    let once = app.once_mark(&[0], 0);
    let group = WriteGroup { ops: vec![op], expect, once, ..WriteGroup::default() };
    match app.write(permit, group).await {
        Ok(results) => results
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new(FailureKind::Bug, "the store gave no answer")),
        Err(WriteFailure::Refused { fault, .. }) => Ok(Err(fault)),
        Err(WriteFailure::Store(failure)) => Err(failure),
    }
}

/// What a client is told about an operation that the store refused.
pub(crate) fn write_fault(key: &ResourceKey, fault: &WriteFault) -> Failure {
    match fault {
        WriteFault::VersionMismatch { current: Some(current) } => {
            let text = format!("If-Match names another version: {key} is at version {current}");
            Failure::new(FailureKind::VersionMismatch, text).at("http.If-Match")
        }
        WriteFault::VersionMismatch { current: None } => {
            let text = format!("If-Match asks for a current version, and there is no {key}");
            Failure::new(FailureKind::VersionMismatch, text).at("http.If-Match")
        }
        WriteFault::MultipleMatches(_) => {
            let text = "the condition matches more than one resource";
            Failure::new(FailureKind::MultipleMatches, text).at("http.If-None-Exist")
        }
        WriteFault::AlreadyExists { current } => {
            let text = format!("If-None-Match is *, and {key} exists with version {current}");
            Failure::new(FailureKind::PreconditionFailed, text).at("http.If-None-Match")
        }
        WriteFault::BrokenReferences(broken) => reference::broken(broken),
        WriteFault::Referenced(referrers) => reference::referenced(key, referrers),
        WriteFault::Hidden => {
            let text = format!("the caller may not write {key}");
            Failure::new(FailureKind::Forbidden, text)
        }
        WriteFault::Taken => {
            Failure::new(FailureKind::Conflict, "this identity cannot be written; nothing was done")
        }
        WriteFault::OutOfBounds => Failure::new(
            FailureKind::Forbidden,
            "the caller may not write a resource with this content",
        ),
        WriteFault::Repeated => {
            let text = "the same request was just done; send it again for its answer";
            Failure::new(FailureKind::Conflict, text).at("http.X-Request-Id")
        }
        WriteFault::Objected(Objection { place, told }) => {
            Failure::new(FailureKind::Conflict, told.clone()).at(place.clone())
        }
        WriteFault::Stale => Failure::new(
            FailureKind::Conflict,
            "what the conditions match kept changing while the request was served; send it again",
        ),
        WriteFault::Failed | _ => {
            tracing::error!(fault = %fault, "the store refused an operation");
            Failure::new(FailureKind::Bug, "the server failed to write; the fault is logged")
        }
    }
}

/// The answer to a write.
///
/// # Errors
/// What reading an existing resource (a conditional create that matched) fails with.
pub(crate) async fn answer(
    app: &App,
    permit: &Permit,
    written: &Written,
    warnings: &[Issue],
    return_: Return,
) -> Result<Answer, Failure> {
    let status = status(written.change);
    let mut answer = Answer {
        status,
        body: None,
        version: (written.version.0 > 0).then_some(written.version),
        last_modified: (written.version.0 > 0).then_some(written.updated),
        location: None,
        content_location: None,
    };
    if matches!(written.change, Change::Deleted | Change::NothingToDelete) {
        answer.last_modified = None;
        if return_ == Return::OperationOutcome {
            answer.status = 200;
            answer.body = Some(told(written, warnings));
        }
        return Ok(answer);
    }
    answer.location = Some(format!("{}/_history/{}", written.key, written.version));
    answer.body = match return_ {
        Return::Minimal => None,
        Return::OperationOutcome => Some(told(written, warnings)),
        Return::Usual | Return::Representation => representation(app, permit, written).await?,
    };
    Ok(answer)
}

/// The status of a successful write.
/// Spec: <https://hl7.org/fhir/R4/http.html#2.21.0.10.1>
fn status(change: Change) -> u16 {
    match change {
        Change::Created => 201,
        Change::Updated | Change::Unchanged | Change::Existing => 200,
        Change::Deleted | Change::NothingToDelete => 204,
    }
}

async fn representation(
    app: &App,
    permit: &Permit,
    written: &Written,
) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(body) = &written.body {
        let mut out = Vec::with_capacity(body.as_bytes().len() + 192);
        body.write_json(&written.key, Some(written.version), Some(written.updated), &mut out);
        return Ok(Some(out));
    }
    let key = written.key.clone();
    let answer =
        app.read(permit, move |sight| crate::read::current(sight, &key, &Subset::Whole)).await?;
    Ok(answer.body)
}

fn told(written: &Written, warnings: &[Issue]) -> Vec<u8> {
    let text = match written.change {
        Change::Created => format!("created {} with version {}", written.key, written.version),
        Change::Updated => format!("updated {} to version {}", written.key, written.version),
        Change::Unchanged => {
            format!("{} is equal already, version {} stays", written.key, written.version)
        }
        Change::Existing => format!("{} matches the condition, nothing created", written.key),
        Change::Deleted => format!("deleted {}", written.key),
        Change::NothingToDelete => format!("there was no {} to delete", written.key),
    };
    let mut issues = vec![Issue::information(IssueType::Informational, text)];
    issues.extend_from_slice(warnings);
    outcome_json(&issues)
}
