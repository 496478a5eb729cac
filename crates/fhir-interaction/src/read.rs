//! read and vread. Spec: <https://hl7.org/fhir/R4/http.html#read>

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, ResourceKey, VersionId};
use fhir_store::StoredVersion;

use crate::app::{App, ReadFailure};
use crate::operation::own_definition;
use crate::package;
use crate::request::{Answer, Request, Seen, Since};
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
    read_unless_seen(app, request, key, pairs, Seen::default()).await
}

/// A conditional read: as [`read`], and 304 without a body where the client has seen the current
/// version already. Spec: <https://hl7.org/fhir/R4/http.html#cread>
///
/// # Errors
/// As [`read`].
pub async fn read_unless_seen(
    app: &App,
    request: &Request,
    key: &ResourceKey,
    pairs: &[(String, String)],
    seen: Seen,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::Read, Some(key.resource_type))?;
    let subset = Subset::of_read(app, request, key.resource_type, pairs)?;
    let (key, inside) = (key.clone(), app.clone());
    let work = move |sight: &mut Sight<'_>| match sight.current(&key)? {
        None if let Some(installed) = package::with_id(&inside, &key) => {
            let is_seen = seen.names(installed.version, installed.updated.seconds());
            Ok(if is_seen { unmodified(&installed) } else { answer(&installed, &subset)? })
        }
        Some(stored) if is_seen(sight, &stored, &seen)? => Ok(unmodified(&stored)),
        found => Ok(answer_to(&key, found, &subset)?),
    };
    app.read(&permit, work).await
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
    vread_unless_seen(app, request, (key, version), pairs, Seen::default()).await
}

/// As [`vread`], and 304 where the client has seen this version already.
///
/// # Errors
/// As [`vread`].
pub async fn vread_unless_seen(
    app: &App,
    request: &Request,
    (key, version): (&ResourceKey, VersionId),
    pairs: &[(String, String)],
    seen: Seen,
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::VRead, Some(key.resource_type))?;
    let subset = Subset::of_read(app, request, key.resource_type, pairs)?;
    let key = key.clone();
    let work = move |sight: &mut Sight<'_>| {
        let stored = stored_version(sight, &key, version)?;
        // A version never changes: whenever the client has read it, it is the same.
        let is_seen = stored.body.is_some() && seen.names(version, stored.updated.seconds());
        Ok(if is_seen { unmodified(&stored) } else { answer(&stored, &subset)? })
    };
    app.read(&permit, work).await
}

/// Why a resource is shown to a caller or not, where decisions about persons concern the caller;
/// none where they don't, or where there is no such resource. For who runs the service.
///
/// # Errors
/// What the gate refuses, and the store's failures.
pub async fn reasons(
    app: &App,
    request: &Request,
    key: &ResourceKey,
) -> Result<Option<Vec<String>>, Failure> {
    let permit = app.gate(request, Interaction::Read, Some(key.resource_type))?;
    let key = key.clone();
    app.read(&permit, move |sight| Ok(sight.reasons(&key)?)).await
}

pub(crate) fn current(
    sight: &mut Sight<'_>,
    key: &ResourceKey,
    subset: &Subset,
) -> Result<Answer, ReadFailure> {
    Ok(answer_to(key, sight.current(key)?, subset)?)
}

fn answer_to(
    key: &ResourceKey,
    found: Option<StoredVersion>,
    subset: &Subset,
) -> Result<Answer, Failure> {
    match (found, own_definition(key)) {
        (Some(stored), _) => answer(&stored, subset),
        (None, Some(definition)) => Ok(Answer::ok(definition)),
        (None, None) => Err(missing(key)),
    }
}

pub(crate) fn one_version(
    sight: &mut Sight<'_>,
    key: &ResourceKey,
    version: VersionId,
    subset: &Subset,
) -> Result<Answer, ReadFailure> {
    Ok(answer(&stored_version(sight, key, version)?, subset)?)
}

fn stored_version(
    sight: &mut Sight<'_>,
    key: &ResourceKey,
    version: VersionId,
) -> Result<StoredVersion, ReadFailure> {
    sight.version(key, version)?.ok_or_else(|| {
        let text = format!("there is no version {version} of {key}");
        Failure::new(FailureKind::NotFound, text).into()
    })
}

/// What a client is told of a resource that never was.
pub(crate) fn missing(key: &ResourceKey) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no {key}"))
}

/// What a client is told of a version that is a delete.
pub(crate) fn deleted(stored: &StoredVersion) -> Failure {
    let text = format!(
        "{} was deleted at {} with version {}",
        stored.key,
        stored.updated.rfc3339(),
        stored.version
    );
    Failure::new(FailureKind::Deleted, text)
}

/// Whether the client has the current version already.
///
/// Dates of HTTP end with the second. Where an earlier version came to be in the same second as
/// the current one, the date cannot tell which of them the client has, and it gets the newer.
fn is_seen(
    sight: &mut Sight<'_>,
    stored: &StoredVersion,
    seen: &Seen,
) -> Result<bool, ReadFailure> {
    if stored.body.is_none() {
        return Ok(false);
    }
    let modified = stored.updated.seconds();
    match seen.since {
        Some(Since::Second(since)) if seen.versions.is_none() && since == modified => {
            let Some(before) = stored.version.0.checked_sub(1).filter(|before| *before > 0) else {
                return Ok(true);
            };
            let before = sight.version(&stored.key, VersionId(before))?;
            Ok(before.is_none_or(|before| before.updated.seconds() < modified))
        }
        Some(Since::Instant(since)) if seen.versions.is_none() => Ok(stored.updated <= since),
        Some(_) | None => Ok(seen.names(stored.version, modified)),
    }
}

fn unmodified(stored: &StoredVersion) -> Answer {
    Answer {
        status: 304,
        version: Some(stored.version),
        last_modified: Some(stored.updated),
        ..Answer::default()
    }
}

fn answer(stored: &StoredVersion, subset: &Subset) -> Result<Answer, Failure> {
    let Some(body) = &stored.body else { return Err(deleted(stored)) };
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
