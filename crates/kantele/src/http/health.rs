//! `/health/live`, `/health/ready` and `/metrics`: for operators, without FHIR and personal data.

use std::sync::atomic::Ordering::Relaxed;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

use super::State;

/// The reply where `path` is one of the operators' paths.
pub(crate) async fn answer(state: &State, request: &HttpRequest) -> Option<HttpResponse> {
    match request.uri().path() {
        "/health/live" => Some(words(HttpResponse::Ok(), "ok")),
        "/health/ready" => Some(ready(state).await),
        _ => None,
    }
}

/// The reply where `path` is `/metrics`.
pub(crate) fn metrics(state: &State, request: &HttpRequest) -> Option<HttpResponse> {
    (request.uri().path() == "/metrics").then(|| {
        let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
        HttpResponse::Ok().insert_header(kind).body(state.metrics.text())
    })
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
