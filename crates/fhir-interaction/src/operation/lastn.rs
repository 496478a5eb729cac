//! Observation `$lastn`: the newest observations of each code.
//! Spec: <https://hl7.org/fhir/R4/observation-operation-lastn.html>
//!
//! The search is an ordinary one, newest first. Codes are the same where they have a coding in
//! common, directly or through others; those without codings are told apart by their text. The
//! answer is sorted from the newest to the oldest over all groups.

use std::collections::HashMap;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue, IssueType, Kind, Value};
use fhir_search::{Scope, SearchQuery};
use fhir_store::{RowKey, SortValue};

use super::Invocation;
use crate::answers;
use crate::app::ReadFailure;
use crate::page::BundleWriter;
use crate::query_string;
use crate::request::Answer;
use crate::sight::Sight;
use crate::subset::Subset;

/// Matches that are grouped in one request.
const MAX_GROUPED: usize = 50_000;
const CHUNK: usize = 500;

/// Parameters that only make sense for a page of a search.
const OF_PAGES: [&str; 7] =
    ["_sort", "_count", "_total", "_include", "_revinclude", "_contained", "_containedType"];

/// The newest observations of each code.
///
/// # Errors
/// `InvalidParameter` where subject or code are missing, what the search refuses, `TooCostly`
/// where too many match.
pub(super) async fn lastn(call: Invocation<'_>) -> Result<Answer, Failure> {
    let pairs = call.arguments.others();
    check(&pairs)?;
    let max = usize::try_from(call.arguments.number("max").unwrap_or(1)).unwrap_or(usize::MAX);
    let scope = Scope::Type(ResourceType::OBSERVATION);
    let mut sorted = pairs.clone();
    sorted.push(("_sort".to_owned(), "-date".to_owned()));
    let mut query = call.app.parse(call.request, scope, &sorted)?;
    let subset = Subset::of(&query)?;
    let mut shown = pairs;
    if let Some(max) = call.arguments.text("max") {
        shown.push(("max".to_owned(), max));
    }
    let base = call.request.base.clone();
    let own = format!("{base}/Observation/$lastn?{}", query_string::query(&shown));
    let app = call.app.clone();
    let work = move |sight: &mut Sight<'_>| {
        answers::resolve(&app, sight, &base, &mut query)?;
        let rows = newest(sight, &query, max)?;
        let found = sight.load(&rows)?;
        let total = u64::try_from(found.len()).ok();
        let mut bundle = BundleWriter::new("searchset", total, &[("self", own)]);
        for stored in &found {
            bundle.begin();
            bundle.full_url(&base, &stored.key);
            bundle.stored(stored, &subset)?;
            bundle.search_mode("match");
            bundle.end();
        }
        if !query.warnings.is_empty() {
            bundle.begin();
            bundle.resource(&fhir_model::failure::outcome_json(&query.warnings));
            bundle.search_mode("outcome");
            bundle.end();
        }
        Ok(bundle.finish())
    };
    call.app.read(&call.permit, work).await.map(Answer::ok)
}

/// Whether subject and code are there, and nothing that belongs to a page.
fn check(pairs: &[(String, String)]) -> Result<(), Failure> {
    let base_name = |name: &str| name.split([':', '.']).next().unwrap_or_default().to_owned();
    let names: Vec<String> = pairs.iter().map(|(name, _)| base_name(name)).collect();
    let mut issues = Vec::new();
    for name in names.iter().filter(|name| OF_PAGES.contains(&name.as_str())) {
        let text = format!("$lastn takes no `{name}`: it groups, sorts and limits by itself");
        issues.push(Issue::error(IssueType::NotSupported, text).at(format!("http.{name}")));
    }
    if !names.iter().any(|name| matches!(name.as_str(), "patient" | "subject")) {
        let text = "$lastn needs `patient` or `subject`";
        issues.push(Issue::error(IssueType::Required, text).at("http.patient"));
    }
    let is_code = |name: &String| name == "category" || name.contains("code");
    if !names.iter().any(is_code) {
        let text = "$lastn needs `category`, `code` or another parameter over codes";
        issues.push(Issue::error(IssueType::Required, text).at("http.code"));
    }
    if issues.is_empty() {
        return Ok(());
    }
    Err(Failure::with_issues(FailureKind::InvalidParameter, issues))
}

/// The rows to send, newest first.
fn newest(
    sight: &mut Sight<'_>,
    query: &SearchQuery,
    max: usize,
) -> Result<Vec<RowKey>, ReadFailure> {
    let mut groups = Groups::default();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let hits = sight.search(query, after.as_ref(), CHUNK)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        let mut times: HashMap<RowKey, Option<SortValue>> = HashMap::new();
        for hit in &hits {
            let time = hit.position.values.first().cloned();
            times.insert(hit.row, time.filter(|time| *time != SortValue::Absent));
        }
        for stored in sight.load(&rows)? {
            let Some(body) = &stored.body else { continue };
            let resource = body.to_resource(&stored.key)?;
            let group = groups.of(resource.view().value.get("code"));
            seen.push((stored.row, group, times.remove(&stored.row).flatten()));
        }
        after = hits.last().map(|hit| hit.position.clone());
        if hits.len() < CHUNK {
            break;
        }
        if seen.len() >= MAX_GROUPED {
            let text = format!("more than {MAX_GROUPED} observations match; ask for fewer codes");
            return Err(Failure::new(FailureKind::TooCostly, text).into());
        }
    }
    let mut taken: HashMap<usize, (usize, Option<SortValue>)> = HashMap::new();
    let mut rows = Vec::new();
    for (row, group, time) in seen {
        let (count, last) = taken.entry(groups.root(group)).or_default();
        // Equal times are one place in the ranking: all of them are sent.
        let is_tie = *count > 0 && time.is_some() && *last == time;
        if *count < max || is_tie {
            *count += 1;
            *last = time;
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Codes that mean the same.
#[derive(Default)]
struct Groups {
    /// The group that each group was joined to; itself where it stands alone.
    parents: Vec<usize>,
    named: HashMap<(String, String), usize>,
}

impl Groups {
    /// The group of a CodeableConcept.
    fn of(&mut self, code: Option<Value<'_>>) -> usize {
        let text = |value: Option<Value<'_>>| {
            value.and_then(Value::text).map(std::borrow::Cow::into_owned).unwrap_or_default()
        };
        let codings = code.and_then(|code| code.get("coding"));
        let codings = codings.into_iter().flat_map(Value::items);
        let codings = codings.filter(|coding| coding.kind() == Kind::Object);
        let mut names: Vec<_> = codings
            .filter(|coding| coding.get("code").is_some())
            .map(|coding| (text(coding.get("system")), text(coding.get("code"))))
            .collect();
        if names.is_empty() {
            // No system has a blank, so a text is never taken for a coding.
            names.push((" text".to_owned(), text(code.and_then(|code| code.get("text")))));
        }
        let known: Vec<_> = names.iter().filter_map(|name| self.named.get(name).copied()).collect();
        let group = match known.first() {
            Some(first) => self.root(*first),
            None => {
                self.parents.push(self.parents.len());
                self.parents.len() - 1
            }
        };
        for other in known {
            let other = self.root(other);
            if let Some(parent) = self.parents.get_mut(other) {
                *parent = group;
            }
        }
        for name in names {
            self.named.insert(name, group);
        }
        group
    }

    fn root(&self, mut group: usize) -> usize {
        while let Some(parent) = self.parents.get(group).copied().filter(|parent| *parent != group)
        {
            group = parent;
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use fhir_model::Resource;

    use super::*;

    #[test]
    fn codes_are_joined_through_others() {
        let mut groups = Groups::default();
        let mut of = |code: &str| {
            let json = format!(r#"{{"resourceType":"Observation","code":{code}}}"#);
            let resource = Resource::trusted(json.into_bytes()).unwrap();
            groups.of(resource.view().value.get("code"))
        };
        let a = of(r#"{"coding":[{"system":"s","code":"a"}]}"#);
        let b = of(r#"{"coding":[{"system":"s","code":"b"}]}"#);
        let text = of(r#"{"text":"a"}"#);
        let other = of(r#"{"text":"A"}"#);
        assert!(a != b && text != a && text != other);
        of(r#"{"coding":[{"system":"s","code":"b"},{"system":"s","code":"a"}]}"#);
        assert_eq!(groups.root(a), groups.root(b));
        assert_ne!(groups.root(text), groups.root(a));
    }
}
