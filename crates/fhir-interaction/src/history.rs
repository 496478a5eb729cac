//! The history of a resource, a type or everything: newest first, or oldest first for whoever
//! follows the changes. Spec: <https://hl7.org/fhir/R4/http.html#history>

mod by_value;
mod question;

use fhir_access::Interaction;
use fhir_model::{Failure, FailureKind};
use fhir_store::{HistoryScope, Method, StoredVersion};

use crate::app::{App, ReadFailure};
use crate::cursor::{self, HistoryCursor, Walked};
use crate::page::{BundleWriter, Response};
use crate::query_string;
use crate::request::{Answer, Request};
use crate::sight::Sight;
use crate::subset::Subset;
use crate::tree;
pub use by_value::history_by_values;
use question::{Order, Question};

/// One page of a history.
///
/// Takes `_since`, `_at`, `_list`, `_count`, `_sort`, `_summary` and `_elements`. Newest first is
/// the default; `next` links walk on to the oldest version. With `_sort=_lastUpdated` the page
/// comes in the order of changes and always has a `next` link: a page with fewer entries than
/// `_count` has all there is for now, and the same link is asked again later. Nothing that is
/// committed in between is missed, whatever runs beside it.
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
        HistoryScope::System | HistoryScope::Listed(_) => (Interaction::HistorySystem, None),
    };
    let permit = app.gate(request, interaction, resource_type)?;
    permit.trace().asked(|| format!("{}?{}", path(&scope), query_string::query(&pairs)));
    if let HistoryScope::Instance(key) = &scope {
        permit.trace().about(key, None);
    }
    let question = Question::parse(app, request, scope, pairs)?;
    let page = {
        let (question, base) = (question.clone(), request.base.clone());
        app.read(&permit, move |sight| question.page(sight, &base)).await?
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

struct Page {
    versions: Vec<StoredVersion>,
    total: Option<u64>,
    /// Where the next page starts.
    next: Option<Walked>,
}

impl Question {
    fn page(&self, sight: &mut Sight<'_>, base: &str) -> Result<Page, ReadFailure> {
        if let HistoryScope::Instance(key) = &self.scope
            && sight.current(key)?.is_none()
        {
            let text = format!("there is no {key}");
            return Err(Failure::new(FailureKind::NotFound, text).into());
        }
        let scope = self.whose(sight, base)?;
        if self.subset == Subset::Count {
            let total = Some(sight.history_count(&scope, self.window)?);
            return Ok(Page { versions: Vec::new(), total, next: None });
        }
        match self.order {
            Order::OldestFirst(after) => {
                let changes = sight.changes_since(&scope, self.window, after, self.count)?;
                let next = Some(Walked::Up(changes.end));
                Ok(Page { versions: changes.versions, total: None, next })
            }
            Order::NewestFirst(after) => {
                // One version more than the page holds, where there is one.
                let wanted = self.count.saturating_add(1);
                let mut versions = sight.history(&scope, self.window, after.as_ref(), wanted)?;
                let has_more = versions.len() > self.count;
                versions.truncate(self.count);
                let last = versions.last().filter(|_| has_more);
                let next = last.map(|last| Walked::Down(last.history_position()));
                let total = match &self.scope {
                    HistoryScope::Instance(_) => Some(sight.history_count(&scope, self.window)?),
                    HistoryScope::Type(_) | HistoryScope::System | HistoryScope::Listed(_) => None,
                };
                Ok(Page { versions, total, next })
            }
        }
    }

    /// The scope, narrowed to what the List of `_list` refers to.
    fn whose(&self, sight: &mut Sight<'_>, base: &str) -> Result<HistoryScope, ReadFailure> {
        let Some(list) = &self.list else { return Ok(self.scope.clone()) };
        let listed = tree::listed_versions(sight, base, list)?.into_iter();
        let is_meant = |(key, _): &(fhir_model::ResourceKey, _)| match &self.scope {
            HistoryScope::Instance(own) => own == key,
            HistoryScope::Type(resource_type) => key.resource_type == *resource_type,
            HistoryScope::System | HistoryScope::Listed(_) => true,
        };
        Ok(HistoryScope::Listed(listed.filter(is_meant).collect()))
    }

    fn write(&self, app: &App, request: &Request, page: &Page) -> Result<Vec<u8>, Failure> {
        let path = format!("{}/{}", request.base, path(&self.scope));
        let url = |sealed: Option<String>| {
            let mut pairs = self.pairs.clone();
            pairs.extend(sealed.map(|sealed| (cursor::PARAMETER.to_owned(), sealed)));
            let query = query_string::query(&pairs);
            if query.is_empty() { path.clone() } else { format!("{path}?{query}") }
        };
        let mut links = vec![("self", url(self.sealed.clone()))];
        if let Some(after) = page.next {
            let cursor = HistoryCursor { question: self.digest, after };
            links.push(("next", url(Some(cursor.seal(app.secret())))));
        }
        let mut bundle = BundleWriter::new("history", page.total, &links);
        for version in &page.versions {
            write_version(&mut bundle, &request.base, version, &self.subset)?;
        }
        Ok(bundle.finish())
    }
}

/// Below the FHIR root.
fn path(scope: &HistoryScope) -> String {
    match scope {
        HistoryScope::Instance(key) => format!("{key}/_history"),
        HistoryScope::Type(resource_type) => format!("{resource_type}/_history"),
        HistoryScope::System | HistoryScope::Listed(_) => "_history".to_owned(),
    }
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
        Method::PutAfterDelete => ("PUT", key.to_string(), 201),
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
