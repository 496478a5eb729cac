//! `kantele explain`: how a search would be answered, and what its first page touches.

use std::time::Duration;

use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_interaction::{App, Place, Preferences, Request, query_string};
use fhir_model::{Failure, Resource, ResourceKey, ResourceType, Value};
use fhir_search::Scope;

use crate::cli::Explain;
use crate::config::Settings;
use crate::{Error, say, store};

/// The most of a reply that is read.
const MAX_REPLY_BYTES: u64 = 256 << 20;

/// Prints the plan of a search, from the configured database or from a running server.
///
/// # Errors
/// What is wrong with the search, a database that cannot be opened, a server that gives no plan.
pub(crate) fn run(settings: &Settings, arguments: &Explain) -> Result<(), Error> {
    let search = arguments.search.trim_start_matches('/');
    let (path, query) = search.split_once('?').unwrap_or((search, ""));
    let page = match &arguments.server {
        Some(server) => remote(server, path, query)?,
        None => local(settings, path, query)?,
    };
    let page = Resource::trusted(page)?;
    let plan = plan(&page).ok_or(
        "the answer has no plan: the server answers _explain only where search.explain is true",
    )?;
    say(&format!("{}\n", plan.trim_end()))
}

fn local(settings: &Settings, path: &str, query: &str) -> Result<Vec<u8>, Error> {
    let place = place(path)?;
    let mut pairs = query_string::pairs(query);
    pairs.push(("_explain".to_owned(), "true".to_owned()));
    let store = store::open(&settings.database)?;
    let mut interaction = settings.search.interaction.clone();
    interaction.explain = true;
    let app = App::new(store.clone(), interaction, &[]);
    let base = format!("http://{}/fhir", settings.network.listen);
    let base = settings.network.base_url.clone().unwrap_or(base);
    let (prefer, record) = (Preferences::default(), Record::default());
    let request = Request { caller: Caller::everyone(), base, prefer, record };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let searched = fhir_interaction::search(&app, &request, place, pairs, false);
    let answer = runtime.block_on(searched);
    store.close();
    Ok(answer.map_err(|failure| told(&failure))?.body.unwrap_or_default())
}

fn remote(server: &str, path: &str, query: &str) -> Result<Vec<u8>, Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    let agent: ureq::Agent = config.into();
    let separator = if query.is_empty() { "" } else { "&" };
    let url = format!("{}/{path}?{query}{separator}_explain=true", server.trim_end_matches('/'));
    let answered = agent.get(&url).header("accept", "application/fhir+json").call()?;
    let status = answered.status().as_u16();
    let mut body = answered.into_body();
    let body = body.with_config().limit(MAX_REPLY_BYTES).read_to_vec()?;
    if status == 200 {
        return Ok(body);
    }
    let outcome = Resource::trusted(body).ok();
    let issues = outcome.iter().flat_map(diagnostics).collect::<Vec<_>>().join("; ");
    Err(format!("the server answers {status}: {issues}").into())
}

/// `Patient`, `Patient/x/Observation`, `Patient/x/*`, or nothing for all types.
fn place(path: &str) -> Result<Place, Error> {
    let scope = |name: &str| match name {
        "*" => Ok(Scope::All),
        name => name.parse::<ResourceType>().map(Scope::Type),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => Ok(Scope::All.into()),
        [name] => Ok(scope(name)?.into()),
        [owner, id, inside] => {
            let owner = ResourceKey::new(owner.parse()?, id.parse()?);
            Ok(Place { scope: scope(inside)?, compartment: Some(owner) })
        }
        _ => Err("expected a search such as 'Observation?code=x'".into()),
    }
}

/// The diagnostics of the page's own outcome.
fn plan(page: &Resource) -> Option<String> {
    let entries = page.view().value.get("entry")?;
    let is_outcome = |entry: &Value<'_>| {
        let mode = entry.get("search").and_then(|search| search.get("mode"));
        mode.and_then(Value::text).as_deref() == Some("outcome")
    };
    let outcome = entries.items().find(is_outcome)?.get("resource")?;
    let mut issues = outcome.get("issue")?.items();
    issues.find_map(|issue| {
        let text = issue.get("diagnostics")?.text()?;
        text.contains("driver:").then(|| text.into_owned())
    })
}

fn diagnostics(outcome: &Resource) -> Vec<String> {
    let issues = outcome.view().value.get("issue").into_iter().flat_map(Value::items);
    issues.filter_map(|issue| Some(issue.get("diagnostics")?.text()?.into_owned())).collect()
}

fn told(failure: &Failure) -> String {
    let texts: Vec<&str> = failure.issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_named_as_in_a_url() {
        assert_eq!(place("").unwrap(), Scope::All.into());
        assert_eq!(place("Patient").unwrap(), Scope::Type(ResourceType::PATIENT).into());
        let inside = place("Patient/x/*").unwrap();
        assert_eq!(inside.compartment.unwrap().to_string(), "Patient/x");
        for bad in ["Pateint", "Patient/x", "Patient/x/Nothing", "Patient/_/Basic"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
