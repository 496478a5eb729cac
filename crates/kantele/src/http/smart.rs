//! SMART discovery: where apps get their tokens, as the settings say.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use fhir_model::{Failure, FailureKind};
use serde_json::{Map, Value, json};

use super::exchange::Head;
use super::{State, reply};
use crate::config::{Access, KeySource};

/// Behind the FHIR root, and at the root of the server as well.
pub(crate) const PATH: &str = "/.well-known/smart-configuration";

/// Answers the discovery document, to everyone.
///
/// # Errors
/// `NotFound` where there is none.
pub(crate) fn answer(state: &State, head: &Head<'_>) -> Result<HttpResponse, Failure> {
    const ALLOW: &str = "GET, HEAD, OPTIONS";
    if *head.method == Method::OPTIONS {
        return Ok(reply::options(ALLOW));
    }
    if ![Method::GET, Method::HEAD].contains(head.method) {
        return Ok(HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, ALLOW)).finish());
    }
    let embedded = state.authority.as_ref().map(|authority| authority.smart_configuration());
    let document = embedded.or_else(|| document(state.guard.settings()));
    let document = document.filter(|_| state.guard.is_required());
    let document = document.ok_or_else(|| {
        let text = "this server has no authorization server that it could tell of";
        Failure::new(FailureKind::NotFound, text)
    })?;
    let kind = (header::CONTENT_TYPE, "application/json");
    let cached = (header::CACHE_CONTROL, "public, max-age=300");
    Ok(HttpResponse::Ok().insert_header(kind).insert_header(cached).body(document.to_string()))
}

fn document(access: &Access) -> Option<Value> {
    let discovery = access.discovery.as_ref()?;
    let has_users = !discovery.authorization_endpoint.is_empty();
    let grants: &[&str] = match has_users {
        true => &["authorization_code", "client_credentials"],
        false => &["client_credentials"],
    };
    let methods = ["private_key_jwt", "client_secret_basic", "tls_client_auth"];
    let mut document = Map::new();
    let mut tell = |name: &str, value: Value| {
        document.insert(name.to_owned(), value);
    };
    tell("token_endpoint", json!(discovery.token_endpoint));
    tell("grant_types_supported", json!(grants));
    tell("token_endpoint_auth_methods_supported", json!(methods));
    tell("token_endpoint_auth_signing_alg_values_supported", json!(["RS384", "ES384"]));
    tell("response_types_supported", json!(["code"]));
    tell("code_challenge_methods_supported", json!(["S256"]));
    tell("capabilities", json!(discovery.capabilities));
    if has_users {
        tell("authorization_endpoint", json!(discovery.authorization_endpoint));
    }
    if !discovery.scopes_supported.is_empty() {
        tell("scopes_supported", json!(discovery.scopes_supported));
    }
    // With several issuers there is no one to name.
    if let [(issuer, source)] = access.issuers.as_slice() {
        tell("issuer", json!(issuer));
        if let KeySource::Url(url) = source {
            tell("jwks_uri", json!(url));
        }
    }
    if let Some(introspection) = &access.introspection {
        tell("introspection_endpoint", json!(introspection.url));
    }
    Some(Value::Object(document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Discovery;

    #[test]
    fn the_document_has_what_the_specification_asks_for() {
        let plain = Access::for_tests();
        assert!(document(&plain).is_none());
        let discovery = Discovery {
            authorization_endpoint: "https://i.example.org/a".to_owned(),
            token_endpoint: "https://i.example.org/t".to_owned(),
            capabilities: vec!["permission-v2".to_owned()],
            scopes_supported: Vec::new(),
        };
        let keys = KeySource::Url("https://i.example.org/k".to_owned());
        let issuers = vec![("https://i.example.org".to_owned(), keys)];
        let access = Access { discovery: Some(discovery), issuers, ..plain };
        let document = document(&access).unwrap();
        for name in [
            "issuer",
            "jwks_uri",
            "authorization_endpoint",
            "token_endpoint",
            "grant_types_supported",
            "capabilities",
            "code_challenge_methods_supported",
        ] {
            assert!(document.get(name).is_some(), "{name}");
        }
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    }
}
