//! `$kantele-stats`: how much there is.

use std::collections::BTreeMap;

use fhir_definitions::ResourceType;
use fhir_model::Failure;
use fhir_store::{HistoryScope, HistoryWindow, ParameterState};

use super::Invocation;
use super::output::ParametersWriter;
use crate::request::Answer;

/// Live resources by type, versions, bytes and the state of the index.
///
/// # Errors
/// What the store fails with.
pub(super) async fn stats(call: Invocation<'_>) -> Result<Answer, Failure> {
    let work = |sight: &mut crate::sight::Sight<'_>| {
        let mut live = BTreeMap::new();
        for resource_type in ResourceType::all() {
            let count = sight.live(resource_type)?;
            if count > 0 {
                live.insert(resource_type.as_str(), count);
            }
        }
        let versions = sight.history_count(&HistoryScope::System, HistoryWindow::default())?;
        Ok((live, versions, sight.bytes()?))
    };
    let (live, versions, bytes) = call.app.read(&call.permit, work).await?;
    let parameters = call.app.parameter_status()?;
    let mut out = ParametersWriter::new();
    out.open("live");
    out.count("total", live.values().sum());
    for (name, count) in &live {
        out.count(name, *count);
    }
    out.close();
    out.count("versions", versions);
    if let Some(bytes) = bytes {
        out.count("databaseBytes", bytes);
    }
    let is_in = |state| parameters.iter().filter(|one| one.state == state).count();
    let states = [
        ("building", ParameterState::Building),
        ("rebuilding", ParameterState::Rebuilding),
        ("live", ParameterState::Live),
        ("retired", ParameterState::Retired),
    ];
    out.open("ownSearchParameters");
    for (name, state) in states {
        out.count(name, u64::try_from(is_in(state)).unwrap_or(u64::MAX));
    }
    out.close();
    Ok(Answer::ok(out.finish()))
}
