//! `GET [base]/openapi.json`: the interface as an OpenAPI document, for tools that know no FHIR.
//!
//! It is made from the CapabilityStatement and the list of operations, so it claims what they
//! claim. What FHIR says of resources is left to FHIR: bodies are objects with a `resourceType`.
//! Spec: <https://spec.openapis.org/oas/v3.0.3.html>

mod parts;
mod paths;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder};
use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_model::{Failure, FailureKind};
use serde_json::Value;

use super::exchange::{Exchange, Form, Head};
use super::{State, reply};

/// Where the document is, behind the FHIR root.
pub(super) const PATH: &str = "/openapi.json";

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The last document, with the hash of the statement that it was made from.
#[derive(Default)]
pub(crate) struct Documents {
    last: Mutex<Option<(u64, Arc<Vec<u8>>)>>,
}

/// Answers the path of the document.
///
/// # Errors
/// What the gate refuses, and what is wrong with the query.
pub(super) fn answer(
    state: &State,
    head: Head<'_>,
    caller: Caller,
) -> Result<HttpResponse, Failure> {
    if head.method == Method::OPTIONS {
        return Ok(reply::options(ALLOW));
    }
    if ![Method::GET, Method::HEAD].contains(head.method) {
        return Ok(reply::method_not_allowed(Form::of_faulty(&head), ALLOW));
    }
    let exchange = Exchange::open(state, head, (caller, Record::default()), true)?;
    exchange.refuse_parameters()?;
    let document = state.documents.of(&exchange)?;
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    Ok(reply::send(response, exchange.form(), document.to_vec()))
}

impl Documents {
    fn of(&self, exchange: &Exchange<'_>) -> Result<Arc<Vec<u8>>, Failure> {
        let request = exchange.request();
        let statement = fhir_interaction::capabilities(&exchange.state.app, &request)?;
        let statement = statement.body.unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        statement.hash(&mut hasher);
        let hash = hasher.finish();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, document)) = last.as_ref()
            && *known == hash
        {
            return Ok(Arc::clone(document));
        }
        let statement: Value = serde_json::from_slice(&statement).map_err(|_error| {
            Failure::new(FailureKind::Bug, "an answer of the server is no FHIR JSON")
        })?;
        let document = Arc::new(paths::document(&request.base, &statement).to_string().into());
        *last = Some((hash, Arc::clone(&document)));
        Ok(document)
    }
}
