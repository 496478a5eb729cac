//! The URL of asynchronous work: how far it is, its result, and its end on demand.
//! Spec: <https://hl7.org/fhir/R4/async.html#3.1.6.5>

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, StatusCode};
use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_model::{Failure, FailureKind, Instant};

use super::exchange::{Exchange, Form, Head};
use super::jobs::{self, Progress};
use super::{State, reply};

static PROGRESS: HeaderName = HeaderName::from_static("x-progress");
static APPLIED: HeaderName = HeaderName::from_static("preference-applied");

const ALLOW: &str = "GET, HEAD, DELETE, OPTIONS";

/// After how many seconds it makes sense to ask again.
const ASK_AGAIN_S: u64 = 1;

/// The reply to a request that was put in line.
pub(crate) fn accepted(exchange: &Exchange<'_>, id: &str) -> HttpResponse {
    let url = format!("{}{}{id}", exchange.base(), jobs::PATH);
    HttpResponse::Accepted()
        .insert_header((header::CONTENT_LOCATION, url))
        .insert_header((APPLIED.clone(), "respond-async"))
        .finish()
}

/// Answers the URL of some asynchronous work.
///
/// # Errors
/// `NotFound` where there is none with this id, and what is wrong with query and `Accept`.
pub(crate) fn answer(
    state: &State,
    head: Head<'_>,
    (caller, record): (Caller, Record),
    id: &str,
) -> Result<HttpResponse, Failure> {
    if head.method == Method::OPTIONS {
        return Ok(reply::options(ALLOW));
    }
    if head.method == Method::DELETE {
        return if state.jobs.cancel(&caller, id) {
            Ok(HttpResponse::Accepted().finish())
        } else {
            Err(nothing())
        };
    }
    if ![Method::GET, Method::HEAD].contains(head.method) {
        return Ok(reply::method_not_allowed(Form::of_faulty(&head), ALLOW));
    }
    let exchange = Exchange::open(state, head, (caller, record), false)?;
    let progress = match state.jobs.progress(&exchange.caller, id).ok_or_else(nothing)? {
        Progress::Waiting => "waiting".to_owned(),
        Progress::Running(seconds) => format!("running for {seconds} s"),
        Progress::Done(bundle, left_s) => {
            let mut reply = HttpResponse::build(StatusCode::OK);
            if let Some(expires) = expires(state.store.now(), left_s) {
                reply.insert_header((header::EXPIRES, expires));
            }
            return Ok(reply::write(reply, exchange.form(), bundle.to_vec()));
        }
    };
    Ok(HttpResponse::Accepted()
        .insert_header((PROGRESS.clone(), progress))
        .insert_header((header::RETRY_AFTER, ASK_AGAIN_S.to_string()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

fn expires(now: Instant, left_s: u64) -> Option<String> {
    let now_s = u64::try_from(now.seconds()).ok()?;
    reply::http_date_of(now_s.checked_add(left_s)?)
}

fn nothing() -> Failure {
    let text = "there is no such asynchronous work: it was cancelled, its result was kept as long \
                as results are kept, or the server was started again";
    Failure::new(FailureKind::NotFound, text)
}
