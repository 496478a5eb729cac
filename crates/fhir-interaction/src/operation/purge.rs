//! `$purge`: a resource, or a patient with all that is theirs, gone for good.
//!
//! A delete keeps every version; a purge keeps none, and no index row, word or mark. It goes
//! through the tables once more afterwards and reports what it found left.

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, ResourceKey};
use fhir_search::{Scope, SearchQuery, compartment};
use fhir_store::{Purge, PurgeReport};

use super::Invocation;
use super::output::ParametersWriter;
use crate::app::App;
use crate::request::Answer;
use crate::sight;

/// Types that may list several patients: one of them is no reason to purge the rest's.
const OF_SEVERAL: [ResourceType; 2] = [ResourceType::GROUP, ResourceType::PERSON];

/// Removes a resource with all its versions; of a Patient the whole compartment, deleted
/// resources included.
///
/// # Errors
/// `NotFound` where it never was, `Forbidden` for a caller from whom something is hidden, and for
/// what a service only ever adds to.
pub(super) async fn purge(call: Invocation<'_>) -> Result<Answer, Failure> {
    let key = call.key()?.clone();
    if !call.permit.is_unlimited() {
        let text = "$purge is for callers from whom nothing is hidden: it removes and counts all";
        return Err(Failure::new(FailureKind::Forbidden, text));
    }
    let wanted = key.clone();
    let is_there =
        call.app.read(&call.permit, move |sight| Ok(sight.current(&wanted)?.is_some())).await?;
    if !is_there {
        return Err(Failure::new(FailureKind::NotFound, format!("there is no {key}")));
    }
    if call.app.is_append_only(&key).await? {
        let text = format!("{key} is of a profile that is only ever added to");
        return Err(Failure::new(FailureKind::Forbidden, text));
    }
    let matching = record(call.app, &key).into_iter().collect();
    let report = call.app.purge(&call.permit, Purge { keys: vec![key], matching }).await?;
    if !report.is_clean() {
        tracing::error!(left = ?report.left, "a purge has left something behind");
    }
    Ok(Answer::ok(told(&report)))
}

/// The search for what goes with a patient.
fn record(app: &App, key: &ResourceKey) -> Option<SearchQuery> {
    if key.resource_type != ResourceType::PATIENT {
        return None;
    }
    let definitions = app.definitions();
    let (_, types) = compartment(&definitions.registry, app.hasher(), key, &Scope::All)?;
    // Other patients that are linked to this one are in its compartment too; they stay.
    let is_theirs = |of: &ResourceType| !OF_SEVERAL.contains(of) && *of != ResourceType::PATIENT;
    let scope = Scope::Types(types.into_iter().filter(is_theirs).collect());
    let (inside, types) = compartment(&definitions.registry, app.hasher(), key, &scope)?;
    let query = sight::of_type(key.resource_type, vec![inside]);
    Some(SearchQuery { scope: Scope::Types(types), ..query })
}

fn told(report: &PurgeReport) -> Vec<u8> {
    let mut out = ParametersWriter::new();
    out.open("resources");
    for (resource_type, count) in &report.resources {
        out.count(resource_type.as_str(), *count);
    }
    out.close();
    out.count("versions", report.versions);
    for (name, rows) in [("removed", &report.removed), ("left", &report.left)] {
        out.open(name);
        for (table, count) in rows {
            out.count(table, *count);
        }
        out.close();
    }
    out.count("referring", report.referring);
    out.json("clean", "valueBoolean", report.is_clean().to_string().as_bytes());
    out.finish()
}
