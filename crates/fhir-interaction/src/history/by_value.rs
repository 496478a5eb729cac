//! All versions of the resources that have, or had, a value: also of those that are gone.
//!
//! The index holds what is current. What is to be found later by a value that a service names is
//! marked in the commit of each write (`bound`), and looked up here.

use std::collections::BTreeSet;

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, ResourceKey};
use fhir_store::{HistoryScope, HistoryWindow, MarkKind};

use super::write_version;
use crate::app::App;
use crate::page::BundleWriter;
use crate::request::{Answer, Request};
use crate::subset::Subset;

/// All versions of a type's resources that have or had all of these values, newest first.
///
/// # Errors
/// What the gate says, and `TooCostly` where there are more versions than one page may hold.
pub async fn history_by_values(
    app: &App,
    request: &Request,
    resource_type: ResourceType,
    values: &[(String, String)],
) -> Result<Answer, Failure> {
    let permit = app.gate(request, Interaction::HistoryType, Some(resource_type))?;
    permit
        .trace()
        .asked(|| format!("{resource_type}/_history?{}", crate::query_string::query(values)));
    let hashes: Vec<i64> =
        values.iter().map(|(name, value)| app.past_hash(resource_type, name, value)).collect();
    let keys = app
        .look(move |reader| {
            let mut common: Option<BTreeSet<String>> = None;
            for hash in hashes {
                let found = reader.marks(MarkKind::Past, hash)?;
                let found: BTreeSet<String> = found.into_iter().map(|mark| mark.item).collect();
                common = Some(match common {
                    None => found,
                    Some(before) => before.intersection(&found).cloned().collect(),
                });
            }
            let keys = common.unwrap_or_default();
            Ok(keys.iter().filter_map(|item| ResourceKey::from_reference(item)).collect::<Vec<_>>())
        })
        .await?;
    let most = usize::try_from(app.settings().max_count).unwrap_or(usize::MAX);
    let scope = HistoryScope::Listed(keys.into_iter().map(|key| (key, None)).collect());
    let wanted = most.saturating_add(1);
    let versions = app
        .read(&permit, move |sight| {
            Ok(sight.history(&scope, HistoryWindow::default(), None, wanted)?)
        })
        .await?;
    if versions.len() > most {
        let text = format!("there are more than {most} versions; ask for a single record");
        return Err(Failure::new(FailureKind::TooCostly, text));
    }
    let total = u64::try_from(versions.len()).ok();
    let links = [("self", format!("{}/{resource_type}/_history", request.base))];
    let mut bundle = BundleWriter::new("history", total, &links);
    for version in &versions {
        write_version(&mut bundle, &request.base, version, &Subset::Whole)?;
    }
    Ok(Answer::ok(bundle.finish()))
}
