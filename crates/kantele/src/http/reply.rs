//! Answers and failures as HTTP replies: the only place that turns them into headers and bytes.

use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use fhir_interaction::Answer;
use fhir_model::{Failure, FailureKind, Instant, Resource, json, xml};

use super::binary::Content;
use super::coding;
use super::exchange::{Exchange, Form};
use super::negotiate::Format;

/// The reply to a call that succeeded. Where it `may_be_native`, the answer is a Binary that goes
/// out as the content it holds, unless the client asks for the resource.
///
/// # Errors
/// `NotAcceptable` where neither suits, and `Bug` for a Binary that cannot be read.
pub(crate) fn answer(
    exchange: &Exchange<'_>,
    answer: Answer,
    may_be_native: bool,
) -> Result<HttpResponse, Failure> {
    let body = answer.body.as_deref().filter(|_| may_be_native);
    let content = body.map(|body| Content::wanted(exchange.accept.as_deref(), body)).transpose()?;
    let content = content.flatten();
    if may_be_native && content.is_none() && answer.body.is_some() {
        exchange.insist()?;
    }
    let mut reply = HttpResponseBuilder::new(status(answer.status));
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
    let form = exchange.form();
    Ok(match (content, answer.body) {
        (_, None) => {
            if answer.status == StatusCode::NOT_MODIFIED.as_u16() {
                reply.insert_header((header::VARY, VARY));
            }
            reply.finish()
        }
        (Some(content), Some(_)) => {
            let bytes = content.into_reply(&mut reply);
            send(reply, form, bytes)
        }
        (None, Some(body)) => write(reply, form, body),
    })
}

/// What a reply depends on beside its URL.
const VARY: HeaderValue = HeaderValue::from_static("accept, accept-encoding");

/// The reply to a call that failed.
pub(crate) fn failure(form: Form, failure: &Failure) -> HttpResponse {
    let mut reply = HttpResponseBuilder::new(status(failure.status()));
    if let Some(seconds) = failure.retry_after_s {
        reply.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if failure.kind == FailureKind::Unauthenticated {
        reply.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    if failure.kind == FailureKind::UnsupportedMediaType {
        reply.insert_header((header::ACCEPT_ENCODING, coding::TAKEN));
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

/// The HTTP status of what a call came to.
pub(crate) fn status_of(answered: &Result<Answer, Failure>) -> u16 {
    answered.as_ref().map_or_else(Failure::status, |answer| answer.status)
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn http_date(instant: Instant) -> Option<String> {
    http_date_of(u64::try_from(instant.seconds()).ok()?)
}

/// A date of HTTP from seconds since 1970.
pub(crate) fn http_date_of(seconds: u64) -> Option<String> {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(httpdate::fmt_http_date(time))
}

/// Writes the FHIR JSON of a body in the form of the reply.
pub(crate) fn write(mut reply: HttpResponseBuilder, form: Form, body: Vec<u8>) -> HttpResponse {
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
    let content_type = form.format.content_type(form.names_version);
    reply.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
    send(reply, form, body)
}

/// Sends bytes in the coding that the client likes best.
pub(crate) fn send(mut reply: HttpResponseBuilder, form: Form, body: Vec<u8>) -> HttpResponse {
    reply.insert_header((header::VARY, VARY));
    match (form.coding.name(), form.coding.pack(&body)) {
        (Some(name), Some(packed)) => {
            reply.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static(name)));
            reply.body(packed)
        }
        _ => reply.body(body),
    }
}
