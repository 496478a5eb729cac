//! One client with one connection that is kept, and answers of every status.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::client::{head, request};

type Error = Box<dyn std::error::Error>;

/// How long an answer is waited for: longer than the server's own budget for a query.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to a server, opened again where the server has closed it.
pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, for as long as the client is not asked again.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) took: Duration,
}

impl Reply<'_> {
    /// The body as a tree.
    pub(crate) fn json(&self) -> Result<Value, Error> {
        Ok(serde_json::from_slice(self.body)?)
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Result<Self, Error> {
        Ok(Self { address, stream: connect(address)?, buffer: Vec::with_capacity(1 << 20) })
    }

    /// `GET` of a path below the FHIR root.
    pub(crate) fn get(&mut self, path: &str) -> Result<Reply<'_>, Error> {
        self.send(&request("GET", &format!("/fhir/{path}").replace("/fhir/?", "/fhir?"), b""))
    }

    /// Sends a request made by [`request`].
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<Reply<'_>, Error> {
        let sent = Instant::now();
        self.stream.write_all(bytes)?;
        self.buffer.clear();
        let mut chunk = [0; 1 << 16];
        let mut found = None;
        loop {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                self.stream = connect(self.address)?;
                return Err("the server closed the connection".into());
            }
            self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if found.is_none() {
                found = head(&self.buffer)?;
            }
            if let Some(head) = &found
                && self.buffer.len() >= head.length + head.body
            {
                let body = self.buffer.get(head.length..).unwrap_or_default();
                return Ok(Reply { status: head.status, body, took: sent.elapsed() });
            }
        }
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The path below the FHIR root that the `next` link of a Bundle leads to.
pub(crate) fn next(bundle: &Value) -> Option<String> {
    let links = bundle.get("link")?.as_array()?;
    let is_next = |link: &&Value| link.get("relation").and_then(Value::as_str) == Some("next");
    let url = links.iter().find(is_next)?.get("url")?.as_str()?;
    let (_, path) = url.split_once("/fhir")?;
    Some(path.strip_prefix('/').unwrap_or(path).to_owned())
}

/// Status and words of an OperationOutcome, in short.
pub(crate) fn refusal(status: u16, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let issue = |name: &str| body.pointer(&format!("/issue/0/{name}")).and_then(Value::as_str);
    let words = issue("diagnostics").or(issue("code")).unwrap_or_default();
    let short: String = words.chars().take(60).collect();
    format!("{status} {}", short.replace('|', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_links_lead_below_the_root() {
        let bundle: Value = serde_json::from_str(
            r#"{"link":[{"relation":"self","url":"http://h/fhir/Observation"},
                {"relation":"next","url":"http://h/fhir/Observation?_cursor=x"}]}"#,
        )
        .unwrap();
        assert_eq!(next(&bundle).as_deref(), Some("Observation?_cursor=x"));
        assert_eq!(next(&Value::Null), None);
    }

    #[test]
    fn a_refusal_is_told_in_short() {
        let body = br#"{"issue":[{"code":"not-supported","diagnostics":"no | here"}]}"#;
        assert_eq!(refusal(400, body), "400 no / here");
        assert_eq!(refusal(500, b""), "500 ");
    }
}
