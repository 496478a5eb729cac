//! read and vread. Spec: <https://hl7.org/fhir/R4/http.html#read>

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, ResourceKey, VersionId};
use fhir_store::StoredVersion;

use crate::app::{App, ReadFailure};
use crate::operation::own_definition;
use crate::request::{Answer, Request};
use crate::sight::Sight;
use crate::subset::Subset;

/// The current version of a resource.
///
/// Of `pairs`, the parameters of the request, `_summary` and `_elements` choose parts of it.
///
/// # Errors
/// `NotFound` where it never was or is hidden, `Deleted` where it was; `UnknownParameter` and
/// `InvalidParameter` for parameters.
pub async fn read(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    pairs: &[(String, String)],
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Read, Some(key.resource_type))?;
    let subset = Subset::of_read(app, request, key.resource_type, pairs)?;
    let key = key.clone();
    app.read(&permit, move |sight| current(sight, &key, &subset)).await
}

/// One version of a resource, with parameters as in [`read`].
///
/// # Errors
/// `NotFound` where there is no such version, `Deleted` where the version is a delete;
/// `UnknownParameter` and `InvalidParameter` for parameters.
pub async fn vread(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    version: VersionId,
    pairs: &[(String, String)],
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::VRead, Some(key.resource_type))?;
    let subset = Subset::of_read(app, request, key.resource_type, pairs)?;
    let key = key.clone();
    app.read(&permit, move |sight| one_version(sight, &key, version, &subset)).await
}

pub(crate) fn current(
    sight: &mut Sight<'_>,
    key: &ResourceKey,
    subset: &Subset,
) -> Result<Answer, ReadFailure> {
    let Some(stored) = sight.current(key)? else {
        if let Some(definition) = own_definition(key) {
            return Ok(Answer::ok(definition));
        }
        return Err(Failure::new(FailureKind::NotFound, format!("there is no {key}")).into());
    };
    Ok(answer(&stored, subset)?)
}

pub(crate) fn one_version(
    sight: &mut Sight<'_>,
    key: &ResourceKey,
    version: VersionId,
    subset: &Subset,
) -> Result<Answer, ReadFailure> {
    let Some(stored) = sight.version(key, version)? else {
        let text = format!("there is no version {version} of {key}");
        return Err(Failure::new(FailureKind::NotFound, text).into());
    };
    Ok(answer(&stored, subset)?)
}

fn answer(stored: &StoredVersion, subset: &Subset) -> Result<Answer, Failure> {
    let Some(body) = &stored.body else {
        let text = format!(
            "{} was deleted at {} with version {}",
            stored.key,
            stored.updated.rfc3339(),
            stored.version
        );
        return Err(Failure::new(FailureKind::Deleted, text));
    };
    let mut out = Vec::with_capacity(body.as_bytes().len() + 160);
    subset.write(stored, &mut out)?;
    Ok(Answer {
        status: 200,
        body: Some(out),
        version: Some(stored.version),
        last_modified: Some(stored.updated),
        ..Answer::default()
    })
}
