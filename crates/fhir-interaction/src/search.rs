//! Search over a type, several types, everything or a compartment.
//! Spec: <https://hl7.org/fhir/R4/search.html>
//!
//! A page is found by keys, its bodies are fetched last and written as they are stored. Links
//! carry sealed cursors. Nothing is cut off without a link or a word.

mod answer;
mod link;
mod place;
pub(crate) mod posted;

use std::collections::HashMap;

use fhir_access::Permit;
use fhir_model::{Failure, FailureKind, Issue, IssueType};
use fhir_search::{Scope, SearchQuery, SummaryMode, TotalMode};
use fhir_store::{Hit, Matched, Position, StoredVersion};

use crate::answers;
use crate::app::{App, ReadFailure};
use crate::cursor::{self, IncludedCursor, SearchCursor};
use crate::include::{self, Included};
use crate::package;
use crate::permitted::unconcealed::refuse_hidden_order;
use crate::query_string;
use crate::request::{Answer, Request};
use crate::sight::{Count, Sight};
use crate::subset::Subset;

pub use place::Place;

/// One page of a search.
///
/// `posted` says that the pairs came in a body (`_search`): links then carry them sealed, so that
/// they don't end in logs.
///
/// # Errors
/// What the parser refuses, `InvalidParameter` for a cursor of another search, `NotFound` for a
/// compartment that there is none of.
pub async fn search(
    app: &App,
    request: &Request,
    place: impl Into<Place>,
    pairs: Vec<(String, String)>,
    posted: bool,
) -> Result<Answer, Failure> {
    search_from(app, request, place, (pairs, 0), posted).await
}

/// The most matches that are passed over: who wants more walks on by links.
const MAX_SKIP: usize = 100_000;

/// As [`search`], with so many matches passed over before the page.
///
/// # Errors
/// As [`search`], and `TooCostly` where too many are to be passed over.
pub async fn search_from(
    app: &App,
    request: &Request,
    place: impl Into<Place>,
    (pairs, skip): (Vec<(String, String)>, usize),
    posted: bool,
) -> Result<Answer, Failure> {
    if skip > MAX_SKIP {
        let text = format!("at most {MAX_SKIP} matches are passed over; use the next link");
        return Err(Failure::new(FailureKind::TooCostly, text));
    }
    let place = place.into();
    let (interaction, resource_type) = place.interaction();
    let permit = app.gate(request, interaction, resource_type)?;
    permit.trace().asked(|| format!("{}?{}", place.path(), query_string::query(&pairs)));
    let mut question = Question::parse(app, request, place, pairs, posted)?;
    question.skip = skip;
    refuse_hidden_order(&question.query, &permit)?;
    if !question.is_posted {
        posted::refuse_in_url(&question.query, &app.settings().post_only)?;
    }
    if question.cursor.is_some() && question.is_posted {
        // The cursor hid what is asked.
        let applied = &question.query.applied;
        let asked = || format!("{}?{}", question.place.path(), query_string::query(applied));
        permit.trace().asked(asked);
    }
    let (inside, base) = (app.clone(), request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        answers::resolve(&inside, sight, &base, &mut question.query)?;
        sight.admit_named(&question.query, question.place.compartment.as_ref())?;
        let page = question.page(&inside, sight)?;
        Ok((question, page))
    };
    let (question, mut page) = app.read(&permit, work).await?;
    if page.matches.is_empty() && page.total.is_none_or(|total| total == 0) {
        question.add_installed(app, &permit, &mut page);
    }
    Ok(Answer::ok(question.write(app, request, &page)?))
}

/// Whether a search would be taken.
///
/// # Errors
/// What the parser refuses.
pub(crate) fn check(
    app: &App,
    request: &Request,
    place: Place,
    pairs: Vec<(String, String)>,
) -> Result<(), Failure> {
    Question::parse(app, request, place, pairs, false).map(|_| ())
}

/// What was asked, understood.
struct Question {
    query: SearchQuery,
    subset: Subset,
    place: Place,
    digest: i64,
    is_posted: bool,
    cursor: Option<SearchCursor>,
    /// The cursor as the client sent it, for the self link.
    sealed: Option<String>,
    /// So many matches stand before the first page.
    skip: usize,
}

#[derive(Default)]
struct Page {
    matches: Vec<Found>,
    included: Vec<StoredVersion>,
    total: Option<u64>,
    previous: Option<SearchCursor>,
    next: Option<SearchCursor>,
    notes: Vec<Issue>,
}

/// A match with its body.
struct Found {
    stored: StoredVersion,
    matched: Matched,
}

/// The matches that a page is about, and whether there are others around them.
struct Hits {
    hits: Vec<Hit>,
    has_previous: bool,
    has_more: bool,
}

impl Question {
    fn parse(
        app: &App,
        request: &Request,
        place: Place,
        mut pairs: Vec<(String, String)>,
        posted: bool,
    ) -> Result<Self, Failure> {
        let definitions = app.definitions();
        let types = place.types(&definitions.registry, app.hasher())?;
        let at = pairs.iter().position(|(name, _)| name == cursor::PARAMETER);
        let sealed = at.map(|at| pairs.remove(at).1);
        let cursor =
            sealed.as_deref().map(|text| SearchCursor::open(text, app.secret())).transpose()?;
        let mut is_posted = posted;
        if let Some(hidden) = cursor.as_ref().and_then(|cursor| cursor.pairs.clone()) {
            pairs = hidden;
            is_posted = true;
        }
        let mut query = app.parse(request, types, &pairs)?;
        place.confine(&definitions.registry, app.hasher(), &mut query)?;
        let asked = format!("{}?{}", place.path(), query_string::query(&query.applied));
        let digest = app.hasher().hash(&asked);
        if cursor.as_ref().is_some_and(|cursor| cursor.question != digest) {
            return Err(cursor::invalid());
        }
        let subset = Subset::of(&query)?;
        Ok(Self { query, subset, place, digest, is_posted, cursor, sealed, skip: 0 })
    }

    /// What packages have of what the store has nothing of.
    fn add_installed(&self, app: &App, permit: &Permit, page: &mut Page) {
        let Place { scope: Scope::Type(resource_type), compartment: None } = &self.place else {
            return;
        };
        if self.cursor.is_some() {
            return;
        }
        let found = package::named(app, permit, *resource_type, &self.query.applied);
        page.total = page.total.map(|_| u64::try_from(found.len()).unwrap_or(u64::MAX));
        if !self.is_count_only() {
            let found = found.into_iter();
            let found = found.map(|stored| Found { stored, matched: Matched::default() });
            page.matches = found.collect();
        }
    }

    fn page(&self, app: &App, sight: &mut Sight<'_>) -> Result<Page, ReadFailure> {
        let mut page = Page { notes: self.query.warnings.clone(), ..Page::default() };
        self.total(sight, &mut page)?;
        if self.query.explain {
            let plan = sight.explain(&self.query, self.count().saturating_add(1))?;
            page.notes.push(Issue::information(IssueType::Informational, plan.to_string()));
        }
        if self.is_count_only() {
            return Ok(page);
        }
        let Hits { hits, has_previous, has_more } = self.hits(sight)?;
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        let matches = sight.load(&rows)?;
        let sent = self.cursor.as_ref().and_then(|cursor| cursor.included.as_ref());
        if !self.query.include.is_empty() || !self.query.revinclude.is_empty() {
            let sent = sent.map(|included| included.sent);
            let Included { resources, last, notes } =
                include::included(app, sight, &self.query, &matches, sent)?;
            page.included = resources;
            page.notes.extend(notes);
            if let (Some(sent), Some(hit)) = (last, hits.last()) {
                let until = hit.position.clone();
                let included = Some(IncludedCursor { until, sent });
                page.next = Some(SearchCursor { included, ..self.here() });
            }
        }
        if page.next.is_none() && has_more {
            let after = hits.last().map(|hit| hit.position.clone());
            page.next = Some(SearchCursor { after, ..self.start() });
        }
        if has_previous {
            let before = hits.first().map(|hit| hit.position.clone());
            page.previous = Some(SearchCursor { before, ..self.start() });
        }
        if sent.is_none() {
            let mut matched: HashMap<_, _> =
                hits.into_iter().map(|hit| (hit.row, hit.matched)).collect();
            let found = |stored: StoredVersion| {
                let matched = matched.remove(&stored.row).unwrap_or_default();
                Found { stored, matched }
            };
            page.matches = matches.into_iter().map(found).collect();
        }
        Ok(page)
    }

    fn total(&self, sight: &mut Sight<'_>, page: &mut Page) -> Result<(), ReadFailure> {
        let wanted = if self.is_count_only() { TotalMode::Accurate } else { self.query.total };
        page.total = match wanted {
            TotalMode::None => None,
            TotalMode::Accurate => Some(sight.count(&self.query)?),
            TotalMode::Estimate => match sight.estimate(&self.query)? {
                Count::Exact(count) => Some(count),
                Count::Estimate(count) => {
                    let text = "the total is an estimate; _total=accurate counts";
                    let note = Issue::information(IssueType::Informational, text);
                    page.notes.push(note.at("Bundle.total"));
                    Some(count)
                }
            },
        };
        Ok(())
    }

    /// The matches that the page is about, also when only their included resources are left.
    fn hits(&self, sight: &mut Sight<'_>) -> Result<Hits, ReadFailure> {
        let count = self.count();
        let cursor = self.cursor.as_ref();
        let after = cursor.and_then(|cursor| cursor.after.as_ref());
        let before = cursor.and_then(|cursor| cursor.before.as_ref());
        if let Some(included) = cursor.and_then(|cursor| cursor.included.as_ref()) {
            let mut hits = match before {
                Some(before) => self.before(sight, before, count)?,
                None => sight.search(&self.query, after, count)?,
            };
            if let Some(end) = hits.iter().position(|hit| hit.row == included.until.row) {
                hits.truncate(end + 1);
            }
            let has_more = !sight.search(&self.query, Some(&included.until), 1)?.is_empty();
            return Ok(Hits { hits, has_previous: false, has_more });
        }
        if let Some(before) = before {
            let mut hits = self.before(sight, before, count.saturating_add(1))?;
            let has_previous = hits.len() > count;
            if has_previous {
                hits.remove(0);
            }
            // The page that this link stood on comes after it.
            return Ok(Hits { has_more: !hits.is_empty(), hits, has_previous });
        }
        let skip = if after.is_none() { self.skip } else { 0 };
        let wanted = count.saturating_add(1).saturating_add(skip);
        let mut hits = sight.search(&self.query, after, wanted)?;
        hits.drain(..skip.min(hits.len()));
        let has_more = hits.len() > count;
        hits.truncate(count);
        let has_previous = match (after, hits.first()) {
            (Some(_), Some(first)) => {
                let previous = sight.search_before(&self.query, &first.position, 1)?;
                previous.is_some_and(|hits| !hits.is_empty())
            }
            _ => false,
        };
        Ok(Hits { hits, has_previous, has_more })
    }

    fn before(
        &self,
        sight: &mut Sight<'_>,
        before: &Position,
        limit: usize,
    ) -> Result<Vec<Hit>, ReadFailure> {
        sight.search_before(&self.query, before, limit)?.ok_or_else(|| {
            let text = "this search cannot be walked backwards any more; start from its first page";
            Failure::new(FailureKind::TooCostly, text).into()
        })
    }

    fn count(&self) -> usize {
        usize::try_from(self.query.count).unwrap_or(usize::MAX)
    }

    fn is_count_only(&self) -> bool {
        self.query.count == 0 || self.query.summary == SummaryMode::Count
    }

    /// A cursor at the first page.
    fn start(&self) -> SearchCursor {
        let pairs = self.is_posted.then(|| self.query.applied.clone());
        SearchCursor { question: self.digest, pairs, after: None, before: None, included: None }
    }

    /// A cursor at this page.
    fn here(&self) -> SearchCursor {
        let cursor = self.cursor.as_ref();
        let after = cursor.and_then(|cursor| cursor.after.clone());
        let before = cursor.and_then(|cursor| cursor.before.clone());
        SearchCursor { after, before, ..self.start() }
    }
}
