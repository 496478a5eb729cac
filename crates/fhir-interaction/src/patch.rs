//! patch: a change to the current version, decided inside the commit that makes it.
//! Spec: <https://hl7.org/fhir/R4/http.html#patch>
//!
//! The patch is applied outside the commit, to the version that was read; the commit takes the
//! result only while that version is still the current one, and the patch starts over otherwise.
//! Who has lost once waits in a line for that resource, so that many patches of one resource
//! don't keep each other from ending.

use fhir_access::{Interaction, Permit};
use fhir_model::{Failure, Issue, Limits, Resource, ResourceKey};
use fhir_patch::Patch;
use fhir_store::{Expectation, Preconditions, StoredVersion, WriteFault};
use tokio::sync::MutexGuard;

use crate::app::App;
use crate::check;
use crate::conditional::{changing, met};
use crate::read;
use crate::request::{Answer, Conditions, Request};
use crate::write;

/// So often a patch starts over because the resource has a new version.
const MAX_TURNS: u32 = 50;

/// Applies a patch to the current version of a resource.
///
/// # Errors
/// `NotFound` and `Deleted` as a read, `VersionMismatch` where `If-Match` names another version,
/// what [`Patch::apply`] fails with, and what an update is refused for.
pub async fn patch(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    patch: &Patch,
    conditions: Conditions,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Patch, Some(key.resource_type))?;
    let asked = Asked { request, patch, conditions: &conditions };
    let mut turns = Turns::default();
    loop {
        let _turn = turns.next(app, Some(key)).await?;
        let wanted = key.clone();
        let stored = app.read(&permit, move |sight| Ok(sight.current(&wanted)?)).await?;
        let stored = stored.ok_or_else(|| read::missing(key))?;
        if let Some(answer) = attempt(app, &permit, &asked, &stored, Vec::new()).await? {
            return Ok(answer);
        }
    }
}

/// What a request asks of whatever version it meets.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) patch: &'a Patch,
    pub(crate) conditions: &'a Conditions,
}

/// How often a request has tried.
#[derive(Default)]
pub(crate) struct Turns(u32);

impl Turns {
    /// The next try. From the second on, the caller holds its resource's place in the line while
    /// it tries.
    ///
    /// # Errors
    /// `Conflict` where it has tried too often.
    pub(crate) async fn next<'a>(
        &mut self,
        app: &'a App,
        key: Option<&ResourceKey>,
    ) -> Result<Option<MutexGuard<'a, ()>>, Failure> {
        self.0 += 1;
        match (self.0, key) {
            (1, _) | (2..MAX_TURNS, None) => Ok(None),
            (2..MAX_TURNS, Some(key)) => Ok(Some(app.line(key).lock().await)),
            _ => Err(changing()),
        }
    }
}

/// Patches a version that was read; nothing where it is not the current one any more.
///
/// # Errors
/// As [`patch`].
pub(crate) async fn attempt(
    app: &App,
    permit: &Permit,
    asked: &Asked<'_>,
    stored: &StoredVersion,
    expect: Vec<Expectation>,
) -> Result<Option<Answer>, Failure> {
    let key = &stored.key;
    if stored.body.is_none() {
        return Err(read::deleted(stored));
    }
    if let Some(fault) = met(asked.conditions, stored.version) {
        return Err(write::write_fault(key, &fault));
    }
    let (resource, warnings) = patched(app, asked.request, permit, asked.patch, stored).await?;
    let if_match = Some(vec![stored.version]);
    let preconditions = Preconditions { if_match, ..Preconditions::default() };
    let op = write::put(app, key.clone(), resource.view(), preconditions);
    match write::write_expecting(app, permit, op, expect).await? {
        Ok(written) => {
            let return_ = asked.request.prefer.return_;
            write::answer(app, permit, &written, &warnings, return_).await.map(Some)
        }
        Err(WriteFault::Stale | WriteFault::VersionMismatch { .. }) => Ok(None),
        Err(fault) => Err(write::write_fault(key, &fault)),
    }
}

/// What a patch makes of a stored version: checked like the body of an update, with the warnings of
/// rules and validation. The write that follows must name the version in its preconditions
/// (`if_match`) and start again from the then current version on `WriteFault::VersionMismatch`.
///
/// # Errors
/// `Deleted` where the version is a delete, what [`Patch::apply`] fails with, and what an update
/// is refused for.
pub(crate) async fn patched(
    app: &App,
    request: &Request,
    permit: &Permit,
    patch: &Patch,
    stored: &StoredVersion,
) -> Result<(Resource, Vec<Issue>), Failure> {
    let key = &stored.key;
    let Some(body) = &stored.body else { return Err(read::deleted(stored)) };
    let mut json = Vec::with_capacity(body.as_bytes().len() + 192);
    body.write_json(key, Some(stored.version), Some(stored.updated), &mut json);
    let current = Resource::trusted(json)?;
    let resource = patch.apply(current.view(), &Limits::default())?;
    let (view, id) = (resource.view(), Some(&key.id));
    let warnings = check::checked(app, request, permit, view, key.resource_type, id).await?;
    Ok((resource, warnings))
}
