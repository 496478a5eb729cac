//! The parameters of a history, understood.

use fhir_model::{Failure, FailureKind, Id, Instant, date};
use fhir_search::Scope;
use fhir_store::{ChangeCursor, HistoryPosition, HistoryScope, HistoryWindow};

use crate::app::App;
use crate::cursor::{self, HistoryCursor, Walked};
use crate::query_string;
use crate::request::Request;
use crate::subset::Subset;

/// The parameters that a history has once.
const SINGLE: [&str; 6] = ["_count", "_since", "_at", "_sort", "_list", cursor::PARAMETER];

/// What was asked.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) scope: HistoryScope,
    pub(super) count: usize,
    pub(super) subset: Subset,
    pub(super) window: HistoryWindow,
    /// `_list`: only what this List refers to.
    pub(super) list: Option<Id>,
    pub(super) order: Order,
    /// The cursor as it came.
    pub(super) sealed: Option<String>,
    /// The pairs without the cursor, for links.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) digest: i64,
}

/// In which order, and from where.
#[derive(Clone, Copy)]
pub(super) enum Order {
    NewestFirst(Option<HistoryPosition>),
    /// In the order of changes.
    OldestFirst(Option<ChangeCursor>),
}

impl Question {
    pub(super) fn parse(
        app: &App,
        request: &Request,
        scope: HistoryScope,
        pairs: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let settings = app.settings();
        let mut count = settings.default_count;
        let mut window = HistoryWindow::default();
        let (mut list, mut sealed, mut is_oldest_first) = (None, None, false);
        let mut ignored = Vec::new();
        let mut subset = Subset::asked(app, request, searched(&scope), &pairs)?;
        refuse_repeated(&pairs)?;
        for (name, value) in &pairs {
            match name.as_str() {
                "_count" => count = page_size(value, settings.max_count)?,
                "_since" => window.since = Some(since(value)?),
                "_at" => {
                    let (start, end) = period(app, value)?;
                    window.before = Some(end);
                    window.current_at = Some(start);
                }
                "_sort" => is_oldest_first = sort(value)?,
                "_list" => list = Some(list_id(value)?),
                cursor::PARAMETER => sealed = Some(value.clone()),
                "_format" | "_pretty" | "_summary" | "_elements" => {}
                unknown if request.prefer.lenient || !settings.strict_search => {
                    ignored.push(unknown.to_owned());
                }
                unknown => return Err(unknown_parameter(unknown)),
            }
        }
        if count == 0 {
            subset = Subset::Count;
        }
        // What is ignored is left out of the links: they say what was done.
        let is_applied = |name: &String| name != cursor::PARAMETER && !ignored.contains(name);
        let pairs: Vec<_> = pairs.into_iter().filter(|(name, _)| is_applied(name)).collect();
        let digest = app.hasher().hash(&format!("{scope:?}?{}", query_string::query(&pairs)));
        let order = order(app, sealed.as_deref(), digest, is_oldest_first)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Self { scope, count, subset, window, list, order, sealed, pairs, digest })
    }
}

fn order(
    app: &App,
    sealed: Option<&str>,
    digest: i64,
    is_oldest_first: bool,
) -> Result<Order, Failure> {
    let after = match sealed {
        None => None,
        Some(sealed) => {
            let cursor = HistoryCursor::open(sealed, app.secret())?;
            if cursor.question != digest {
                return Err(cursor::invalid());
            }
            Some(cursor.after)
        }
    };
    match (is_oldest_first, after) {
        (false, None) => Ok(Order::NewestFirst(None)),
        (false, Some(Walked::Down(position))) => Ok(Order::NewestFirst(Some(position))),
        (true, None) => Ok(Order::OldestFirst(None)),
        (true, Some(Walked::Up(place))) => Ok(Order::OldestFirst(Some(place))),
        (false, Some(Walked::Up(_))) | (true, Some(Walked::Down(_))) => Err(cursor::invalid()),
    }
}

/// Where the elements of `_elements` are looked up.
fn searched(scope: &HistoryScope) -> Scope {
    match scope {
        HistoryScope::Instance(key) => Scope::Type(key.resource_type),
        HistoryScope::Type(resource_type) => Scope::Type(*resource_type),
        HistoryScope::System | HistoryScope::Listed(_) => Scope::All,
    }
}

fn refuse_repeated(pairs: &[(String, String)]) -> Result<(), Failure> {
    for name in SINGLE {
        if pairs.iter().filter(|(known, _)| known == name).count() > 1 {
            return Err(invalid(name, "expected once, found more than once"));
        }
    }
    Ok(())
}

fn unknown_parameter(name: &str) -> Failure {
    let shown: String = name.chars().take(64).collect();
    let text = format!(
        "a history takes _since, _at, _list, _count, _sort, _summary and _elements; {shown} is \
         none of them"
    );
    Failure::new(FailureKind::UnknownParameter, text).at(format!("http.{shown}"))
}

fn page_size(value: &str, max: u32) -> Result<u32, Failure> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<u32>() {
        Ok(count) => Ok(count.min(max)),
        // More than fits is more than the most.
        Err(_) if is_number => Ok(max),
        Err(_) => Err(invalid("_count", "expected a whole number from 0")),
    }
}

fn since(value: &str) -> Result<Instant, Failure> {
    value.parse().map_err(|_fault: fhir_model::instant::InvalidInstant| {
        invalid("_since", "expected an instant with seconds and zone, as 2026-01-05T12:00:00Z")
    })
}

/// Whether the oldest version comes first.
fn sort(value: &str) -> Result<bool, Failure> {
    match value {
        "-_lastUpdated" => Ok(false),
        "_lastUpdated" => Ok(true),
        _ => Err(invalid("_sort", "a history is sorted by -_lastUpdated or _lastUpdated")),
    }
}

fn list_id(value: &str) -> Result<Id, Failure> {
    value.parse().map_err(|_fault| invalid("_list", "expected the id of a List"))
}

/// The period that a date of any precision stands for.
fn period(app: &App, value: &str) -> Result<(Instant, Instant), Failure> {
    match date::instants(value, app.zone()) {
        Ok(range) => Ok((Instant(range.start), Instant(range.end))),
        Err(_) => Err(invalid("_at", "expected a date or a date and time of any precision")),
    }
}

fn invalid(name: &str, text: &str) -> Failure {
    Failure::new(FailureKind::InvalidParameter, text).at(format!("http.{name}"))
}
