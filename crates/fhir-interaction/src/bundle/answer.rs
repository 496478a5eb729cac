//! `Bundle.entry` of the answers.

use fhir_model::{Failure, Limits, Resource, ResourceView};

use crate::app::{App, PostOnly};
use crate::bundle::entry::{Get, Operate, Target};
use crate::operation::{self, Input};
use crate::page::{BundleWriter, Response};
use crate::request::{Answer, Request};
use crate::{capabilities, history, read, search};

/// What one entry came to.
pub(crate) enum Told {
    /// A write; the body is the resource, or an outcome.
    Wrote(Answer),
    /// A read or an operation; the body is what was asked for.
    Gave(Answer),
    Refused(Failure),
}

impl Told {
    pub(crate) fn wrote(result: Result<Answer, Failure>) -> Self {
        result.map_or_else(Self::Refused, Self::Wrote)
    }

    pub(crate) fn gave(result: Result<Answer, Failure>) -> Self {
        result.map_or_else(Self::Refused, Self::Gave)
    }
}

/// Writes the Bundle of responses, in the order of the entries.
pub(crate) fn write(kind: &str, answers: &[Told]) -> Vec<u8> {
    let mut bundle = BundleWriter::new(kind, None, &[]);
    for told in answers {
        bundle.begin();
        match told {
            Told::Wrote(answer) => {
                let outcome = answer.body.as_deref().filter(|body| is_outcome(body));
                write_answer(&mut bundle, answer, outcome);
            }
            Told::Gave(answer) => write_answer(&mut bundle, answer, None),
            Told::Refused(failure) => bundle.response(&Response {
                status: failure.status(),
                outcome: Some(&failure.outcome_json()),
                ..Response::default()
            }),
        }
        bundle.end();
    }
    bundle.finish()
}

fn write_answer(bundle: &mut BundleWriter, answer: &Answer, outcome: Option<&[u8]>) {
    if outcome.is_none()
        && let Some(body) = &answer.body
    {
        bundle.resource(body);
    }
    bundle.response(&Response {
        status: answer.status,
        location: answer.location.as_deref(),
        version: answer.version,
        last_modified: answer.last_modified,
        outcome,
    });
}

/// An outcome of the server's own; a stored OperationOutcome has an id after its type.
fn is_outcome(body: &[u8]) -> bool {
    body.starts_with(b"{\"resourceType\":\"OperationOutcome\",\"issue\"")
}

/// Whether the parameters of a search or history would be taken.
pub(crate) fn get_is_valid(app: &App, request: &Request, get: &Get) -> Result<(), Failure> {
    match get.target.clone() {
        Target::Search(scope, pairs) => search::check(app, request, scope, pairs),
        Target::History(scope, pairs) => history::check(app, request, scope, pairs),
        Target::Read(..) | Target::VRead(..) | Target::Capabilities => Ok(()),
    }
}

/// Runs a GET or HEAD with the functions of single requests.
pub(crate) async fn get(app: &App, request: &Request, get: &Get) -> Result<Answer, Failure> {
    let seen = get.seen.clone();
    let mut answer = match get.target.clone() {
        Target::Read(key, pairs) => {
            read::read_unless_seen(app, request, &key, &pairs, seen).await?
        }
        Target::VRead(key, version, pairs) => {
            read::vread_unless_seen(app, request, (&key, version), &pairs, seen).await?
        }
        Target::History(scope, pairs) => history::history(app, request, scope, pairs).await?,
        Target::Search(scope, pairs) => {
            // The criteria of an entry stand in the body of its Bundle.
            let is_posted = app.settings().post_only != PostOnly::Nothing;
            search::search(app, request, scope, pairs, is_posted).await?
        }
        Target::Capabilities => capabilities::capabilities(app, request)?,
    };
    if get.is_head {
        answer.body = None;
    }
    Ok(answer)
}

/// Runs an operation with the function of single requests.
pub(crate) async fn operate(
    app: &App,
    request: &Request,
    operate: &Operate<'_>,
) -> Result<Answer, Failure> {
    let input = Input {
        pairs: operate.pairs.clone(),
        resource: operate.view.map(owned).transpose()?,
        conditions: operate.conditions.clone(),
        is_verbatim: false,
    };
    let mut answer =
        operation::operate(app, request, &operate.called, operate.is_get, input).await?;
    if operate.is_head {
        answer.body = None;
    }
    Ok(answer)
}

/// The resource of an entry as one of its own, checked like the body of a single request.
///
/// # Errors
/// `MalformedBody`.
pub(crate) fn owned(view: ResourceView<'_>) -> Result<Resource, Failure> {
    Resource::from_json(view.value.raw().to_vec(), &Limits::default())
}
