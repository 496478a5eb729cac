//! Who a request says it comes from, and the answer where that isn't believed.
//! Spec: <https://www.rfc-editor.org/rfc/rfc6750>

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use fhir_access::Caller;
use fhir_model::{Failure, FailureKind};
use fhir_security::certificate::Certificate;

use super::exchange::{Form, Head};
use super::{State, reply};
use crate::access::Refused;

/// Who asks. Nobody is asked on a server without access settings.
///
/// # Errors
/// Why that isn't known.
pub(crate) async fn of(
    state: &State,
    head: &Head<'_>,
    certificate: Option<&Certificate>,
) -> Result<Caller, Refused> {
    refuse_token_in_url(head)?;
    if !state.guard.is_required() {
        return Ok(Caller::everyone());
    }
    let token = token(head)?;
    let now_s = u64::try_from(state.store.now().seconds()).unwrap_or(0);
    state.guard.caller(token, certificate, now_s).await
}

/// URLs land in logs, histories and `Referer`s.
fn refuse_token_in_url(head: &Head<'_>) -> Result<(), Refused> {
    let query = head.uri.query().unwrap_or("");
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or(""));
    let is_token = |name: &str| {
        name == "access_token"
            || super::text::decode_percent(name, true).is_ok_and(|name| name == "access_token")
    };
    if names.any(is_token) {
        return Err(Refused::Request(
            "a token comes in the Authorization header, never in the URL",
        ));
    }
    Ok(())
}

/// The bearer token.
fn token<'a>(head: &Head<'a>) -> Result<Option<&'a str>, Refused> {
    let mut given = head.headers.get_all(header::AUTHORIZATION);
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Refused::Request("there is more than one Authorization header"));
    }
    let text = first.to_str().map_err(|_error| {
        Refused::Request("the Authorization header has characters that no token has")
    })?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused::Missing);
    }
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_legal) {
        return Err(Refused::Request("behind Bearer comes one blank and a token"));
    }
    Ok(Some(token))
}

/// The answer to a request of somebody whom nobody knows.
pub(crate) fn refused(state: &State, head: &Head<'_>, why: &Refused) -> HttpResponse {
    let kind = match why {
        Refused::Request(_) => FailureKind::InvalidParameter,
        Refused::Unavailable => FailureKind::Unavailable,
        Refused::Missing
        | Refused::Token(_)
        | Refused::Unbound
        | Refused::Inactive
        | Refused::Nobody => FailureKind::Unauthenticated,
    };
    if let Refused::Token(error) = why {
        tracing::info!(token.refused = error.code(), "a token was refused");
    }
    let mut failure = Failure::new(kind, why.to_string()).at("http.Authorization");
    if kind == FailureKind::Unavailable {
        failure.retry_after_s = Some(1);
    }
    let has_body = state.guard.settings().has_failure_body || why.code() != Some("invalid_token");
    let mut reply = if has_body {
        reply::failure(Form::of_faulty(head), &failure)
    } else {
        HttpResponse::Unauthorized().finish()
    };
    if let Some(code) = why.code() {
        let challenge = format!("Bearer error=\"{code}\", error_description=\"{why}\"");
        reply::set(&mut reply, header::WWW_AUTHENTICATE, &challenge);
    }
    reply
}

/// What browsers must be told of every answer, whatever it is.
pub(crate) fn harden(state: &State, reply: &mut HttpResponse) {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let headers = reply.headers_mut();
    for (name, value) in HEADERS {
        // A page for people says itself what it may do.
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if state.network.is_tls {
        let value = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if state.guard.is_required() && !headers.contains_key(header::CACHE_CONTROL) {
        // What one caller may see is not for the next one behind the same cache.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
