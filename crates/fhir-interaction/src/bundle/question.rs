//! The criteria of conditional entries, and what they find.

use std::collections::{BTreeMap, HashMap};

use fhir_model::{Failure, FailureKind, ResourceKey};
use fhir_search::SearchQuery;
use fhir_store::{Expectation, StoredVersion};

use crate::bundle::Running;
use crate::bundle::entry::{Action, Entry, Who, at_entry};
use crate::bundle::overlap::overlap;
use crate::conditional::{self, Criteria};
use crate::query_string;
use crate::read;

/// Criteria and the most matches that they may have.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) query: SearchQuery,
    most: usize,
    is_delete: bool,
    /// Where the criteria stand, for a failure.
    place: &'static str,
}

/// The criteria of entries, by entry.
pub(crate) type Questions = BTreeMap<usize, Question>;

/// What criteria match, and the current versions that patches start from, by entry.
#[derive(Default)]
pub(crate) struct Found(BTreeMap<usize, Vec<StoredVersion>>);

impl Found {
    /// What an entry found.
    pub(crate) fn of(&self, index: usize) -> &[StoredVersion] {
        self.0.get(&index).map_or(&[], Vec::as_slice)
    }
}

/// Understands the criteria of all entries.
///
/// # Errors
/// What the parser refuses, and two entries with the same criteria: they would be one resource.
pub(crate) async fn questions(
    running: Running<'_>,
    entries: &[Entry<'_>],
) -> Result<Questions, Failure> {
    let Running { app, request, permit, .. } = running;
    let mut questions = Questions::new();
    let mut seen = HashMap::new();
    for entry in entries {
        let Some((criteria, place)) = criteria(entry) else { continue };
        let query = conditional::ready(app, request, permit, &criteria)
            .await
            .map_err(|failure| at_entry(placed(failure, place), entry.index))?;
        let mut applied = query.applied.clone();
        applied.sort();
        if let Some(other) = seen.insert((criteria.resource_type, applied), entry.index) {
            return Err(overlap(other, entry.index, "have the same condition"));
        }
        let is_delete = matches!(entry.action, Action::Delete { .. });
        let most = if is_delete { conditional::most_deletes(app) } else { 1 };
        questions.insert(entry.index, Question { query, most, is_delete, place });
    }
    Ok(questions)
}

fn criteria(entry: &Entry<'_>) -> Option<(Criteria, &'static str)> {
    if let Some(Who::Like(criteria)) = entry.action.who() {
        return Some((criteria.clone(), "request.url"));
    }
    let Action::Create { view, if_none_exist: Some(query) } = &entry.action else { return None };
    let resource_type = view.resource_type;
    // The specification asks for the query alone; its own examples also write the type before it.
    let query = match query.split_once('?') {
        Some((name, rest)) if name == resource_type.as_str() => rest,
        _ => query,
    };
    let pairs = query_string::pairs(query);
    Some((Criteria { resource_type, pairs }, "request.ifNoneExist"))
}

/// The failure with its issues at the place of the criteria.
fn placed(mut failure: Failure, place: &str) -> Failure {
    for issue in &mut failure.issues {
        issue.expression = Some(place.to_owned());
    }
    failure
}

/// Answers all questions in one snapshot.
///
/// # Errors
/// `MultipleMatches` where criteria match more than they may, `NotFound` for patches of nothing;
/// each names its entry.
pub(crate) async fn answer(
    running: Running<'_>,
    entries: &[Entry<'_>],
    questions: &Questions,
) -> Result<Found, Failure> {
    let Running { app, permit, .. } = running;
    let patched: Vec<(usize, ResourceKey)> = entries
        .iter()
        .filter(|entry| matches!(entry.action, Action::Patch { .. }))
        .filter_map(|entry| Some((entry.index, entry.writes()?.clone())))
        .collect();
    if questions.is_empty() && patched.is_empty() {
        return Ok(Found::default());
    }
    let (questions, is_single) = (questions.clone(), conditional::most_deletes(app) == 1);
    app.read(permit, move |sight| {
        let mut found = BTreeMap::new();
        for (index, question) in &questions {
            let hits = sight.search(&question.query, None, question.most.saturating_add(1))?;
            if hits.len() > question.most {
                let failure = match question.is_delete {
                    true => conditional::too_many(is_single, question.most),
                    false => Failure::new(
                        FailureKind::MultipleMatches,
                        "the condition matches more than one resource",
                    ),
                };
                return Err(at_entry(placed(failure, question.place), *index).into());
            }
            let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
            found.insert(*index, sight.load(&rows)?);
        }
        for (index, key) in &patched {
            let stored = sight.current(key)?;
            let stored = stored.ok_or_else(|| at_entry(read::missing(key), *index))?;
            found.insert(*index, vec![stored]);
        }
        Ok(Found(found))
    })
    .await
}

impl Question {
    /// What must still hold at the commit; nothing where versions are held instead.
    pub(crate) fn expectation(&self, found: &[StoredVersion]) -> Option<Expectation> {
        let found = match found {
            [] => None,
            [one] => Some(one.key.clone()),
            _ => return None,
        };
        Some(Expectation { query: self.query.clone(), found })
    }
}
