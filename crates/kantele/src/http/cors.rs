//! Browsers: which pages of other origins are answered, and that no others change anything.
//!
//! A browser sends some requests of any page without asking first; what they would change is
//! refused here unless the page's origin is the server's own or was named by the operator.
//! Spec: <https://fetch.spec.whatwg.org/#http-cors-protocol>

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use fhir_model::{Failure, FailureKind};

use super::State;
use super::exchange::Head;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The headers that a page may send.
const HEADERS: &str = "accept, authorization, content-encoding, content-type, if-match, \
    if-modified-since, if-none-exist, if-none-match, prefer, x-request-id, x-security-context";

/// The headers that a page may see, beside those that every page sees.
const EXPOSED: &str = "content-location, etag, expires, location, preference-applied, \
    retry-after, x-progress, x-request-id, x-security-context";

/// The reply to a browser that asks whether a page may send a request.
pub(crate) fn preflight(state: &State, head: &Head<'_>) -> Option<HttpResponse> {
    let asks = head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = head.header(&header::ORIGIN)?;
    if head.method != Method::OPTIONS || !asks || !state.cors.admits(origin) {
        return None;
    }
    let mut reply = HttpResponse::NoContent();
    reply.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS));
    reply.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS));
    reply.insert_header((header::ACCESS_CONTROL_MAX_AGE, state.cors.max_age_s.to_string()));
    Some(reply.finish())
}

/// Lets the page see the reply, where its origin was named.
pub(crate) fn permit(state: &State, head: &Head<'_>, reply: &mut HttpResponse) {
    if state.cors.origins.is_empty() {
        return;
    }
    reply.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = head.headers.get(header::ORIGIN) else { return };
    if origin.to_str().is_ok_and(|text| state.cors.admits(text)) {
        let headers = reply.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = HeaderValue::from_static(EXPOSED);
        headers.insert(HeaderName::from_static("access-control-expose-headers"), exposed);
    }
}

/// Refuses to change anything for a page of an origin that nobody named.
///
/// # Errors
/// `Forbidden`.
pub(crate) fn refuse_foreign(state: &State, head: &Head<'_>) -> Result<(), Failure> {
    let Some(origin) = head.header(&header::ORIGIN) else { return Ok(()) };
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(head.method);
    if is_safe || state.cors.admits(origin) || is_own(origin, &state.base(head)) {
        return Ok(());
    }
    let text = "pages of this origin may change nothing here: the operator names the origins \
                that may in cors.origins";
    Err(Failure::new(FailureKind::Forbidden, text).at("http.Origin"))
}

/// Whether a page of this origin came from where the server's own URLs lead.
fn is_own(origin: &str, base: &str) -> bool {
    let rest = base.strip_prefix(origin);
    !origin.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_origin_is_told_by_the_base() {
        assert!(is_own("http://localhost:8080", "http://localhost:8080/fhir"));
        assert!(!is_own("http://localhost:80", "http://localhost:8080/fhir"));
        assert!(!is_own("https://localhost:8080", "http://localhost:8080/fhir"));
        assert!(!is_own("null", "http://localhost:8080/fhir"));
    }
}
