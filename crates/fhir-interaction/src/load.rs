//! Loading of documents that come from files instead of requests.
//!
//! A resource is put under its own id, transactions and batches are run, other Bundles are
//! stored. The loader's mark commits together with the data, so that a load that is stopped
//! anywhere goes on where it was. Loading the same again changes nothing.

use fhir_access::Interaction;
use fhir_definitions::ResourceType;
use fhir_model::{Body, Failure, FailureKind, Id, Issue, IssueType, Resource, ResourceKey, Value};
use fhir_search::ValueHasher;
use fhir_store::{Change, JournalRow, Preconditions, WriteGroup};

use crate::app::{App, WriteFailure};
use crate::request::Request;
use crate::{bundle, check, write};

/// What became of a document that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// The resource is new.
    Created,
    /// The resource has a new version.
    Updated,
    /// The store holds an equal resource already.
    Unchanged,
    /// A transaction or batch ran; with the failures of the batch's entries.
    Executed(Vec<Failure>),
}

/// Loads one document and leaves the mark in the same commit.
///
/// # Errors
/// Why the document is refused, or `Unavailable`, `Timeout` and `Bug` where the store failed and
/// nothing is said about the document.
pub async fn load(
    app: &App,
    request: &Request,
    resource: &Resource,
    mark: JournalRow,
) -> Result<Loaded, Failure> {
    if bundle::is_executable(resource) {
        let answer = bundle::run(app, request, resource, Some(mark)).await?;
        let answer = Resource::trusted(answer.body.unwrap_or_default())?;
        return Ok(Loaded::Executed(refused_entries(&answer)));
    }
    let resource_type = resource.resource_type();
    let permit = app.gate(request, Interaction::Update, Some(resource_type))?;
    let view = resource.view();
    check::checked(app, request, &permit, view, resource_type, None).await?;
    let id = resource.id().unwrap_or_else(|| content_id(resource));
    let key = ResourceKey::new(resource_type, id);
    let op = write::put(app, key.clone(), view, Preconditions::default());
    let group = WriteGroup { ops: vec![op], journal: Some(mark), ..WriteGroup::default() };
    let written = match app.write(&permit, group).await {
        Ok(results) => results.into_iter().next(),
        Err(WriteFailure::Refused { fault, .. }) => Some(Err(fault)),
        Err(WriteFailure::Store(failure)) => return Err(failure),
    };
    match written {
        Some(Ok(written)) => Ok(match written.change {
            Change::Created => Loaded::Created,
            Change::Updated => Loaded::Updated,
            Change::Unchanged | Change::Existing | Change::Deleted | Change::NothingToDelete => {
                Loaded::Unchanged
            }
        }),
        Some(Err(fault)) => Err(write::write_fault(&key, &fault)),
        None => Err(Failure::new(FailureKind::Bug, "the store gave no answer")),
    }
}

/// The positions of `file` whose documents are in the store.
///
/// # Errors
/// What the gate refuses, or the store's own failure.
pub async fn loaded(app: &App, request: &Request, file: String) -> Result<Vec<i64>, Failure> {
    let permit = app.gate(request, Interaction::Update, None)?;
    app.read(&permit, move |sight| Ok(sight.journal(&file)?)).await
}

/// Why resources of this type cannot be loaded; none for most.
#[must_use]
pub fn refusal(resource_type: ResourceType) -> Option<Failure> {
    check::storable(resource_type).err()
}

/// The id under which a resource without one is loaded: a digest of its type and content, so that
/// the same content is the same resource, wherever and how often it is loaded from.
#[must_use]
pub fn content_id(resource: &Resource) -> Id {
    let body = Body::from_view(resource.view(), None);
    digest_id(resource.resource_type().as_str(), &String::from_utf8_lossy(body.as_bytes()))
}

/// The id of what one entry of a loaded Bundle creates; `content` is the Bundle's own digest.
pub(crate) fn entry_id(content: &Id, index: usize) -> Id {
    digest_id(content.as_str(), &index.to_string())
}

fn digest_id(name: &str, content: &str) -> Id {
    let digest = |key: u8| ValueHasher::new(&[key; 16]).pair(name, content);
    let text = format!("{:016x}{:016x}", digest(1), digest(2));
    #[expect(clippy::expect_used, reason = "32 hexadecimal digits are an id")]
    text.parse().expect("32 hexadecimal digits are a legal id")
}

/// The failures in the answer to a batch, each naming its entry.
#[must_use]
pub fn refused_entries(answer: &Resource) -> Vec<Failure> {
    let entries = answer.view().value.get("entry");
    let failures = entries.into_iter().flat_map(Value::items).enumerate().map(|(index, entry)| {
        let response = entry.get("response")?;
        let status = response.get("status")?.text()?;
        if !status.starts_with(['4', '5']) {
            return None;
        }
        let issues = response.get("outcome").and_then(|outcome| outcome.get("issue"));
        let issues: Vec<Issue> = issues.into_iter().flat_map(Value::items).map(issue).collect();
        let text = format!("Bundle.entry[{index}] answered {status}");
        let mut failure =
            Failure::new(FailureKind::InvalidResource, text).at(format!("Bundle.entry[{index}]"));
        failure.issues.extend(issues);
        Some(failure)
    });
    failures.flatten().collect()
}

/// An issue of an OperationOutcome as far as a report tells it.
fn issue(value: Value<'_>) -> Issue {
    let text = |name: &str| value.get(name).and_then(Value::text);
    let expression = value.get("expression").and_then(|list| list.items().next()?.text());
    let mut issue =
        Issue::error(IssueType::Processing, text("diagnostics").unwrap_or_default().into_owned());
    issue.expression = expression.map(std::borrow::Cow::into_owned);
    issue
}
