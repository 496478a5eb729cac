//! `$kantele-value-sets`: which value sets can be expanded, to how many codes, or why not.

use std::collections::BTreeMap;

use fhir_definitions::ResourceType;
use fhir_model::Failure;
use fhir_terminology::{ExpandOptions, Problem, Versions};

use super::Invocation;
use super::coded::text;
use super::output::ParametersWriter;
use crate::app::ReadFailure;
use crate::request::Answer;
use crate::sight::{self, Sight};
use crate::terminology::Codes;

/// More stored value sets than anybody keeps.
const MAX_STORED: usize = 20_000;

/// The state of the value sets that are named, or of all.
///
/// # Errors
/// What the store fails with.
pub(super) async fn value_sets(call: Invocation<'_>) -> Result<Answer, Failure> {
    let wanted = call.arguments.texts("url");
    let only_lacking = call.arguments.boolean("lacking") == Some(true);
    let (app, base) = (call.app.clone(), call.request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        let named = wanted.into_iter().map(|url| (url, "asked")).collect();
        let all: BTreeMap<String, &str> = named;
        let all = if all.is_empty() { everything(&app, sight)? } else { all };
        let mut codes = Codes::new(&app, sight, &base);
        let options = ExpandOptions { count: Some(0), ..ExpandOptions::default() };
        let mut out = ParametersWriter::new();
        let (mut expandable, mut lacking) = (0, 0);
        for (url, source) in &all {
            let found = match codes.listed(url, &Versions::default(), &options) {
                Ok(found) => Ok(found),
                Err(Problem::Fault(fault)) => Err(fault),
                Err(Problem::Stored(failure)) => return Err(failure),
            };
            if found.is_ok() {
                expandable += 1
            } else {
                lacking += 1
            }
            if only_lacking && found.is_ok() {
                continue;
            }
            out.open("valueSet");
            out.text("url", "valueUri", url);
            if *source != "asked" {
                out.text("source", "valueCode", source);
            }
            match found {
                Ok(found) => {
                    out.count("codes", u64::try_from(found.total).unwrap_or(u64::MAX));
                    for system in &found.partial {
                        out.text("partial", "valueUri", system);
                    }
                }
                Err(fault) => out.text("reason", "valueString", &fault.to_string()),
            }
            out.close();
        }
        out.count("expandable", expandable);
        out.count("lacking", lacking);
        Ok(Answer::ok(out.finish()))
    };
    call.app.read(&call.permit, work).await
}

/// All value sets: where several places have one, the one that counts.
fn everything(
    app: &crate::app::App,
    sight: &mut Sight<'_>,
) -> Result<BTreeMap<String, &'static str>, ReadFailure> {
    let mut all = BTreeMap::new();
    for url in app.knowledge().terminology().embedded_value_sets() {
        all.insert(url.to_owned(), "r4");
    }
    for (url, _) in app.packages().canonicals(ResourceType::VALUE_SET) {
        all.insert(url, "package");
    }
    let query = sight::of_type(ResourceType::VALUE_SET, Vec::new());
    sight.each(&query, MAX_STORED, |_, resource| {
        if let Some(url) = text(resource.view().value, "url") {
            all.insert(url, "stored");
        }
    })?;
    Ok(all)
}
