//! Conditional update, patch and delete: the resource is named by what it is like.
//! Spec: <https://hl7.org/fhir/R4/http.html#cond-update>
//!
//! Criteria are resolved in a snapshot, outside the commit; the commit checks under the lock of
//! the criteria that they still find the same, and refuses the write as stale where they don't.
//! Then the interaction starts over, so that of many equal requests one creates and the others
//! find what it created.

use fhir_access::{Interaction, Permit};
use fhir_definitions::ResourceType;
use fhir_model::failure::outcome_json;
use fhir_model::{Failure, FailureKind, Id, Issue, IssueType, Resource, ResourceKey, VersionId};
use fhir_patch::Patch;
use fhir_search::{RESULT_PARAMETERS, Scope, SearchQuery};
use fhir_store::{Expectation, Preconditions, StoredVersion, WriteFault, WriteGroup, WriteOp};

use crate::answers;
use crate::app::{App, ConditionalDelete, WriteFailure};
use crate::check;
use crate::patch;
use crate::request::{Answer, Conditions, Request, Return};
use crate::write;

/// So often a request starts over because what its criteria match has changed meanwhile.
const MAX_TURNS: u32 = 50;

/// What a conditional interaction is about, such as `Patient?identifier=...`.
#[derive(Clone, Debug)]
pub struct Criteria {
    /// The type of the path.
    pub resource_type: ResourceType,
    /// The search parameters, decoded; `_format` and `_pretty` are passed over.
    pub pairs: Vec<(String, String)>,
}

/// An update of the one resource that matches, or a create where none does.
///
/// # Errors
/// `MultipleMatches` where several match, `InvalidParameter` where the body has another id than
/// the match, `Conflict` where nothing matches and the body's id is taken; what criteria and body
/// are refused for.
pub async fn update_where(
    app: &App,
    request: &Request,
    criteria: &Criteria,
    resource: Resource,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Update, Some(criteria.resource_type))?;
    let query = ready(app, request, &permit, criteria).await?;
    let view = resource.view();
    let resource_type = criteria.resource_type;
    let warnings = check::checked(app, request, &permit, view, resource_type, None).await?;
    let given = view.id();
    for _ in 0..MAX_TURNS {
        let found = one_at_most(app, &permit, &query).await?;
        let preconditions = write::preconditions(conditions.clone());
        let op = match (&found, &given) {
            (Some(stored), Some(given)) if stored.key.id != *given => {
                return Err(
                    other_id(given, &stored.key.id).at(format!("{}.id", stored.key.resource_type))
                );
            }
            (Some(stored), _) => write::put(app, stored.key.clone(), view, preconditions),
            (None, None) => write::post(app, view, preconditions, |person| app.new_id(person)),
            (None, Some(given)) => {
                let key = ResourceKey::new(criteria.resource_type, given.clone());
                let preconditions = Preconditions { if_absent: true, ..preconditions };
                write::put(app, key, view, preconditions)
            }
        };
        let key = op.key.clone();
        let expect = expectation(&query, found.as_ref());
        match write::write_expecting(app, &permit, op, expect).await? {
            Ok(written) => {
                return write::answer(app, &permit, &written, &warnings, request.prefer.return_)
                    .await;
            }
            Err(WriteFault::Stale) => {}
            Err(WriteFault::AlreadyExists { .. }) if found.is_none() => {
                let text = format!("the criteria match nothing, and {key} exists already");
                let place = format!("{}.id", key.resource_type);
                return Err(Failure::new(FailureKind::Conflict, text).at(place));
            }
            Err(fault) => return Err(write::write_fault(&key, &fault)),
        }
    }
    Err(changing())
}

/// A patch of the one resource that matches.
///
/// # Errors
/// `NotFound` where none matches, `MultipleMatches` where several do, what criteria are refused
/// for, and everything that a patch of one resource fails with.
pub async fn patch_where(
    app: &App,
    request: &Request,
    criteria: &Criteria,
    patch: &Patch,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Patch, Some(criteria.resource_type))?;
    let query = ready(app, request, &permit, criteria).await?;
    let mut turns = patch::Turns::default();
    let mut last = None;
    loop {
        // The line comes before the look: what is seen in it is what the others have left.
        let _turn = turns.next(app, last.as_ref()).await?;
        let Some(stored) = one_at_most(app, &permit, &query).await? else {
            let text = format!("no {} matches the criteria", criteria.resource_type);
            return Err(Failure::new(FailureKind::NotFound, text));
        };
        let expect = expectation(&query, Some(&stored));
        let asked = patch::Asked { request, patch, conditions: &conditions };
        if let Some(answer) = patch::attempt(app, &permit, &asked, &stored, expect).await? {
            return Ok(answer);
        }
        last = Some(stored.key);
    }
}

/// The end of the resources that match: of one, or of several where the settings allow it.
///
/// # Errors
/// `MultipleMatches` where more match than may be deleted at once; then nothing is deleted. What
/// criteria are refused for; `VersionMismatch` where `If-Match` names other versions.
pub async fn delete_where(
    app: &App,
    request: &Request,
    criteria: &Criteria,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Delete, Some(criteria.resource_type))?;
    let query = ready(app, request, &permit, criteria).await?;
    let most = most_deletes(app);
    let is_single = app.settings().conditional_delete == ConditionalDelete::Single;
    let return_ = request.prefer.return_;
    for _ in 0..MAX_TURNS {
        let found = found(app, &permit, &query, most.saturating_add(1)).await?;
        if found.len() > most {
            return Err(too_many(is_single, most));
        }
        let deleted = match found.as_slice() {
            [] if conditions.if_match.is_some() || conditions.if_exists => {
                let text = "If-Match asks for a current version, and nothing matches the criteria";
                return Err(Failure::new(FailureKind::VersionMismatch, text).at("http.If-Match"));
            }
            [] => 0,
            [stored] => {
                let op =
                    write::delete_op(stored.key.clone(), write::preconditions(conditions.clone()));
                let expect = expectation(&query, Some(stored));
                match write::write_expecting(app, &permit, op, expect).await? {
                    Ok(written) => {
                        return write::answer(app, &permit, &written, &[], return_).await;
                    }
                    Err(WriteFault::Stale) => continue,
                    Err(fault) => return Err(write::write_fault(&stored.key, &fault)),
                }
            }
            several => match delete_all(app, &permit, several, &conditions).await? {
                Some(count) => count,
                None => continue,
            },
        };
        return Ok(counted(criteria.resource_type, deleted, return_));
    }
    Err(changing())
}

/// The most resources that a conditional delete may end.
pub(crate) fn most_deletes(app: &App) -> usize {
    match app.settings().conditional_delete {
        ConditionalDelete::Single => 1,
        ConditionalDelete::Multiple => app.settings().max_conditional_deletes,
    }
}

/// Parses a condition: nothing is passed over, since it would match too much.
///
/// # Errors
/// What the parser refuses, and `InvalidParameter` where there are no criteria at all or where a
/// parameter shapes an answer that nobody gets.
pub(crate) fn parse(
    app: &App,
    request: &Request,
    resource_type: ResourceType,
    pairs: &[(String, String)],
) -> Result<SearchQuery, Failure> {
    let criteria: Vec<(String, String)> = pairs
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"))
        .cloned()
        .collect();
    let mut names = criteria.iter().filter_map(|(name, _)| name.split(':').next());
    if let Some(name) = names.find(|name| RESULT_PARAMETERS.contains(name)) {
        let text = format!("{name} has no meaning in a condition: it selects nothing");
        return Err(Failure::new(FailureKind::InvalidParameter, text).at(format!("http.{name}")));
    }
    let query = app.parse_strictly(request, Scope::Type(resource_type), &criteria)?;
    if query.predicates.is_empty() {
        let text = "a condition needs at least one search parameter";
        return Err(Failure::new(FailureKind::InvalidParameter, text));
    }
    Ok(query)
}

/// The criteria as one may ask them: parsed, looked up, and confined to what the permit shows.
pub(crate) async fn ready(
    app: &App,
    request: &Request,
    permit: &Permit,
    criteria: &Criteria,
) -> Result<SearchQuery, Failure> {
    let query = parse(app, request, criteria.resource_type, &criteria.pairs)?;
    answers::resolved(app, request, permit, query).await
}

/// The first matches, at most `most`.
async fn found(
    app: &App,
    permit: &Permit,
    query: &SearchQuery,
    most: usize,
) -> Result<Vec<StoredVersion>, Failure> {
    let query = query.clone();
    app.read(permit, move |sight| {
        let hits = sight.search(&query, None, most)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        Ok(sight.load(&rows)?)
    })
    .await
}

async fn one_at_most(
    app: &App,
    permit: &Permit,
    query: &SearchQuery,
) -> Result<Option<StoredVersion>, Failure> {
    let mut found = found(app, permit, query, 2).await?;
    if found.len() > 1 {
        let text = "the criteria match more than one resource";
        return Err(Failure::new(FailureKind::MultipleMatches, text));
    }
    Ok(found.pop())
}

fn expectation(query: &SearchQuery, found: Option<&StoredVersion>) -> Vec<Expectation> {
    vec![Expectation { query: query.clone(), found: found.map(|stored| stored.key.clone()) }]
}

/// Deletes these versions as a whole; nothing where one of them is no longer the current one.
async fn delete_all(
    app: &App,
    permit: &Permit,
    found: &[StoredVersion],
    conditions: &Conditions,
) -> Result<Option<usize>, Failure> {
    let mut ops: Vec<WriteOp> = Vec::with_capacity(found.len());
    for stored in found {
        if let Some(fault) = met(conditions, stored.version) {
            return Err(write::write_fault(&stored.key, &fault));
        }
        let if_match = Some(vec![stored.version]);
        let preconditions = Preconditions { if_match, ..Preconditions::default() };
        ops.push(write::delete_op(stored.key.clone(), preconditions));
    }
    let keys: Vec<_> = found.iter().map(|stored| stored.key.clone()).collect();
    let group = WriteGroup { ops, atomic: true, ..WriteGroup::default() };
    match app.write(permit, group).await {
        Ok(results) => Ok(Some(results.len())),
        Err(WriteFailure::Refused { fault: WriteFault::VersionMismatch { .. }, .. }) => Ok(None),
        Err(WriteFailure::Refused { index, fault }) => {
            let key = keys.get(index).or(keys.first());
            let bug = || Failure::new(FailureKind::Bug, "the store refused a delete");
            Err(key.map_or_else(bug, |key| write::write_fault(key, &fault)))
        }
        Err(WriteFailure::Store(failure)) => Err(failure),
    }
}

/// What the client's conditions say against a version that is there.
pub(crate) fn met(conditions: &Conditions, current: VersionId) -> Option<WriteFault> {
    if conditions.if_match.as_ref().is_some_and(|expected| !expected.contains(&current)) {
        return Some(WriteFault::VersionMismatch { current: Some(current) });
    }
    conditions.if_absent.then_some(WriteFault::AlreadyExists { current })
}

/// The answer to a conditional delete of none or of several resources.
pub(crate) fn counted(resource_type: ResourceType, count: usize, return_: Return) -> Answer {
    let is_told = match return_ {
        Return::OperationOutcome => true,
        Return::Minimal => false,
        Return::Usual | Return::Representation => count > 0,
    };
    if !is_told {
        return Answer { status: 204, ..Answer::default() };
    }
    let text = match count {
        0 => format!("no {resource_type} matches the criteria, nothing was deleted"),
        count => format!("deleted {count} resources of type {resource_type}"),
    };
    Answer::ok(outcome_json(&[Issue::information(IssueType::Informational, text)]))
}

pub(crate) fn too_many(is_single: bool, most: usize) -> Failure {
    let text = if is_single {
        "the criteria match more than one resource, and only one is deleted at once; nothing was \
         deleted"
            .to_owned()
    } else {
        format!(
            "the criteria match more than {most} resources, which is the most that is deleted at \
             once; nothing was deleted"
        )
    };
    Failure::new(FailureKind::MultipleMatches, text)
}

pub(crate) fn other_id(given: &Id, found: &Id) -> Failure {
    let text = format!("the criteria find id {found}, the body has id {given}");
    Failure::new(FailureKind::InvalidParameter, text)
}

/// What a client is told whose criteria never stood still.
pub(crate) fn changing() -> Failure {
    let text = "what the request writes kept changing while the request was served; send it again";
    Failure::new(FailureKind::Conflict, text)
}
