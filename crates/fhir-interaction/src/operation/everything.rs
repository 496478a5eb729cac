//! `$everything` of a Patient or an Encounter.
//! Spec: <https://hl7.org/fhir/R4/patient-operation-everything.html>
//!
//! A walk in two parts. First what is in the compartment, in row order, as matches; then what that
//! refers to outside of it (practitioners, organizations, medications …) as includes. Each
//! resource comes once, however many pages there are. The second part looks through the whole
//! compartment for references, on each of its pages.

use std::collections::BTreeSet;
use std::str::FromStr;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Instant, ResourceKey, date};
use fhir_search::{
    Comparator, DateMatch, Match, Predicate, RowMatch, Scope, SearchQuery, compartment,
};
use fhir_store::{Position, RowKey, StoredVersion};

use super::{Invocation, related};
use crate::app::{App, ReadFailure};
use crate::cursor::{self, IncludedCursor, SearchCursor};
use crate::page::BundleWriter;
use crate::query_string;
use crate::request::Answer;
use crate::sight::{self, Sight};
use crate::subset::Subset;

/// Members of the compartment whose references are looked through in one request.
const MAX_SCANNED: usize = 100_000;
/// Before the row of any resource.
const BEFORE_ALL: RowKey = RowKey { rid: i64::MIN, dk: i64::MIN };

/// One page of a record.
///
/// # Errors
/// `NotFound` and `Deleted` as for a read, `InvalidParameter` for parameters and cursors.
pub(super) async fn everything(call: Invocation<'_>) -> Result<Answer, Failure> {
    let asked = Asked::new(&call)?;
    let (app, base) = (call.app.clone(), call.request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        let page = asked.page(&app, sight, &base)?;
        Ok(asked.write(&app, &base, &page)?)
    };
    call.app.read(&call.permit, work).await.map(Answer::ok)
}

/// What was asked, understood.
struct Asked {
    key: ResourceKey,
    /// Only these types, where any are named.
    types: Vec<ResourceType>,
    since: Option<Instant>,
    /// Care dates: first instant and first one after.
    care: Option<(i64, i64)>,
    count: usize,
    /// The parameters as they stand in links.
    pairs: Vec<(String, String)>,
    digest: i64,
    cursor: Option<SearchCursor>,
}

#[derive(Default)]
struct Page {
    matches: Vec<StoredVersion>,
    included: Vec<StoredVersion>,
    next: Option<SearchCursor>,
}

impl Asked {
    fn new(call: &Invocation<'_>) -> Result<Self, Failure> {
        let arguments = &call.arguments;
        let key = call.key()?.clone();
        let mut pairs = Vec::new();
        for name in ["start", "end", "_since", "_type", "_count"] {
            for text in arguments.texts(name) {
                pairs.push((name.to_owned(), text));
            }
        }
        let asked = format!("{key}/$everything?{}", query_string::query(&pairs));
        let digest = call.app.hasher().hash(&asked);
        let sealed = arguments.pairs().iter().find(|(name, _)| name == cursor::PARAMETER);
        let cursor = sealed.map(|(_, text)| SearchCursor::open(text, call.app.secret()));
        let cursor = cursor.transpose()?;
        if cursor.as_ref().is_some_and(|cursor| cursor.question != digest) {
            return Err(cursor::invalid());
        }
        let settings = call.app.settings();
        let count = match arguments.text("_count").map(|text| text.parse::<u32>()) {
            None => settings.max_count,
            Some(Ok(count)) if count > 0 => count.min(settings.max_count),
            Some(_) => {
                let text = "`_count` takes a whole number from 1";
                return Err(invalid(text.to_owned(), "_count"));
            }
        };
        let since = arguments.text("_since").map(|text| text.parse::<Instant>()).transpose();
        let since = since.map_err(|fault| invalid(fault.to_string(), "_since"))?;
        Ok(Self {
            types: types(&arguments.texts("_type"))?,
            care: care(call.app, arguments.text("start"), arguments.text("end"))?,
            count: usize::try_from(count).unwrap_or(usize::MAX),
            key,
            since,
            pairs,
            digest,
            cursor,
        })
    }

    fn page(&self, app: &App, sight: &mut Sight<'_>, base: &str) -> Result<Page, ReadFailure> {
        let focus = self.focus(sight)?;
        let mut page = Page::default();
        let included = self.cursor.as_ref().and_then(|cursor| cursor.included.as_ref());
        let sent = match included {
            Some(included) => included.sent,
            None => {
                self.matches(app, sight, &mut page)?;
                BEFORE_ALL
            }
        };
        if page.next.is_some() || !self.has_includes(app) {
            return Ok(page);
        }
        let mut left = self.included(app, sight, base, &focus)?;
        left.retain(|stored| stored.row > sent);
        let room = self.count - page.matches.len();
        let has_more = left.len() > room;
        left.truncate(room);
        if has_more {
            let sent = left.last().map_or(sent, |stored| stored.row);
            let until = Position { values: Vec::new(), row: sent };
            page.next = Some(SearchCursor {
                included: Some(IncludedCursor { until, sent }),
                ..self.start()
            });
        }
        page.included = left;
        Ok(page)
    }

    fn focus(&self, sight: &mut Sight<'_>) -> Result<StoredVersion, ReadFailure> {
        let key = &self.key;
        let Some(stored) = sight.current(key)? else {
            return Err(Failure::new(FailureKind::NotFound, format!("there is no {key}")).into());
        };
        if stored.body.is_none() {
            return Err(Failure::new(FailureKind::Deleted, format!("{key} was deleted")).into());
        }
        Ok(stored)
    }

    fn matches(
        &self,
        app: &App,
        sight: &mut Sight<'_>,
        page: &mut Page,
    ) -> Result<(), ReadFailure> {
        let Some(query) = self.query(app, true) else { return Ok(()) };
        let after = self.cursor.as_ref().and_then(|cursor| cursor.after.as_ref());
        let mut hits = sight.search(&query, after, self.count.saturating_add(1))?;
        let has_more = hits.len() > self.count;
        hits.truncate(self.count);
        let rows: Vec<_> = hits.iter().map(|hit| hit.row).collect();
        page.matches = sight.load(&rows)?;
        if has_more {
            let after = hits.last().map(|hit| hit.position.clone());
            page.next = Some(SearchCursor { after, ..self.start() });
        }
        Ok(())
    }

    /// What the compartment refers to outside of it, in row order.
    fn included(
        &self,
        app: &App,
        sight: &mut Sight<'_>,
        base: &str,
        focus: &StoredVersion,
    ) -> Result<Vec<StoredVersion>, ReadFailure> {
        let Some(query) = self.query(app, false) else { return Ok(Vec::new()) };
        let (mut known, mut frontier) = (BTreeSet::new(), BTreeSet::new());
        let is_whole = sight.each(&query, MAX_SCANNED, |key, resource| {
            frontier.extend(related::references(resource.view(), base));
            known.insert(key);
        })?;
        if !is_whole {
            let text = format!(
                "the record has {MAX_SCANNED} resources or more, too many to look through for \
                 references; name types of the compartment with `_type`"
            );
            return Err(Failure::new(FailureKind::TooCostly, text).into());
        }
        let person = related::person(app, focus)?;
        let mut found = related::related(app, sight, base, person, frontier, &mut known)?;
        found.retain(|stored| {
            let is_asked = self.types.is_empty() || self.types.contains(&stored.key.resource_type);
            is_asked && self.since.is_none_or(|since| stored.updated >= since)
        });
        found.sort_by_key(|stored| stored.row);
        Ok(found)
    }

    /// Whether types are asked for that are not in the compartment.
    fn has_includes(&self, app: &App) -> bool {
        let definitions = app.definitions();
        let inside = compartment(&definitions.registry, app.hasher(), &self.key, &Scope::All);
        let inside = inside.map(|(_, types)| types).unwrap_or_default();
        self.types.is_empty() || self.types.iter().any(|of| !inside.contains(of))
    }

    /// The search for what is in the compartment; with `is_filtered` only what was asked for.
    /// None where no type that is asked for is in it.
    fn query(&self, app: &App, is_filtered: bool) -> Option<SearchQuery> {
        let definitions = app.definitions();
        let scope = match self.types.as_slice() {
            types if is_filtered && !types.is_empty() => Scope::Types(types.to_vec()),
            _ => Scope::All,
        };
        let (inside, types) = compartment(&definitions.registry, app.hasher(), &self.key, &scope)?;
        let mut predicates = vec![inside];
        if let Some(since) = self.since.filter(|_| is_filtered) {
            let when = DateMatch { comparator: Comparator::Ge, lo: since.0, hi: since.0 + 1 };
            predicates.push(Predicate { any: vec![Match::LastUpdated(when)] });
        }
        if let Some((lo, hi)) = self.care {
            let dated = types.iter().filter(|of| **of != ResourceType::PATIENT);
            let dates: Vec<_> = dated.filter_map(|of| definitions.indexer.main_date(*of)).collect();
            let when = DateMatch { comparator: Comparator::Ap, lo, hi };
            let overlaps = dates.iter().map(|p| Match::Row(RowMatch::Date { p: *p, when }));
            let mut any: Vec<_> = overlaps.collect();
            // What has no date of its own belongs to every period.
            any.push(Match::Not(vec![Match::Present(dates)]));
            predicates.push(Predicate { any });
        }
        let query = sight::of_type(self.key.resource_type, predicates);
        Some(SearchQuery { scope: Scope::Types(types), ..query })
    }

    fn start(&self) -> SearchCursor {
        SearchCursor {
            question: self.digest,
            pairs: None,
            after: None,
            before: None,
            included: None,
        }
    }

    fn write(&self, app: &App, base: &str, page: &Page) -> Result<Vec<u8>, Failure> {
        let url = |cursor: Option<&SearchCursor>| {
            let mut pairs = self.pairs.clone();
            let sealed = cursor.map(|cursor| cursor.seal(app.secret()));
            pairs.extend(sealed.map(|sealed| (cursor::PARAMETER.to_owned(), sealed)));
            let query = query_string::query(&pairs);
            let path = format!("{base}/{}/$everything", self.key);
            if query.is_empty() { path } else { format!("{path}?{query}") }
        };
        let mut links = vec![("self", url(self.cursor.as_ref()))];
        if let Some(next) = &page.next {
            links.push(("next", url(Some(next))));
        }
        let mut bundle = BundleWriter::new("searchset", None, &links);
        let matches = page.matches.iter().map(|stored| (stored, "match"));
        let included = page.included.iter().map(|stored| (stored, "include"));
        for (stored, mode) in matches.chain(included) {
            bundle.begin();
            bundle.full_url(base, &stored.key);
            bundle.stored(stored, &Subset::Whole)?;
            bundle.search_mode(mode);
            bundle.end();
        }
        Ok(bundle.finish())
    }
}

fn invalid(text: String, name: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(format!("http.{name}"))
}

/// The types of `_type`, given several times or with commas.
fn types(texts: &[String]) -> Result<Vec<ResourceType>, Failure> {
    let names = texts.iter().flat_map(|text| text.split(','));
    let parsed = names.map(|name| {
        ResourceType::from_str(name).map_err(|_error| {
            let hint = fhir_search::hint(name, ResourceType::all().map(ResourceType::as_str));
            let shown: String = name.chars().take(64).collect();
            invalid(format!("`{shown}` is no resource type of FHIR R4{hint}"), "_type")
        })
    });
    parsed.collect()
}

/// The period of care dates; open ends are far away.
fn care(
    app: &App,
    start: Option<String>,
    end: Option<String>,
) -> Result<Option<(i64, i64)>, Failure> {
    if start.is_none() && end.is_none() {
        return Ok(None);
    }
    let range = |text: &str, name: &str| {
        date::instants(text, app.zone()).map_err(|fault| invalid(fault.to_string(), name))
    };
    let lo = start.map(|text| range(&text, "start")).transpose()?;
    let hi = end.map(|text| range(&text, "end")).transpose()?;
    let lo = lo.map_or(i64::MIN, |range| range.start);
    let hi = hi.map_or(i64::MAX, |range| range.end);
    if lo >= hi {
        return Err(invalid("`end` lies before `start`".to_owned(), "end"));
    }
    Ok(Some((lo, hi)))
}
