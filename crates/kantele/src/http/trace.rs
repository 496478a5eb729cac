//! `[base]/trace`: the trace of accesses as AuditEvents, a FHIR root of its own that is only read.

use actix_web::HttpResponse;
use actix_web::http::Method;
use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_interaction::{self as interaction, Answer};
use fhir_model::{Failure, FailureKind};

use super::body::{self, Payload};
use super::exchange::{Exchange, Form, Head};
use super::{State, reply};

const PATH: &str = "/trace";

/// What the path says behind the root of the trace; none where it is another one.
pub(super) fn below(path: &str) -> Option<&str> {
    path.strip_prefix(PATH).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a path of the trace.
///
/// # Errors
/// What the gate refuses, what is wrong with the search, and `NotFound` for other paths.
pub(super) async fn answer(
    state: &State,
    head: Head<'_>,
    who: (Caller, Record),
    rest: &str,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let allow = match rest {
        "/AuditEvent/_search" => "POST, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    };
    if head.method == Method::OPTIONS {
        return Ok(reply::options(allow));
    }
    if !allow.split(", ").any(|method| method == head.method.as_str()) {
        return Ok(reply::method_not_allowed(Form::of_faulty(&head), allow));
    }
    let exchange = Exchange::open(state, head, who, false)?;
    let answered = call(&exchange, rest, payload).await;
    let replied = answered.and_then(|answer| reply::answer(&exchange, answer, false));
    Ok(replied.unwrap_or_else(|failure| reply::failure(exchange.form(), &failure)))
}

async fn call(exchange: &Exchange<'_>, rest: &str, payload: Payload) -> Result<Answer, Failure> {
    let (app, request) = (&exchange.state.app, exchange.request());
    match rest.strip_prefix("/AuditEvent") {
        Some("" | "/") => {
            interaction::search_trace(app, &request, exchange.pairs.clone(), false).await
        }
        Some("/_search") => {
            let mut pairs = exchange.pairs.clone();
            let posted = body::form(exchange, payload).await?;
            exchange.read_form_parameters(&posted)?;
            pairs.extend(posted);
            interaction::search_trace(app, &request, pairs, true).await
        }
        Some(id) => match id.strip_prefix('/') {
            Some(id) if !id.contains('/') => {
                exchange.refuse_parameters()?;
                interaction::read_trace(app, &request, id).await
            }
            _ => Err(nothing()),
        },
        None => Err(nothing()),
    }
}

fn nothing() -> Failure {
    let text = "nothing has this path; the trace has AuditEvent, AuditEvent/_search and \
                AuditEvent/[id]";
    Failure::new(FailureKind::NotFound, text)
}
