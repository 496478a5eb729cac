//! `/health/live`, `/health/ready` and `/metrics`: for operators, without FHIR and personal data.

use std::sync::atomic::Ordering::Relaxed;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};

use super::{State, metrics, reply};

/// The reply where `path` is one of the operators' health paths.
pub(crate) async fn answer(state: &State, request: &HttpRequest) -> Option<HttpResponse> {
    let reply = match request.uri().path() {
        "/health/live" => words(HttpResponse::Ok(), "ok"),
        "/health/ready" => ready(state).await,
        _ => return None,
    };
    Some(method_refused(request).unwrap_or(reply))
}

/// The reply where `path` is `/metrics`.
pub(crate) fn metrics(state: &State, request: &HttpRequest) -> Option<HttpResponse> {
    if request.uri().path() != "/metrics" {
        return None;
    }
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    let reply = || HttpResponse::Ok().insert_header(kind).body(text(state));
    Some(method_refused(request).unwrap_or_else(reply))
}

/// What `/metrics` tells: what was counted, and how things stand.
fn text(state: &State) -> String {
    let mut out = state.metrics.text();
    let mut each = |name: &str, kind: &str, help: &str, label: &str, samples: &[(&str, u64)]| {
        metrics::head(&mut out, name, kind, help);
        for (value, count) in samples {
            metrics::line(&mut out, name, &format!("{label}=\"{value}\""), count);
        }
    };
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let [reading, writing] = state.admission.in_flight().map(number);
    let samples = [("read", reading), ("write", writing)];
    each("kantele_requests_in_flight", "gauge", "Requests being answered.", "kind", &samples);
    let [overload, rate] = state.admission.refused();
    let samples = [("overload", overload), ("rate", rate)];
    each("kantele_requests_refused_total", "counter", "Requests not let in.", "why", &samples);
    let [waiting, running, done] = state.jobs.counts().map(number);
    let samples = [("waiting", waiting), ("running", running), ("done", done)];
    each("kantele_async_jobs", "gauge", "Asynchronous work.", "stage", &samples);
    out
}

/// The operators' paths are only read.
fn method_refused(request: &HttpRequest) -> Option<HttpResponse> {
    const ALLOW: &str = "GET, HEAD, OPTIONS";
    match *request.method() {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(reply::options(ALLOW)),
        _ => Some(HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, ALLOW)).finish()),
    }
}

async fn ready(state: &State) -> HttpResponse {
    if state.is_stopping.load(Relaxed) {
        return words(HttpResponse::ServiceUnavailable(), "stopping");
    }
    match state.store.read(|reader| reader.live(None)).await {
        Ok(_) => words(HttpResponse::Ok(), "ok"),
        Err(_) => words(HttpResponse::ServiceUnavailable(), "the store does not answer"),
    }
}

fn words(mut reply: actix_web::HttpResponseBuilder, text: &str) -> HttpResponse {
    let body = format!("{{\"status\":\"{text}\"}}\n");
    reply.insert_header((header::CONTENT_TYPE, "application/json")).body(body)
}
