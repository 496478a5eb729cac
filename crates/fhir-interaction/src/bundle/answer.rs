//! `Bundle.entry` of the answers.

use fhir_model::Failure;

use crate::app::App;
use crate::bundle::entry::{Get, Target};
use crate::page::{BundleWriter, Response};
use crate::request::{Answer, Request};
use crate::{capabilities, history, read, search};

/// What one entry came to.
pub(crate) type Answered = Result<Answer, Failure>;

/// Writes the Bundle of responses, in the order of the entries.
pub(crate) fn write(kind: &str, answers: &[Answered]) -> Vec<u8> {
    let mut bundle = BundleWriter::new(kind, None, &[]);
    for answer in answers {
        bundle.begin();
        match answer {
            Ok(answer) => write_answer(&mut bundle, answer),
            Err(failure) => bundle.response(&Response {
                status: failure.status(),
                outcome: Some(&failure.outcome_json()),
                ..Response::default()
            }),
        }
        bundle.end();
    }
    bundle.finish()
}

fn write_answer(bundle: &mut BundleWriter, answer: &Answer) {
    let outcome = answer.body.as_deref().filter(|body| is_outcome(body));
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
pub(crate) async fn get(app: &App, request: &Request, get: &Get) -> Answered {
    let mut answer = match get.target.clone() {
        Target::Read(key, pairs) => read::read(app, request, &key, &pairs).await?,
        Target::VRead(key, version, pairs) => {
            read::vread(app, request, &key, version, &pairs).await?
        }
        Target::History(scope, pairs) => history::history(app, request, scope, pairs).await?,
        Target::Search(scope, pairs) => search::search(app, request, scope, pairs, false).await?,
        Target::Capabilities => capabilities::capabilities(app, request)?,
    };
    let is_same = get.if_none_match.is_some() && get.if_none_match == answer.version;
    let is_unchanged = match (get.if_none_match, get.if_modified_since, answer.last_modified) {
        (None, Some(since), Some(modified)) => modified <= since,
        _ => false,
    };
    if is_same || is_unchanged {
        answer.status = 304;
        answer.body = None;
    }
    if get.is_head {
        answer.body = None;
    }
    Ok(answer)
}
