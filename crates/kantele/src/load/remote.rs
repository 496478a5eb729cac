//! Loading through a running server: PUT for resources, POST for what is executed.

use std::time::Duration;

use fhir_model::{Failure, FailureKind, Resource, ResourceType};

use super::destination::Outcome;
use super::document::is_executed;
use crate::Error;

/// The most of a reply that is read.
const MAX_REPLY_BYTES: u64 = 256 << 20;

/// A FHIR server.
#[derive(Clone)]
pub(crate) struct Remote {
    agent: ureq::Agent,
    base: String,
}

/// What the server answered.
struct Reply {
    status: u16,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Remote {
    /// A client for the FHIR root at `url`.
    ///
    /// # Errors
    /// Where no FHIR server answers there.
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(600)))
            .build();
        let base = url.trim_end_matches('/').to_owned();
        let remote = Self { agent: config.into(), base };
        let reply = remote.send("GET", "/metadata", None)?;
        if reply.status != 200 {
            let status = reply.status;
            return Err(format!("{}/metadata answers {status}, not 200", remote.base).into());
        }
        Ok(remote)
    }

    /// Sends one resource.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub(crate) async fn load(&self, resource: &Resource) -> Result<Outcome, Error> {
        let remote = self.clone();
        if is_executed(resource) {
            let body = resource.source().as_bytes().to_vec();
            return off_thread(move || remote.execute(&body)).await;
        }
        let resource_type = resource.resource_type();
        if let Some(failure) = fhir_interaction::load::refusal(resource_type) {
            return Ok(Outcome::Refused(failure));
        }
        let (path, body) = addressed(resource, resource_type);
        off_thread(move || remote.put(&path, &body)).await
    }

    fn put(&self, path: &str, body: &[u8]) -> Result<Outcome, Error> {
        let before = self.send("HEAD", path, None)?;
        let reply = self.send("PUT", path, Some(body))?;
        Ok(match reply.status {
            201 => Outcome::Created,
            200 if before.status == 200 && before.etag == reply.etag => Outcome::Unchanged,
            200 => Outcome::Updated,
            _ => Outcome::Refused(failure(&reply)),
        })
    }

    fn execute(&self, body: &[u8]) -> Result<Outcome, Error> {
        let reply = self.send("POST", "", Some(body))?;
        if reply.status != 200 {
            return Ok(Outcome::Refused(failure(&reply)));
        }
        let answer =
            Resource::trusted(reply.body).map_err(|_error| "the server answered no FHIR")?;
        Ok(Outcome::Executed(fhir_interaction::load::refused_entries(&answer)))
    }

    fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<Reply, Error> {
        let url = format!("{}{path}", self.base);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(url)
            .header("accept", "application/fhir+json")
            .header("prefer", "return=minimal");
        let answered = match body {
            Some(body) => {
                let request = request.header("content-type", "application/fhir+json").body(body)?;
                self.agent.run(request)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        let etag = answered.headers().get("etag").and_then(|etag| etag.to_str().ok());
        let etag = etag.map(str::to_owned);
        let status = answered.status().as_u16();
        let mut body = answered.into_body();
        let body = body.with_config().limit(MAX_REPLY_BYTES).read_to_vec()?;
        Ok(Reply { status, etag, body })
    }
}

/// The path for a resource and its body with the id in it.
fn addressed(resource: &Resource, resource_type: ResourceType) -> (String, Vec<u8>) {
    let source = resource.source();
    match resource.id() {
        Some(id) => (format!("/{resource_type}/{id}"), source.as_bytes().to_vec()),
        None => {
            let id = fhir_interaction::load::content_id(resource);
            let rest = source.trim_start().strip_prefix('{').unwrap_or(source);
            (format!("/{resource_type}/{id}"), format!("{{\"id\":\"{id}\",{rest}").into_bytes())
        }
    }
}

fn failure(reply: &Reply) -> Failure {
    let outcome = String::from_utf8_lossy(&reply.body);
    let outcome: serde_json::Value = serde_json::from_str(&outcome).unwrap_or_default();
    let issues = outcome.get("issue").and_then(|issues| issues.as_array());
    let texts: Vec<String> = issues
        .into_iter()
        .flatten()
        .map(|issue| {
            let expression = issue.pointer("/expression/0").and_then(|text| text.as_str());
            let text = issue.get("diagnostics").and_then(|text| text.as_str()).unwrap_or("?");
            expression.map_or(text.to_owned(), |expression| format!("{expression}: {text}"))
        })
        .collect();
    let status = reply.status;
    Failure::new(FailureKind::Conflict, format!("status {status}: {}", texts.join("; ")))
}

/// Runs blocking work on a thread of its own.
async fn off_thread(
    work: impl FnOnce() -> Result<Outcome, Error> + Send + 'static,
) -> Result<Outcome, Error> {
    let sent = move || work().map_err(|error| error.to_string());
    Ok(tokio::task::spawn_blocking(sent).await??)
}
