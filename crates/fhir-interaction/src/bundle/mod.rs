//! Batches and transactions: `POST [base]` with a Bundle.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>
//!
//! Entries become the same values that single requests make (`asked`, `entry`) and are checked,
//! built and answered by the same functions. A transaction answers what its entries are
//! conditional on (`question`), decides what each comes to (`fate`), refuses entries that mean the
//! same resource (`overlap`), rewrites references (`reference`) and hands everything to the store
//! as one atomic group (`plan`). A batch hands its plain writes over together, each on its own,
//! and runs what is conditional like single requests. Reads run after the writes.

pub(crate) mod answer;
mod asked;
mod batch;
mod entry;
mod fate;
mod full_url;
mod overlap;
mod own;
mod plan;
mod question;
mod reference;
mod transaction;

use fhir_access::{Interaction, Permit};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Id, Issue, Limits, Resource, check};
use fhir_store::JournalRow;

use crate::app::App;
use crate::load;
use crate::request::{Answer, Request};

/// Runs a transaction or a batch; the answer is the Bundle of responses.
///
/// # Errors
/// For a transaction the first fault or all faults of its entries, each naming its entry
/// (`Bundle.entry[3]`); nothing is stored then. For a batch only what is wrong with the Bundle as
/// a whole: its entries answer for themselves.
pub async fn bundle(app: &App, request: &Request, bundle: Resource) -> Result<Answer, Failure> {
    run(app, request, &bundle, None).await
}

/// Runs a Bundle and leaves a loader's mark in the same commit.
///
/// What a loaded Bundle creates gets ids that depend on the Bundle's content alone, so that a load
/// that is stopped and started again ends in the same ids, in any database.
pub(crate) async fn run(
    app: &App,
    request: &Request,
    bundle: &Resource,
    journal: Option<JournalRow>,
) -> Result<Answer, Failure> {
    let kind = kind(bundle)?;
    let content = journal.as_ref().map(|_| load::content_id(bundle));
    match kind {
        Kind::Transaction => {
            let permit = app.gate(request, Interaction::Transaction, None)?;
            let running = Running { app, request, permit: &permit, content: content.as_ref() };
            transaction::run(running, bundle, journal).await
        }
        Kind::Batch => {
            let permit = app.gate(request, Interaction::Batch, None)?;
            let app = &app.unnamed();
            let running = Running { app, request, permit: &permit, content: content.as_ref() };
            batch::run(running, bundle, journal).await
        }
    }
}

/// What a Bundle runs with.
#[derive(Clone, Copy)]
struct Running<'a> {
    app: &'a App,
    request: &'a Request,
    permit: &'a Permit,
    /// The digest of the Bundle, where it is loaded and not sent.
    content: Option<&'a Id>,
}

impl Running<'_> {
    /// The id of what the entry at `index` creates.
    fn new_id(&self, person: i64, index: usize) -> Id {
        match self.content {
            None => self.app.new_id(person),
            Some(content) => load::entry_id(content, index),
        }
    }
}

/// Parses a Bundle that was sent to be run.
///
/// A transaction is checked as a whole, like any other body. In a batch every entry stands for
/// itself, so faults inside the resources of its entries are left to be told by the entries.
///
/// # Errors
/// `MalformedBody` and `TooLarge`, as [`Resource::from_json`].
pub fn parse(source: Vec<u8>, limits: &Limits) -> Result<Resource, Failure> {
    let failure = match Resource::from_json(source.clone(), limits) {
        Ok(resource) => return Ok(resource),
        Err(failure) => failure,
    };
    let is_in_entry = |issue: &Issue| {
        let place = issue.expression.as_deref().unwrap_or_default();
        let entry = place.strip_prefix("Bundle.entry[").and_then(|rest| rest.split_once(']'));
        entry.is_some_and(|(_, rest)| rest.starts_with(".resource"))
    };
    let is_complete = failure.issues.len() < check::MAX_FAULTS;
    if failure.kind != FailureKind::MalformedBody
        || !is_complete
        || !failure.issues.iter().all(is_in_entry)
    {
        return Err(failure);
    }
    // Syntax and limits were passed, or the faults would have no such places.
    let bundle = Resource::trusted(source)?;
    match kind(&bundle) {
        Ok(Kind::Batch) => Ok(bundle),
        Ok(Kind::Transaction) | Err(_) => Err(failure),
    }
}

/// A Bundle of type batch-response that tells what requests came to, for whoever asks later.
#[must_use]
pub fn of_answers(answers: &[Result<Answer, Failure>]) -> Vec<u8> {
    let told: Vec<_> = answers.iter().cloned().map(answer::Told::wrote).collect();
    answer::write("batch-response", &told)
}

/// Whether a resource is a Bundle that is to be run rather than stored.
#[must_use]
pub fn is_executable(resource: &Resource) -> bool {
    kind(resource).is_ok()
}

enum Kind {
    Transaction,
    Batch,
}

fn kind(bundle: &Resource) -> Result<Kind, Failure> {
    if bundle.resource_type() != ResourceType::BUNDLE {
        let text = format!("expected a Bundle, found {}", bundle.resource_type());
        return Err(Failure::new(FailureKind::InvalidParameter, text));
    }
    let kind = bundle.view().value.get("type").and_then(|value| value.text());
    match kind.as_deref() {
        Some("transaction") => Ok(Kind::Transaction),
        Some("batch") => Ok(Kind::Batch),
        other => {
            let text = format!(
                "expected a Bundle of type transaction or batch, found {}",
                other.unwrap_or("no type")
            );
            Err(Failure::new(FailureKind::InvalidParameter, text).at("Bundle.type"))
        }
    }
}
