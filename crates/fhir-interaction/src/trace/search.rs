//! Searching and reading the trace.
//!
//! Rows are found by patient and time; each of their events is then held against the whole search,
//! as if it were stored. A page that would have to go through too many rows ends early, with a
//! link to go on.

use std::collections::BTreeSet;

use fhir_access::trace::patient_keys;
use fhir_access::{Operation, Permit, Touches};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Instant, Issue, IssueType, VersionId};
use fhir_search::{
    Comparator, DateMatch, Match, PatientIdentifier, Predicate, RowMatch, Scope, SearchQuery,
    SortBy, TotalMode,
};
use fhir_store::{RowKey, StoreError, StoredTrace, TracePosition, TraceWindow};

use super::catalogue::{Catalogue, PATIENT_IDENTIFIER, Stored, indexed, stored};
use super::event::{Event, events, place};
use crate::app::{App, ReadFailure};
use crate::cursor::{self, TraceCursor};
use crate::page::BundleWriter;
use crate::query_string;
use crate::request::{Answer, Request};
use crate::sight::{Sight, of_type};
use crate::subset::Subset;

/// Reading the trace, as rules name it.
const OPERATION: Operation<'_> = Operation { name: "$trace", touches: Touches::Service };

/// The root of the trace below the FHIR root.
const PATH: &str = "trace/AuditEvent";

/// Rows that are read at once, and those that one page goes through at most.
const CHUNK: usize = 200;
const MOST_ROWS: usize = 20_000;

/// How far ends of time ranges are widened before they are compared exactly.
const SLACK_US: i64 = 1_000_000;

/// One page of the trace, the newest first where nothing else is asked for.
///
/// Takes the parameters of AuditEvent, those of the trace (`purpose`, `relation`, `controller`,
/// `patient-identifier`, `request-id`), `_count`, `_sort` by `date`, `_summary` and `_elements`. A
/// page may have fewer entries than `_count` and go on all the same.
///
/// # Errors
/// What the gate and the parser refuse; `InvalidParameter` for what the trace does not do;
/// `TooCostly` for a count that would have to go through too much.
pub async fn search_trace(
    app: &App,
    request: &Request,
    mut pairs: Vec<(String, String)>,
    posted: bool,
) -> Result<Answer, Failure> {
    let permit = app.gate_operation(request, OPERATION, None)?;
    let asked = || format!("{PATH}?{}", query_string::query(&pairs));
    permit.trace().asked(asked);
    let at = pairs.iter().position(|(name, _)| name == cursor::PARAMETER);
    let sealed = at.map(|at| pairs.remove(at).1);
    let cursor = sealed.as_deref().map(|text| TraceCursor::open(text, app.secret())).transpose()?;
    let is_posted = posted || cursor.as_ref().is_some_and(|cursor| cursor.pairs.is_some());
    if let Some(hidden) = cursor.as_ref().and_then(|cursor| cursor.pairs.clone()) {
        pairs = hidden;
    }
    let catalogue = app.trace_catalogue();
    let scope = Scope::Type(ResourceType::AUDIT_EVENT);
    let query = app.parse_among(request, &catalogue.registry, scope, &pairs)?;
    let question = Question::new(app, &catalogue, query, (is_posted, cursor, sealed))?;
    app.settle_trace().await?;
    let work = move |sight: &mut Sight<'_>| {
        let page = question.page(&catalogue, sight)?;
        Ok((question, page))
    };
    let (question, page) = app.read(&permit, work).await?;
    note(&permit, &page.events);
    Ok(Answer::ok(question.write(app, request, &page)?))
}

/// One AuditEvent of the trace.
///
/// # Errors
/// What the gate refuses, and `NotFound`.
pub async fn read_trace(app: &App, request: &Request, id: &str) -> Result<Answer, Failure> {
    let permit = app.gate_operation(request, OPERATION, None)?;
    permit.trace().asked(|| format!("{PATH}/{id}"));
    let nothing = || {
        let text = "the trace has no AuditEvent with this id";
        Failure::new(FailureKind::NotFound, text)
    };
    let (position, number) = place(id).ok_or_else(nothing)?;
    app.settle_trace().await?;
    let found = app.read(&permit, move |sight| Ok(row_at(sight, position)?)).await?;
    let event = found.and_then(|row| events(&row).into_iter().nth(number)).ok_or_else(nothing)?;
    note(&permit, std::slice::from_ref(&event));
    let mut answer = Answer::ok(event.json);
    answer.version = Some(VersionId(1));
    answer.last_modified = Some(position.at);
    Ok(answer)
}

/// Who reads the trace of somebody has seen their data.
fn note(permit: &Permit, events: &[Event]) {
    permit.trace().touched(events.iter().filter_map(|event| event.patient.clone()).collect());
}

fn row_at(
    sight: &mut Sight<'_>,
    position: TracePosition,
) -> Result<Option<StoredTrace>, StoreError> {
    let window = TraceWindow {
        from: Some(position.at),
        before: Some(Instant(position.at.0.saturating_add(1))),
        limit: CHUNK,
        ..TraceWindow::default()
    };
    Ok(sight.traces(&window)?.into_iter().find(|row| row.position == position))
}

/// A search, understood.
struct Question {
    query: SearchQuery,
    subset: Subset,
    /// Sets of patients, each of which must have the event's.
    identifiers: Vec<Vec<PatientIdentifier>>,
    newest_first: bool,
    digest: i64,
    is_posted: bool,
    cursor: Option<TraceCursor>,
    sealed: Option<String>,
}

#[derive(Default)]
struct Page {
    events: Vec<Event>,
    total: Option<u64>,
    /// The last event that was looked at, where there may be more.
    next: Option<(TracePosition, usize)>,
    notes: Vec<Issue>,
}

impl Question {
    fn new(
        app: &App,
        catalogue: &Catalogue,
        mut query: SearchQuery,
        (is_posted, cursor, sealed): (bool, Option<TraceCursor>, Option<String>),
    ) -> Result<Self, Failure> {
        refuse_what_is_not_done(&query)?;
        let newest_first = newest_first(catalogue, &query)?;
        let subset = Subset::of(&query)?;
        let is_identifier = |predicate: &Predicate| {
            predicate.any.iter().any(|each| {
                matches!(each, Match::Row(RowMatch::Token { p, .. } | RowMatch::TokenSystem { p, .. })
                    if Some(*p) == catalogue.patient_identifier)
            })
        };
        query.predicates.retain(|predicate| !is_identifier(predicate));
        let given = query.applied.iter().filter(|(name, _)| name == PATIENT_IDENTIFIER);
        let identifiers = given.map(|(_, value)| identifiers(value)).collect::<Result<_, _>>()?;
        let digest = app.hasher().hash(&format!("{PATH}?{}", query_string::query(&query.applied)));
        if cursor.as_ref().is_some_and(|cursor| cursor.question != digest) {
            return Err(cursor::invalid());
        }
        Ok(Self { query, subset, identifiers, newest_first, digest, is_posted, cursor, sealed })
    }

    fn page(&self, catalogue: &Catalogue, sight: &mut Sight<'_>) -> Result<Page, ReadFailure> {
        let wanted = usize::try_from(self.query.count).unwrap_or(usize::MAX);
        let counts = wanted == 0 || self.subset == Subset::Count;
        let mut patients = Vec::new();
        for one in &self.identifiers {
            patients.push(with_identifiers(sight, one)?);
        }
        let mut page = Page { notes: self.query.warnings.clone(), ..Page::default() };
        let mut window = self.window(catalogue, &patients);
        let mut matches = 0_u64;
        let mut seen = 0;
        if let Some((position, sent)) = self.cursor.as_ref().map(|cursor| cursor.after) {
            window.after = Some(position);
            if let Some(row) = row_at(sight, position)? {
                self.take(catalogue, sight, (&row, Some(sent)), &patients, &mut page.events)?;
            }
        }
        loop {
            if !counts && page.events.len() > wanted {
                page.events.truncate(wanted);
                page.next = page.events.last().map(|event| (event.position, event.number));
                return Ok(page);
            }
            let rows = sight.traces(&window)?;
            for row in &rows {
                self.take(catalogue, sight, (row, None), &patients, &mut page.events)?;
                if counts {
                    matches += u64::try_from(page.events.len()).unwrap_or(u64::MAX);
                    page.events.clear();
                } else if page.events.len() > wanted {
                    break;
                }
            }
            seen += rows.len();
            window.after = rows.last().map(|row| row.position);
            if !counts && page.events.len() > wanted {
                continue;
            }
            if rows.len() < window.limit {
                page.total = counts.then_some(matches);
                return Ok(page);
            }
            if seen >= MOST_ROWS {
                if counts {
                    let text = "so much of the trace cannot be counted; name a patient or a time";
                    return Err(Failure::new(FailureKind::TooCostly, text).into());
                }
                page.next = rows.last().map(|row| (row.position, usize::MAX));
                let text = "the page ends early; its next link goes on through the trace";
                page.notes.push(Issue::information(IssueType::Informational, text));
                return Ok(page);
            }
        }
    }

    /// Adds the events of a row that are found, behind the one with the number `sent`.
    fn take(
        &self,
        catalogue: &Catalogue,
        sight: &mut Sight<'_>,
        (row, sent): (&StoredTrace, Option<usize>),
        patients: &[BTreeSet<i64>],
        out: &mut Vec<Event>,
    ) -> Result<(), ReadFailure> {
        for event in events(row) {
            let is_sent = sent.is_some_and(|sent| event.number <= sent);
            let keys = event.patient.as_ref().map_or_else(Vec::new, |(name, identifiers)| {
                patient_keys(&catalogue.hasher, name, identifiers)
            });
            let is_theirs = |set: &BTreeSet<i64>| keys.iter().any(|key| set.contains(key));
            if is_sent || !patients.iter().all(is_theirs) {
                continue;
            }
            let found = indexed(catalogue, &event)?;
            if self.query.holds(&found, &mut Stored(&mut *sight))? {
                out.push(event);
            }
        }
        Ok(())
    }

    /// Where rows are looked for.
    fn window(&self, catalogue: &Catalogue, patients: &[BTreeSet<i64>]) -> TraceWindow {
        let mut window =
            TraceWindow { newest_first: self.newest_first, limit: CHUNK, ..TraceWindow::default() };
        let mut sets: Vec<Vec<i64>> =
            patients.iter().map(|set| set.iter().copied().collect()).collect();
        for predicate in &self.query.predicates {
            let references = predicate.any.iter().map(|each| {
                let Match::Row(RowMatch::Reference { p, targets }) = each else { return None };
                (Some(*p) == catalogue.patient).then(|| targets.clone())
            });
            if let Some(targets) = references.collect::<Option<Vec<_>>>() {
                sets.push(targets.concat());
            }
            if let [one] = predicate.any.as_slice() {
                let when = if let Match::LastUpdated(when) = one {
                    Some(when)
                } else if let Match::Row(RowMatch::Date { p, when }) = one {
                    Some(when).filter(|_| catalogue.dates.contains(p))
                } else {
                    None
                };
                if let Some(when) = when {
                    narrow(&mut window, when);
                }
            }
        }
        window.keys = sets.into_iter().min_by_key(Vec::len);
        window
    }

    fn write(&self, app: &App, request: &Request, page: &Page) -> Result<Vec<u8>, Failure> {
        let base = format!("{}/trace", request.base);
        let shown = if self.is_posted { "" } else { &query_string::query(&self.query.applied) };
        let url = |sealed: Option<&str>| {
            let sealed = sealed.map(|text| format!("{}={text}", cursor::PARAMETER));
            let parts = [Some(shown.to_owned()).filter(|it| !it.is_empty()), sealed];
            let query: Vec<String> = parts.into_iter().flatten().collect();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{base}/AuditEvent{mark}{}", query.join("&"))
        };
        let own = match &self.sealed {
            None if self.is_posted => format!("{base}/AuditEvent/_search"),
            sealed => url(sealed.as_deref()),
        };
        let mut links = vec![("self", own)];
        if let Some(after) = page.next {
            let pairs = self.is_posted.then(|| self.query.applied.clone());
            let next = TraceCursor { question: self.digest, pairs, after };
            links.push(("next", url(Some(&next.seal(app.secret())))));
        }
        let mut bundle = BundleWriter::new("searchset", page.total, &links);
        for event in &page.events {
            let stored = stored(event)?;
            bundle.begin();
            bundle.full_url(&base, &stored.key);
            bundle.stored(&stored, &self.subset)?;
            bundle.search_mode("match");
            bundle.end();
        }
        bundle.notes(&page.notes);
        Ok(bundle.finish())
    }
}

/// Narrows a window to what a date can match, with some room at the ends.
fn narrow(window: &mut TraceWindow, when: &DateMatch) {
    use Comparator as C;
    let from = Instant(when.lo.saturating_sub(SLACK_US));
    let before = Instant(when.hi.saturating_add(SLACK_US));
    if matches!(when.comparator, C::Eq | C::Gt | C::Ge | C::Sa | C::Ap) {
        window.from = Some(window.from.map_or(from, |known| known.max(from)));
    }
    if matches!(when.comparator, C::Eq | C::Lt | C::Le | C::Eb | C::Ap) {
        window.before = Some(window.before.map_or(before, |known| known.min(before)));
    }
}

fn refuse_what_is_not_done(query: &SearchQuery) -> Result<(), Failure> {
    let refused = [
        (!query.include.is_empty(), "_include"),
        (!query.revinclude.is_empty(), "_revinclude"),
        (query.contained != fhir_search::ContainedMode::False, "_contained"),
        (query.total == TotalMode::Accurate && query.count != 0, "_total"),
        (query.explain, "_explain"),
    ];
    let Some((_, name)) = refused.into_iter().find(|(is_refused, _)| *is_refused) else {
        return Ok(());
    };
    let text = format!("the trace is searched without {name}");
    Err(Failure::new(FailureKind::InvalidParameter, text).at(format!("http.{name}")))
}

fn newest_first(catalogue: &Catalogue, query: &SearchQuery) -> Result<bool, Failure> {
    let is_time = |by: &SortBy| match by {
        SortBy::LastUpdated => true,
        SortBy::Date(parameters) => parameters.iter().all(|p| catalogue.dates.contains(p)),
        SortBy::Id
        | SortBy::String(_)
        | SortBy::Number(_)
        | SortBy::Uri(_)
        | SortBy::Token(_)
        | SortBy::Reference(_) => false,
    };
    match query.sort.as_slice() {
        [] => Ok(true),
        [key] if is_time(&key.by) => Ok(key.descending),
        _ => {
            let text = "the trace is sorted by date or -date";
            Err(Failure::new(FailureKind::InvalidParameter, text).at("http._sort"))
        }
    }
}

/// `system|value` pairs of a parameter's value.
fn identifiers(value: &str) -> Result<Vec<PatientIdentifier>, Failure> {
    let wrong = || {
        let text = "expected system|value, or several with commas between";
        Failure::new(FailureKind::InvalidParameter, text).at(format!("http.{PATIENT_IDENTIFIER}"))
    };
    let pair = |text: &str| {
        let (system, value) = text.split_once('|')?;
        let is_whole = !system.is_empty() && !value.is_empty() && !text.contains('\\');
        is_whole.then(|| PatientIdentifier { system: system.to_owned(), value: value.to_owned() })
    };
    value.split(',').map(|text| pair(text).ok_or_else(wrong)).collect()
}

/// What events about somebody with one of these identifiers are found by: the identifier itself,
/// and the Patients that have it.
fn with_identifiers(
    sight: &mut Sight<'_>,
    identifiers: &[PatientIdentifier],
) -> Result<BTreeSet<i64>, ReadFailure> {
    let hasher = sight.hasher();
    let p = sight.registry().get(ResourceType::PATIENT, "identifier").map(|each| each.id);
    let mut keys = BTreeSet::new();
    for identifier in identifiers {
        let PatientIdentifier { system, value } = identifier;
        if let Some(p) = p {
            let (code, sys) = (hasher.code(value), Some(hasher.hash(system)));
            let any = vec![Match::Row(RowMatch::Token { p, code, sys })];
            let query = of_type(ResourceType::PATIENT, vec![Predicate { any }]);
            let hits = sight.search(&query, None, CHUNK)?;
            let rows: Vec<RowKey> = hits.iter().map(|hit| hit.row).collect();
            keys.extend(sight.load(&rows)?.iter().map(|stored| hasher.reference(&stored.key)));
        }
        keys.insert(hasher.identity(system, value));
    }
    Ok(keys)
}
