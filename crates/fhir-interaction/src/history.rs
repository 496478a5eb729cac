//! The history of a resource, a type or everything, newest first.
//! Spec: <https://hl7.org/fhir/R4/http.html#history>

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind, Instant, VersionId, date};
use fhir_search::Scope;
use fhir_store::{HistoryPosition, HistoryScope, HistoryWindow, Method, StoredVersion};

use crate::app::{App, ReadFailure};
use crate::cursor::{self, HistoryCursor};
use crate::page::{BundleWriter, Response};
use crate::query_string;
use crate::request::{Answer, Request};
use crate::sight::Sight;
use crate::subset::Subset;

/// One page of a history.
///
/// Takes `_count`, `_since`, `_at`, `_summary` and `_elements`; `next` links walk on to the oldest version.
///
/// # Errors
/// `NotFound` where a single resource never was, `InvalidParameter` and `UnknownParameter` for
/// parameters.
pub async fn history(
    app: &App,
    request: &Request,
    scope: HistoryScope,
    pairs: Vec<(String, String)>,
) -> Result<Answer, Failure> {
    let (interaction, resource_type) = match &scope {
        HistoryScope::Instance(key) => (Interaction::HistoryInstance, Some(key.resource_type)),
        HistoryScope::Type(resource_type) => (Interaction::HistoryType, Some(*resource_type)),
        HistoryScope::System => (Interaction::HistorySystem, None),
    };
    let permit = app.gate(request, interaction, resource_type)?;
    let question = Question::parse(app, request, scope, pairs)?;
    let page = {
        let question = question.clone();
        app.read(&permit, move |sight| question.page(sight)).await?
    };
    Ok(Answer::ok(question.write(app, request, &page)?))
}

/// Whether the parameters of a history would be taken.
///
/// # Errors
/// As [`history`] for parameters.
pub(crate) fn check(
    app: &App,
    request: &Request,
    scope: HistoryScope,
    pairs: Vec<(String, String)>,
) -> Result<(), Failure> {
    Question::parse(app, request, scope, pairs).map(|_| ())
}

/// What was asked, understood.
#[derive(Clone)]
struct Question {
    scope: HistoryScope,
    count: usize,
    subset: Subset,
    window: HistoryWindow,
    /// `_at`: versions that were current at this instant count, though they are older.
    current_at: Option<Instant>,
    after: Option<HistoryPosition>,
    /// The pairs without the cursor, for links.
    pairs: Vec<(String, String)>,
    digest: i64,
}

struct Page {
    versions: Vec<StoredVersion>,
    total: Option<u64>,
    has_more: bool,
}

impl Question {
    fn parse(
        app: &App,
        request: &Request,
        scope: HistoryScope,
        pairs: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let settings = app.settings();
        let mut count = settings.default_count;
        let mut window = HistoryWindow::default();
        let mut current_at = None;
        let mut sealed = None;
        let mut ignored = Vec::new();
        let subset = Subset::asked(app, request, searched(&scope), &pairs)?;
        for (name, value) in &pairs {
            match name.as_str() {
                "_count" => count = page_size(value, settings.max_count)?,
                "_since" => window.since = Some(since(value)?),
                "_at" => {
                    let range = range(app, value)?;
                    window.before = Some(range.1);
                    current_at = Some(range.0);
                }
                cursor::PARAMETER => sealed = Some(value.clone()),
                "_format" | "_pretty" | "_summary" | "_elements" => {}
                unknown if request.prefer.lenient || !settings.strict_search => {
                    ignored.push(unknown.to_owned());
                }
                unknown => {
                    let text = format!(
                        "a history takes _count, _since and _at; {unknown} is none of them"
                    );
                    return Err(Failure::new(FailureKind::UnknownParameter, text)
                        .at(format!("http.{unknown}")));
                }
            }
        }
        // What is ignored is left out of the links: they say what was done.
        let is_applied = |name: &String| name != cursor::PARAMETER && !ignored.contains(name);
        let pairs: Vec<_> = pairs.into_iter().filter(|(name, _)| is_applied(name)).collect();
        let digest = app.hasher().hash(&format!("{scope:?}?{}", query_string::query(&pairs)));
        let after = match sealed {
            None => None,
            Some(sealed) => {
                let cursor = HistoryCursor::open(&sealed, app.secret())?;
                if cursor.question != digest {
                    return Err(cursor::invalid());
                }
                Some(cursor.after)
            }
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Self { scope, count, subset, window, current_at, after, pairs, digest })
    }

    fn page(&self, sight: &mut Sight<'_>) -> Result<Page, ReadFailure> {
        if let HistoryScope::Instance(key) = &self.scope
            && sight.current(key)?.is_none()
        {
            let text = format!("there is no {key}");
            return Err(Failure::new(FailureKind::NotFound, text).into());
        }
        let is_counted = self.subset == Subset::Count;
        let mut versions = if is_counted { Vec::new() } else { self.walk(sight)? };
        let has_more = versions.len() > self.count;
        versions.truncate(self.count);
        let total = match (&self.scope, self.current_at) {
            (scope, None) if is_counted || matches!(scope, HistoryScope::Instance(_)) => {
                Some(sight.history_count(&self.scope, self.window)?)
            }
            _ => None,
        };
        Ok(Page { versions, total, has_more })
    }

    /// One version more than the page holds, where there is one.
    fn walk(&self, sight: &mut Sight<'_>) -> Result<Vec<StoredVersion>, ReadFailure> {
        let wanted = self.count.saturating_add(1);
        let Some(current_at) = self.current_at else {
            let after = self.after.as_ref();
            return Ok(sight.history(&self.scope, self.window, after, wanted)?);
        };
        let mut found = Vec::new();
        let mut after = self.after;
        while found.len() < wanted {
            let chunk = sight.history(&self.scope, self.window, after.as_ref(), wanted)?;
            let is_last = chunk.len() < wanted;
            after = chunk.last().map(StoredVersion::history_position).or(after);
            for version in chunk {
                if was_current(sight, &version, current_at)? {
                    found.push(version);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    fn write(&self, app: &App, request: &Request, page: &Page) -> Result<Vec<u8>, Failure> {
        let path = match &self.scope {
            HistoryScope::Instance(key) => format!("{}/{key}/_history", request.base),
            HistoryScope::Type(resource_type) => {
                format!("{}/{resource_type}/_history", request.base)
            }
            HistoryScope::System => format!("{}/_history", request.base),
        };
        let url = |extra: Option<String>| {
            let mut pairs = self.pairs.clone();
            pairs.extend(extra.map(|sealed| (cursor::PARAMETER.to_owned(), sealed)));
            let query = query_string::query(&pairs);
            if query.is_empty() { path.clone() } else { format!("{path}?{query}") }
        };
        let mut links = vec![("self", url(None))];
        if let Some(last) = page.versions.last().filter(|_| page.has_more) {
            let cursor = HistoryCursor { question: self.digest, after: last.history_position() };
            links.push(("next", url(Some(cursor.seal(app.secret())))));
        }
        let mut bundle = BundleWriter::new("history", page.total, &links);
        for version in &page.versions {
            write_version(&mut bundle, &request.base, version, &self.subset)?;
        }
        Ok(bundle.finish())
    }
}

/// Whether a version is in the period that starts at `start`, or was current when it started.
fn was_current(
    sight: &mut Sight<'_>,
    version: &StoredVersion,
    start: Instant,
) -> Result<bool, ReadFailure> {
    if version.updated >= start {
        return Ok(true);
    }
    let following = sight.version(&version.key, VersionId(version.version.0 + 1))?;
    Ok(following.is_none_or(|following| following.updated > start))
}

fn write_version(
    bundle: &mut BundleWriter,
    base: &str,
    version: &StoredVersion,
    subset: &Subset,
) -> Result<(), Failure> {
    bundle.begin();
    bundle.full_url(base, &version.key);
    bundle.stored(version, subset)?;
    let key = &version.key;
    let (method, url, status) = match version.method {
        Method::Post => ("POST", key.resource_type.as_str().to_owned(), 201),
        Method::Put if version.version.0 == 1 => ("PUT", key.to_string(), 201),
        Method::Put => ("PUT", key.to_string(), 200),
        Method::Delete => ("DELETE", key.to_string(), 204),
    };
    bundle.request(method, &url);
    bundle.response(&Response {
        status,
        version: Some(version.version),
        last_modified: Some(version.updated),
        ..Response::default()
    });
    bundle.end();
    Ok(())
}

/// Where the elements of `_elements` are looked up.
fn searched(scope: &HistoryScope) -> Scope {
    match scope {
        HistoryScope::Instance(key) => Scope::Type(key.resource_type),
        HistoryScope::Type(resource_type) => Scope::Type(*resource_type),
        HistoryScope::System => Scope::All,
    }
}

fn page_size(value: &str, max: u32) -> Result<u32, Failure> {
    match value.parse::<u32>() {
        Ok(count) => Ok(count.min(max)),
        Err(_) => {
            let text = format!("expected a whole number from 0, found \"{value}\"");
            Err(Failure::new(FailureKind::InvalidParameter, text).at("http._count"))
        }
    }
}

fn since(value: &str) -> Result<Instant, Failure> {
    value.parse().map_err(|fault: fhir_model::instant::InvalidInstant| {
        let text = format!("{fault}; found \"{value}\"");
        Failure::new(FailureKind::InvalidParameter, text).at("http._since")
    })
}

/// The period that a date of any precision stands for.
fn range(app: &App, value: &str) -> Result<(Instant, Instant), Failure> {
    match date::instants(value, app.zone()) {
        Ok(range) => Ok((Instant(range.start), Instant(range.end))),
        Err(fault) => {
            let text = format!("{fault}; found \"{value}\"");
            Err(Failure::new(FailureKind::InvalidParameter, text).at("http._at"))
        }
    }
}
