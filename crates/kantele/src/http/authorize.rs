//! The embedded authorization server over HTTP: forms in, answers out.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use fhir_model::{Failure, FailureKind};

use super::body::Payload;
use super::exchange::Head;
use super::{State, reply, text};
use crate::authorize::{Answered, Asked, Authority, OAuthError, Parameters, ROOT};

/// The longest form that is read.
const MOST_BYTES: usize = 64 * 1024;

/// The server and the path below its root, where the request is for it.
pub(crate) fn of<'a>(state: &State, head: &Head<'a>) -> Option<(Arc<Authority>, &'a str)> {
    let authority = state.authority.as_ref()?;
    let path = head.uri.path().strip_prefix(ROOT)?;
    path.starts_with('/').then(|| (Arc::clone(authority), path))
}

/// Answers a request for the authorization server.
///
/// # Errors
/// A form that doesn't arrive.
pub(crate) async fn answer(
    state: &State,
    head: &Head<'_>,
    (authority, path): (Arc<Authority>, &str),
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    if *head.method == Method::OPTIONS {
        return Ok(reply::options("GET, HEAD, POST, OPTIONS"));
    }
    let parameters = match parameters(state, head, payload).await? {
        Ok(parameters) => parameters,
        Err(why) => return Ok(written(Answered::refused(why))),
    };
    let asked = Asked {
        method: head.method.as_str(),
        path,
        parameters,
        authorization: head.header(&header::AUTHORIZATION),
        origin: head.header(&header::ORIGIN),
        now_s: u64::try_from(state.store.now().seconds()).unwrap_or(0),
    };
    Ok(written(authority.answer(&asked)))
}

/// The query of a GET, and the form of a POST, whose URL has no query.
async fn parameters(
    state: &State,
    head: &Head<'_>,
    payload: Payload,
) -> Result<Result<Parameters, OAuthError>, Failure> {
    const BROKEN: OAuthError = OAuthError::Request("the parameters cannot be decoded");
    let query = head.uri.query().unwrap_or("");
    if *head.method != Method::POST {
        return Ok(text::pairs(query).map(Parameters::new).map_err(|_failure| BROKEN));
    }
    if !query.is_empty() {
        return Ok(Err(OAuthError::Request("parameters of a POST come in its form")));
    }
    let kind = head.header(&header::CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    if !kind.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Ok(Err(OAuthError::Request("a form is application/x-www-form-urlencoded")));
    }
    let bytes = match payload {
        Payload::Here(bytes) => bytes,
        Payload::Arriving(payload) => read(state, payload).await?,
    };
    let form = String::from_utf8(bytes).ok();
    let pairs = form.and_then(|form| text::pairs(form.trim()).ok());
    Ok(pairs.map(Parameters::new).ok_or(BROKEN))
}

async fn read(state: &State, payload: web::Payload) -> Result<Vec<u8>, Failure> {
    let reading = payload.to_bytes_limited(MOST_BYTES);
    match tokio::time::timeout(state.limits.body_timeout, reading).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes.into()),
        Ok(Ok(Err(_))) => Err(Failure::new(FailureKind::MalformedBody, "the form ended early")),
        Ok(Err(_)) => {
            let text = format!("the form is longer than {MOST_BYTES} bytes");
            Err(Failure::new(FailureKind::TooLarge, text))
        }
        Err(_) => Err(Failure::new(FailureKind::Timeout, "the form did not arrive in time")),
    }
}

fn written(answered: Answered) -> HttpResponse {
    let status = StatusCode::from_u16(answered.status);
    let mut reply = HttpResponseBuilder::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    reply.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    reply.insert_header((header::PRAGMA, HeaderValue::from_static("no-cache")));
    let mut reply = reply.body(answered.body);
    for (name, value) in answered.headers {
        reply::set(&mut reply, HeaderName::from_static(name), &value);
    }
    reply
}
