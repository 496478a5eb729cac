//! Search over a type, several types or everything.
//! Spec: <https://hl7.org/fhir/R4/search.html>
//!
//! A page is found by keys, its bodies are fetched last and written as they are stored. Links
//! carry sealed cursors. Nothing is cut off without a link or a word.

use fhir_access::Interaction;
use fhir_model::failure::outcome_json;
use fhir_model::{Failure, Issue};
use fhir_search::{Scope, SearchQuery, SummaryMode, TotalMode};
use fhir_store::{Hit, StoredVersion};

use crate::answers;
use crate::app::{App, ReadFailure};
use crate::cursor::{self, IncludedCursor, SearchCursor};
use crate::include::{self, Included};
use crate::page::BundleWriter;
use crate::query_string;
use crate::request::{Answer, Request};
use crate::sight::Sight;
use crate::subset::Subset;

/// One page of a search.
///
/// `posted` says that the pairs came in a body (`_search`): links then carry them sealed, so that
/// they don't end in logs.
///
/// # Errors
/// What the parser refuses, and `InvalidParameter` for a cursor of another search.
pub async fn search(
    app: &App,
    request: &Request,
    scope: Scope,
    pairs: Vec<(String, String)>,
    posted: bool,
) -> Result<Answer, Failure> {
    let (interaction, resource_type) = match &scope {
        Scope::Type(resource_type) => (Interaction::SearchType, Some(*resource_type)),
        Scope::Types(_) | Scope::All => (Interaction::SearchSystem, None),
    };
    let permit = app.gate(request, interaction, resource_type)?;
    let mut question = Question::parse(app, request, scope, pairs, posted)?;
    let (inside, base) = (app.clone(), request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        answers::resolve(&inside, sight, &base, &mut question.query)?;
        let page = question.page(&inside, sight)?;
        Ok((question, page))
    };
    let (question, page) = app.read(&permit, work).await?;
    Ok(Answer::ok(question.write(app, request, &page)?))
}

/// Whether a search would be taken.
///
/// # Errors
/// What the parser refuses.
pub(crate) fn check(
    app: &App,
    request: &Request,
    scope: Scope,
    pairs: Vec<(String, String)>,
) -> Result<(), Failure> {
    Question::parse(app, request, scope, pairs, false).map(|_| ())
}

/// What was asked, understood.
struct Question {
    query: SearchQuery,
    subset: Subset,
    /// `Patient`, or empty for a search over types.
    path: String,
    digest: i64,
    is_posted: bool,
    cursor: Option<SearchCursor>,
    /// The cursor as the client sent it, for the self link.
    sealed: Option<String>,
}

#[derive(Default)]
struct Page {
    matches: Vec<StoredVersion>,
    included: Vec<StoredVersion>,
    total: Option<u64>,
    next: Option<SearchCursor>,
    notes: Vec<Issue>,
}

impl Question {
    fn parse(
        app: &App,
        request: &Request,
        scope: Scope,
        mut pairs: Vec<(String, String)>,
        posted: bool,
    ) -> Result<Self, Failure> {
        let path = match &scope {
            Scope::Type(resource_type) => resource_type.as_str().to_owned(),
            Scope::Types(_) | Scope::All => String::new(),
        };
        let at = pairs.iter().position(|(name, _)| name == cursor::PARAMETER);
        let sealed = at.map(|at| pairs.remove(at).1);
        let cursor =
            sealed.as_deref().map(|text| SearchCursor::open(text, app.secret())).transpose()?;
        let mut is_posted = posted;
        if let Some(hidden) = cursor.as_ref().and_then(|cursor| cursor.pairs.clone()) {
            pairs = hidden;
            is_posted = true;
        }
        let query = app.parse(request, scope, &pairs)?;
        let digest = app.hasher().hash(&format!("{path}?{}", query_string::query(&query.applied)));
        if cursor.as_ref().is_some_and(|cursor| cursor.question != digest) {
            return Err(cursor::invalid());
        }
        let subset = Subset::of(&query)?;
        Ok(Self { query, subset, path, digest, is_posted, cursor, sealed })
    }

    fn page(&self, app: &App, sight: &mut Sight<'_>) -> Result<Page, ReadFailure> {
        let mut page = Page { notes: self.query.warnings.clone(), ..Page::default() };
        let is_count_only = self.query.count == 0 || self.query.summary == SummaryMode::Count;
        if is_count_only || self.query.total != TotalMode::None {
            page.total = Some(sight.count(&self.query)?);
        }
        if is_count_only {
            return Ok(page);
        }
        let Hits { hits, has_more } = self.hits(sight)?;
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
                page.next =
                    Some(self.cursor_at(self.after(), Some(IncludedCursor { until, sent })));
            }
        }
        if page.next.is_none() && has_more {
            let after = hits.last().map(|hit| hit.position.clone());
            page.next = Some(self.cursor_at(after, None));
        }
        if sent.is_none() {
            page.matches = matches;
        }
        Ok(page)
    }

    /// The matches that the page is about, also when only their included resources are left.
    fn hits(&self, sight: &mut Sight<'_>) -> Result<Hits, ReadFailure> {
        let count = usize::try_from(self.query.count).unwrap_or(usize::MAX);
        let after = self.after();
        let included = self.cursor.as_ref().and_then(|cursor| cursor.included.as_ref());
        let Some(included) = included else {
            let mut hits = sight.search(&self.query, after.as_ref(), count.saturating_add(1))?;
            let has_more = hits.len() > count;
            hits.truncate(count);
            return Ok(Hits { hits, has_more });
        };
        let mut hits = sight.search(&self.query, after.as_ref(), count)?;
        if let Some(end) = hits.iter().position(|hit| hit.row == included.until.row) {
            hits.truncate(end + 1);
        }
        let has_more = !sight.search(&self.query, Some(&included.until), 1)?.is_empty();
        Ok(Hits { hits, has_more })
    }

    fn after(&self) -> Option<fhir_store::Position> {
        self.cursor.as_ref().and_then(|cursor| cursor.after.clone())
    }

    fn cursor_at(
        &self,
        after: Option<fhir_store::Position>,
        included: Option<IncludedCursor>,
    ) -> SearchCursor {
        let pairs = self.is_posted.then(|| self.query.applied.clone());
        SearchCursor { question: self.digest, pairs, after, included }
    }

    fn url(&self, base: &str, pairs: &[(String, String)], sealed: Option<&str>) -> String {
        let mut url = String::with_capacity(base.len() + 64);
        url.push_str(base);
        if !self.path.is_empty() {
            url.push('/');
            url.push_str(&self.path);
        }
        let mut query = query_string::query(pairs);
        if let Some(sealed) = sealed {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(cursor::PARAMETER);
            query.push('=');
            query.push_str(sealed);
        }
        if !query.is_empty() {
            url.push('?');
            url.push_str(&query);
        }
        url
    }

    fn links(&self, app: &App, base: &str, page: &Page) -> Vec<(&'static str, String)> {
        let applied = self.query.applied.as_slice();
        let shown = if self.is_posted { &[] } else { applied };
        let mut links = Vec::with_capacity(3);
        if self.is_posted && self.sealed.is_some() {
            links.push(("self", self.url(base, &[], self.sealed.as_deref())));
        } else {
            links.push(("self", self.url(base, applied, self.sealed.as_deref())));
        }
        let seal = |cursor: &SearchCursor| cursor.seal(app.secret());
        let first = self.is_posted.then(|| seal(&self.cursor_at(None, None)));
        links.push(("first", self.url(base, shown, first.as_deref())));
        if let Some(next) = &page.next {
            links.push(("next", self.url(base, shown, Some(&seal(next)))));
        }
        links
    }

    fn write(&self, app: &App, request: &Request, page: &Page) -> Result<Vec<u8>, Failure> {
        let links = self.links(app, &request.base, page);
        let mut bundle = BundleWriter::new("searchset", page.total, &links);
        let of_included = self.subset.of_included();
        let matches = page.matches.iter().map(|stored| (stored, "match", &self.subset));
        let included = page.included.iter().map(|stored| (stored, "include", &of_included));
        for (stored, mode, subset) in matches.chain(included) {
            bundle.begin();
            bundle.full_url(&request.base, &stored.key);
            bundle.stored(stored, subset)?;
            bundle.search_mode(mode);
            bundle.end();
        }
        if !page.notes.is_empty() {
            bundle.begin();
            bundle.resource(&outcome_json(&page.notes));
            bundle.search_mode("outcome");
            bundle.end();
        }
        Ok(bundle.finish())
    }
}

struct Hits {
    hits: Vec<Hit>,
    has_more: bool,
}
