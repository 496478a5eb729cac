//! Answers and failures as HTTP replies: the only place that turns them into headers and bytes.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder};
use fhir_interaction::Answer;
use fhir_model::{Failure, FailureKind, Instant, Resource, json, xml};

use super::conditions;
use super::exchange::{Exchange, Form};
use super::negotiate::Format;

/// Bodies below this many bytes are not worth compressing.
const LEAST_GZIP_BYTES: usize = 860;

/// The reply to a call that succeeded.
pub(crate) fn answer(exchange: &Exchange<'_>, answer: Answer) -> HttpResponse {
    let is_read = [Method::GET, Method::HEAD].contains(exchange.http.method());
    let is_known = is_read && conditions::is_known(exchange, &answer);
    let status = if is_known { StatusCode::NOT_MODIFIED } else { status(answer.status) };
    let mut reply = HttpResponseBuilder::new(status);
    if let Some(version) = answer.version {
        reply.insert_header((header::ETAG, format!("W/\"{version}\"")));
    }
    if let Some(date) = answer.last_modified.and_then(http_date) {
        reply.insert_header((header::LAST_MODIFIED, date));
    }
    if let Some(location) = &answer.location {
        let url = format!("{}/{location}", exchange.base());
        reply.insert_header((header::LOCATION, url));
    }
    if let Some(location) = &answer.content_location {
        reply.insert_header((header::CONTENT_LOCATION, format!("{}/{location}", exchange.base())));
    }
    match answer.body {
        Some(body) if !is_known => write(reply, exchange.form, body),
        Some(_) | None => reply.finish(),
    }
}

/// The reply to a call that failed.
pub(crate) fn failure(form: Form, failure: &Failure) -> HttpResponse {
    let mut reply = HttpResponseBuilder::new(status(failure.status()));
    if let Some(seconds) = failure.retry_after_s {
        reply.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    write(reply, form, failure.outcome_json())
}

/// The reply to a method that the path doesn't answer.
pub(crate) fn method_not_allowed(form: Form, allow: &'static str) -> HttpResponse {
    let text = format!("this path answers {allow}");
    let mut reply = failure(form, &Failure::new(FailureKind::MethodNotAllowed, text));
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}

/// The reply to OPTIONS.
pub(crate) fn options(allow: &'static str) -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish()
}

/// The reply to a request that may not be answered now.
pub(crate) fn unavailable(text: &str) -> Failure {
    Failure { retry_after_s: Some(1), ..Failure::new(FailureKind::Unavailable, text) }
}

/// Adds a header whose value may come from the client.
pub(crate) fn set(reply: &mut HttpResponse, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn http_date(instant: Instant) -> Option<String> {
    let seconds = u64::try_from(instant.seconds()).ok()?;
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(httpdate::fmt_http_date(time))
}

/// Writes the FHIR JSON of a body in the form of the reply.
fn write(mut reply: HttpResponseBuilder, form: Form, body: Vec<u8>) -> HttpResponse {
    let body = match (form.format, form.pretty) {
        (Format::Json, false) => body,
        (Format::Json, true) => json::pretty(&body),
        (Format::Xml, pretty) => match Resource::trusted(body) {
            Ok(resource) => xml::write(resource.view(), pretty),
            Err(_) => {
                tracing::error!("an answer of the server is no FHIR JSON");
                return HttpResponse::InternalServerError().finish();
            }
        },
    };
    let content_type = HeaderValue::from_static(form.format.content_type());
    reply.insert_header((header::CONTENT_TYPE, content_type));
    reply.insert_header((header::VARY, HeaderValue::from_static("accept, accept-encoding")));
    if form.gzip
        && body.len() >= LEAST_GZIP_BYTES
        && let Some(packed) = gzip(&body)
    {
        reply.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        return reply.body(packed);
    }
    reply.body(body)
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let room = Vec::with_capacity(body.len() / 4);
    let mut packer = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
    packer.write_all(body).ok()?;
    packer.finish().ok()
}
