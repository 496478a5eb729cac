//! `$validate`: whether a resource keeps to its base definition and to profiles, and whether the
//! server would take it. Nothing is written.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-validate.html>
//!
//! The answer is an OperationOutcome and its status 200, whatever is found: the operation went
//! well even where the resource didn't. Only what keeps it from being run is a failure.

use std::collections::BTreeMap;
use std::sync::Arc;

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::failure::outcome_json;
use fhir_model::{
    Failure, FailureKind, Issue, IssueType, Resource, ResourceKey, ResourceView, rewrite,
};
use fhir_store::{Referrers, StoredVersion};

use super::{Invocation, Site};
use crate::app::{App, ReadFailure};
use crate::reference::{self, Integrity};
use crate::request::Answer;
use crate::sight::Sight;
use crate::validation::{self, Asked, position};
use crate::{cascade, check};

/// What the client means to do with the resource.
/// Spec: <https://hl7.org/fhir/R4/valueset-resource-validation-mode.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing in particular.
    Any,
    Create,
    Update,
    Delete,
    Profile,
}

/// Validates what is sent, or what is stored at the place.
///
/// # Errors
/// `InvalidParameter` where mode, place and resource don't go together, what reading a stored
/// resource fails with, and the store's own failures.
pub(super) async fn validate(call: Invocation<'_>) -> Result<Answer, Failure> {
    let mode = mode(&call)?;
    if mode == Mode::Delete {
        return deletable(&call).await;
    }
    let asked =
        Asked { profiles: call.arguments.texts("profile"), declared: true, information: true };
    let Some(view) = call.arguments.resource("resource") else {
        return stored(&call, mode, asked).await;
    };
    if let Some(expected) = call.site.resource_type()
        && expected != view.resource_type
    {
        let text =
            format!("the URL says {expected}, the resource is of type {}", view.resource_type);
        let issue = Issue::error(IssueType::Invalid, text).at(view.resource_type.to_string());
        return Ok(told(&[issue]));
    }
    let mut issues = acceptable(&call, mode, view);
    let mut json = Vec::with_capacity(view.value.raw().len());
    rewrite::minified(view.value, &mut json);
    let resource = Arc::new(Resource::trusted(json)?);
    issues.extend(found(&call, resource, asked).await?);
    if call.places_are_of_body {
        position::place(&mut issues, view.value);
    }
    Ok(told(&issues))
}

fn mode(call: &Invocation<'_>) -> Result<Mode, Failure> {
    let refuse = |text: &str| {
        Err(Failure::new(FailureKind::InvalidParameter, text)
            .at("Parameters.parameter.where(name = 'mode')"))
    };
    let mode = match call.arguments.text("mode").as_deref() {
        None => Mode::Any,
        Some("create") => Mode::Create,
        Some("update") => Mode::Update,
        Some("delete") => Mode::Delete,
        Some("profile") => Mode::Profile,
        Some(_) => return refuse("expected create, update, delete or profile"),
    };
    let has_resource = call.arguments.resource("resource").is_some();
    let is_instance = call.site.key().is_some();
    match mode {
        Mode::Delete if !is_instance => {
            refuse("the mode delete is about one resource: /[type]/[id]/$validate?mode=delete")
        }
        Mode::Create if !has_resource => refuse("the mode create needs the resource"),
        Mode::Update if !has_resource => refuse("the mode update needs the resource"),
        Mode::Create if is_instance => {
            refuse("the mode create is not about a resource that is there already")
        }
        Mode::Profile if call.arguments.text("profile").is_none() => {
            refuse("the mode profile needs a profile")
        }
        Mode::Any | Mode::Create | Mode::Update | Mode::Delete | Mode::Profile => Ok(mode),
    }
}

/// What the server itself would say of a write: the id, and the rules of services.
fn acceptable(call: &Invocation<'_>, mode: Mode, view: ResourceView<'_>) -> Vec<Issue> {
    let id = match (mode, call.site.key()) {
        (Mode::Update, Some(key)) => Some(&key.id),
        _ => None,
    };
    if matches!(mode, Mode::Any | Mode::Profile) {
        return crate::rule::check_all(call.app.rules(), view)
            .unwrap_or_else(|failure| failure.issues);
    }
    check::check(call.app, view, view.resource_type, id).unwrap_or_else(|failure| failure.issues)
}

async fn found(
    call: &Invocation<'_>,
    resource: Arc<Resource>,
    asked: Asked,
) -> Result<Vec<Issue>, Failure> {
    let base = &call.request.base;
    let report = validation::in_store(call.app, &call.permit, base, &resource, &asked).await?;
    Ok(validation::issues(&report))
}

/// Validates the resource that the operation is called on.
async fn stored(call: &Invocation<'_>, mode: Mode, asked: Asked) -> Result<Answer, Failure> {
    let Some(key) = call.site.key().cloned() else {
        let text = "the parameter `resource` is missing: there is nothing to validate";
        return Err(Failure::new(FailureKind::InvalidParameter, text).at("Parameters.parameter"));
    };
    // What a stored resource says is read data, so that the gate is asked as for a read.
    let permit = call.app.gate(call.request, Interaction::Read, Some(key.resource_type))?;
    let resource = call.app.read(&permit, move |sight| whole(sight, &key)).await?;
    let resource = Arc::new(resource);
    let mut issues = acceptable(call, mode, resource.view());
    issues.extend(found(call, Arc::clone(&resource), asked).await?);
    Ok(told(&issues))
}

/// A stored resource with its id and version.
pub(super) fn whole(sight: &mut Sight<'_>, key: &ResourceKey) -> Result<Resource, ReadFailure> {
    let stored = sight.current(key)?.ok_or_else(|| crate::read::missing(key))?;
    let Some(body) = &stored.body else { return Err(crate::read::deleted(&stored).into()) };
    let mut json = Vec::with_capacity(body.as_bytes().len() + 192);
    body.write_json(key, Some(stored.version), Some(stored.updated), &mut json);
    Ok(Resource::trusted(json)?)
}

/// Whether the resource is there, the caller may delete it, and, where settings ask for that,
/// nobody refers to it.
async fn deletable(call: &Invocation<'_>) -> Result<Answer, Failure> {
    let key = call.key()?.clone();
    let permit = match call.app.gate(call.request, Interaction::Delete, Some(key.resource_type)) {
        Ok(permit) => permit,
        Err(failure) => return Ok(told(&failure.issues)),
    };
    let (app, named) = (call.app.clone(), key.clone());
    let look = move |sight: &mut Sight<'_>| {
        let Some(stored) = sight.current(&named)? else { return Ok(Stands::Nowhere) };
        if stored.body.is_none() {
            return Ok(Stands::Deleted);
        }
        if app.settings().references.integrity == Integrity::Off {
            return Ok(Stands::Free);
        }
        match cascade::referrers(&app, sight, std::slice::from_ref(&named)) {
            Ok(found) => Ok(held(&app, &named, &found)),
            Err(ReadFailure::Client(failure)) => Ok(Stands::Held(failure)),
            Err(failure @ ReadFailure::Store(_)) => Err(failure),
        }
    };
    let issue = match call.app.read(&permit, look).await? {
        Stands::Free => {
            Issue::information(IssueType::Informational, format!("{key} can be deleted"))
        }
        Stands::Held(failure) => return Ok(told(&failure.issues)),
        Stands::Deleted => Issue::warning(IssueType::Deleted, format!("{key} is deleted already")),
        Stands::Nowhere => {
            Issue::warning(IssueType::NotFound, format!("there is no {key} to delete"))
        }
    };
    Ok(told(&[issue.at(key.resource_type.to_string())]))
}

/// How a resource stands that is to be deleted.
enum Stands {
    Free,
    /// Others refer to it.
    Held(Failure),
    Deleted,
    Nowhere,
}

/// What those who refer to a resource say about its delete; it may refer to itself.
fn held(app: &App, key: &ResourceKey, found: &[StoredVersion]) -> Stands {
    let mut by_type: BTreeMap<ResourceType, u64> = BTreeMap::new();
    for stored in found.iter().filter(|stored| stored.key != *key) {
        *by_type.entry(stored.key.resource_type).or_default() += 1;
    }
    if by_type.is_empty() {
        return Stands::Free;
    }
    let has_more = found.len() > app.settings().references.max_cascade;
    let referrers = Referrers { by_type: by_type.into_iter().collect(), has_more };
    Stands::Held(reference::referenced(key, &referrers))
}

/// An outcome; where there is nothing to tell, it says so.
fn told(issues: &[Issue]) -> Answer {
    let nothing = [Issue::information(IssueType::Informational, "no issues found")];
    Answer::ok(outcome_json(if issues.is_empty() { &nothing } else { issues }))
}

/// The answer about a body that the parser refuses: its faults are what was asked for. Faults of
/// the envelope are none of the resource.
pub(super) fn malformed(failure: Failure) -> Result<Answer, Failure> {
    let is_of_resource = |issue: &Issue| {
        issue
            .expression
            .as_ref()
            .is_some_and(|place| !place.starts_with("Parameters") || place.contains(".resource"))
    };
    if failure.kind == FailureKind::MalformedBody && failure.issues.iter().all(is_of_resource) {
        return Ok(told(&failure.issues));
    }
    Err(failure)
}

/// Whether a place may be asked about a malformed resource.
pub(super) fn takes_malformed(site: &Site) -> bool {
    !matches!(site, Site::Version(..))
}
