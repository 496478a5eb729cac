//! The same commands through a running server.

use std::path::Path;
use std::time::Duration;

use fhir_model::{Resource, Value, write};

use crate::cli::{Install, Uninstall};
use crate::{Error, say};

/// The most of a reply that is read.
const MAX_REPLY_BYTES: u64 = 64 << 20;

/// Sends archives to a server.
///
/// # Errors
/// What the server refuses, and a source that is no archive.
pub(super) fn install(server: &str, arguments: &Install) -> Result<(), Error> {
    let mut body = Parameters::new();
    for path in &arguments.packages {
        body.archive(path)?;
    }
    for name in &arguments.without {
        body.text("without", name);
    }
    body.flag("anyVersion", arguments.any_version);
    body.flag("dryRun", arguments.dry_run);
    let answer = call(server, "$kantele-package-install", Some(body.finish()))?;
    say(&shown(&answer))
}

/// Asks a server to remove packages.
///
/// # Errors
/// What the server refuses.
pub(super) fn uninstall(server: &str, arguments: &Uninstall) -> Result<(), Error> {
    let mut body = Parameters::new();
    for name in &arguments.packages {
        body.text("package", name);
    }
    body.flag("force", arguments.force);
    body.flag("dryRun", arguments.dry_run);
    let answer = call(server, "$kantele-package-uninstall", Some(body.finish()))?;
    say(&shown(&answer))
}

/// Asks a server what is installed.
///
/// # Errors
/// What the server refuses.
pub(super) fn list(server: &str) -> Result<(), Error> {
    say(&shown(&call(server, "$kantele-package-list", None)?))
}

/// A Parameters resource on its way.
struct Parameters(Vec<u8>);

impl Parameters {
    fn new() -> Self {
        Self(b"{\"resourceType\":\"Parameters\",\"parameter\":[".to_vec())
    }

    fn begin(&mut self, name: &str) {
        if self.0.last() == Some(&b'}') {
            self.0.push(b',');
        }
        self.0.extend_from_slice(b"{\"name\":");
        write::string(name, &mut self.0);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.begin(name);
        self.0.extend_from_slice(b",\"valueString\":");
        write::string(text, &mut self.0);
        self.0.push(b'}');
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.begin(name);
            self.0.extend_from_slice(b",\"valueBoolean\":true}");
        }
    }

    fn archive(&mut self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            let text = "a folder is not sent to a server: pack it (tar czf x.tgz package)";
            return Err(format!("{}: {text}", path.display()).into());
        }
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        self.begin("package");
        let start =
            ",\"resource\":{\"resourceType\":\"Binary\",\"contentType\":\"application/gzip\"";
        self.0.extend_from_slice(start.as_bytes());
        self.0.extend_from_slice(b",\"data\":");
        write::string(&openssl::base64::encode_block(&bytes), &mut self.0);
        self.0.extend_from_slice(b"}}");
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"]}");
        self.0
    }
}

fn call(server: &str, operation: &str, body: Option<Vec<u8>>) -> Result<Resource, Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(600)))
        .build();
    let agent: ureq::Agent = config.into();
    let url = format!("{}/{operation}", server.trim_end_matches('/'));
    let json = "application/fhir+json";
    let answered = match body {
        None => agent.get(&url).header("accept", json).call()?,
        Some(body) => {
            let call = agent.post(&url).header("accept", json).header("content-type", json);
            call.send(&body)?
        }
    };
    let status = answered.status().as_u16();
    let mut reply = answered.into_body();
    let reply = reply.with_config().limit(MAX_REPLY_BYTES).read_to_vec()?;
    let resource = Resource::trusted(reply)
        .map_err(|_failure| format!("the server answers {status} and no FHIR"))?;
    if status == 200 {
        return Ok(resource);
    }
    let issues = resource.view().value.get("issue").into_iter().flat_map(Value::items);
    let texts = issues.filter_map(|issue| Some(issue.get("diagnostics")?.text()?.into_owned()));
    let texts: Vec<String> = texts.collect();
    Err(format!("the server answers {status}:\n  {}", texts.join("\n  ")).into())
}

/// Parameters for people: a line for each, parts further in.
fn shown(answer: &Resource) -> String {
    let mut out = String::new();
    lines(answer.view().value.get("parameter"), 0, &mut out);
    out
}

fn lines(list: Option<Value<'_>>, depth: usize, out: &mut String) {
    for parameter in list.into_iter().flat_map(Value::items) {
        let name = parameter.get("name").and_then(Value::text).unwrap_or_default();
        let value = parameter.members().find(|(key, _)| key.starts_with("value"));
        let value = value.map(|(_, value)| {
            value.text().unwrap_or_else(|| value.literal().unwrap_or_default().into())
        });
        out.push_str(&"  ".repeat(depth));
        out.push_str(&name);
        if let Some(value) = value {
            out.push_str(": ");
            out.push_str(&value);
        }
        out.push('\n');
        lines(parameter.get("part"), depth + 1, out);
    }
}
