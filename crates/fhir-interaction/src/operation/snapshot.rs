//! `$snapshot`: a StructureDefinition with the snapshot that its differential makes.
//! Spec: <https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html>
//!
//! What it stands on is looked for in the packages and in R4 itself. Nothing is written.

use std::sync::Arc;

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, Resource, Severity, rewrite};
use fhir_structure::{Structures, make_snapshot, r4};

use super::Invocation;
use super::validate::whole;
use crate::request::Answer;

/// The snapshot of the definition that is sent, named or called on.
///
/// # Errors
/// `InvalidParameter` where there is none, `NotFound` where nobody has it, `Unprocessable` with the
/// faults of the differential, each at its place.
pub(super) async fn snapshot(call: Invocation<'_>) -> Result<Answer, Failure> {
    let registry = call.app.shelf().registry();
    let definition = if let Some(key) = call.site.key().cloned() {
        // The definition is read data, so that the gate is asked as for a read.
        let permit = call.app.gate(call.request, Interaction::Read, Some(key.resource_type))?;
        Arc::new(call.app.read(&permit, move |sight| whole(sight, &key)).await?)
    } else if let Some(view) = call.arguments.resource("definition") {
        let mut json = Vec::with_capacity(view.value.raw().len());
        rewrite::minified(view.value, &mut json);
        Arc::new(Resource::trusted(json)?)
    } else if let Some(url) = call.arguments.text("url") {
        let found = Structures::find(registry.as_ref(), &url).or_else(|| r4().find(&url));
        found.ok_or_else(|| {
            let text = "no package has a StructureDefinition of this URL";
            Failure::new(FailureKind::NotFound, text).at("http.url")
        })?
    } else {
        let text = "expected the StructureDefinition in `definition`, or its URL in `url`";
        return Err(Failure::new(FailureKind::InvalidParameter, text).at("Parameters.parameter"));
    };
    let work = move |_: &mut crate::sight::Sight<'_>| Ok(made(&definition, registry.as_ref())?);
    call.app.read(&call.permit, work).await
}

/// R4's own types come without their differential, and are answered as they are.
fn made(definition: &Arc<Resource>, structures: &dyn Structures) -> Result<Answer, Failure> {
    let view = definition.view();
    let is_whole = view.at(&["snapshot"]).is_some() && view.at(&["differential"]).is_none();
    if is_whole {
        return Ok(Answer::ok(definition.source().as_bytes().to_vec()));
    }
    let made = make_snapshot(definition, structures);
    let is_error = |severity| matches!(severity, Severity::Error | Severity::Fatal);
    match made.definition {
        Some(definition) if !made.faults.iter().any(|fault| is_error(fault.severity)) => {
            Ok(Answer::ok(definition.source().as_bytes().to_vec()))
        }
        Some(_) | None => Err(Failure::with_issues(FailureKind::Unprocessable, made.faults)),
    }
}
