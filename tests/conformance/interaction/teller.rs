//! Tells one case to a server in one format, and says what went otherwise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fhir_path::{Environment, Expression, Item};
use kantele_tests::{Client, Reply};
use serde_json::Value;

use super::case::{Case, ExpectedIssue, Format, Step, Then};
use super::format::{self, Content};

/// How long a step that waits asks again.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Teller<'a> {
    client: &'a Client,
    format: Format,
    /// What stands for `{name}` in the texts of the case.
    names: BTreeMap<String, String>,
}

impl<'a> Teller<'a> {
    /// `mark` is what `{case}` stands for: no other run has it.
    pub(super) fn new(client: &'a Client, format: Format, mark: String) -> Self {
        let base = client.base().to_owned();
        let names = BTreeMap::from([("case".to_owned(), mark), ("base".to_owned(), base)]);
        Self { client, format, names }
    }

    /// Everything that went otherwise than the case says.
    pub(super) fn tell(mut self, case: &Case) -> Vec<String> {
        let mut faults = Vec::new();
        for resource in &case.given {
            let resource = self.filled(&resource.to_string());
            self.client.store(&serde_json::from_str(&resource).unwrap());
        }
        for (number, step) in case.steps.iter().enumerate() {
            let found = match self.ask(step) {
                Err(fault) => vec![fault],
                Ok(reply) => self.judge(step, &reply),
            };
            let place = format!("step {number} `{}` in {}", step.when, self.format.name());
            faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
        }
        faults
    }

    fn ask(&self, step: &Step) -> Result<Reply, String> {
        let when = self.filled(&step.when);
        let (method, path) = when.split_once(' ').unwrap_or((&when, ""));
        let named = step.headers.iter().map(|(name, value)| {
            let value = value.as_ref().map(|value| self.filled(value));
            (name.to_ascii_lowercase(), value)
        });
        let mut headers: BTreeMap<String, Option<String>> = named.collect();
        let body = self.body(step, headers.contains_key("content-type"))?;
        let media_type = self.format.media_type();
        if !body.is_empty() {
            headers.entry("content-type".to_owned()).or_insert_with(|| Some(media_type.to_owned()));
        }
        if !path.contains("_format=") {
            headers.entry("accept".to_owned()).or_insert_with(|| Some(media_type.to_owned()));
        }
        let headers: Vec<_> = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
            .collect();
        let begin = Instant::now();
        loop {
            let reply = self.client.try_send(method, path, &headers, &body);
            let reply = reply.map_err(|error| format!("no answer: {error}"))?;
            if !step.wait || step.then.status.is(reply.status) || begin.elapsed() > PATIENCE {
                return Ok(reply);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The bytes to send. What has a content type of its own is sent as it is written.
    fn body(&self, step: &Step, is_literal: bool) -> Result<Vec<u8>, String> {
        let json = match &step.body {
            Value::Null => String::new(),
            Value::String(text) => self.filled(text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.filled(&step.body.to_string())
            }
        };
        match (self.format, &step.xml) {
            (Format::Xml, Some(xml)) => Ok(self.filled(xml).into_bytes()),
            (Format::Xml, None) if !json.is_empty() && !is_literal => format::to_xml(&json),
            (Format::Json | Format::Xml, _) => Ok(json.into_bytes()),
        }
    }

    fn judge(&mut self, step: &Step, reply: &Reply) -> Vec<String> {
        let content = match format::content(reply) {
            Ok(content) => content,
            Err(fault) => return vec![format!("status {}: {fault}", reply.status)],
        };
        let mut faults = self.answer_faults(step, reply, &content);
        faults.extend(self.body_faults(&step.then, &content));
        if !faults.is_empty() {
            faults.push(format!("{:?} {}", reply.headers, content.text));
        }
        faults.extend(self.save(step, reply, &content).err());
        faults
    }

    /// Status, headers and format.
    fn answer_faults(&self, step: &Step, reply: &Reply, content: &Content) -> Vec<String> {
        let then = &step.then;
        let mut faults = Vec::new();
        if !then.status.is(reply.status) {
            faults.push(format!("status {}", reply.status));
        }
        for (name, expected) in &then.headers {
            let found = reply.header(name);
            let is_fine = match (expected, found) {
                (None, found) => found.is_none(),
                (Some(expected), found) => {
                    found.is_some_and(|found| matches(&self.filled(expected), found))
                }
            };
            if !is_fine {
                faults.push(format!("header {name}: expected {expected:?}, found {found:?}"));
            }
        }
        if then.has_body.is_some_and(|has_body| has_body == reply.body.is_empty()) {
            faults.push(format!("a body: {}", !reply.body.is_empty()));
        }
        let names_accept = step.headers.keys().any(|name| name.eq_ignore_ascii_case("accept"));
        let is_free = names_accept || step.when.contains("_format=");
        let media_type = reply.header("Content-Type").unwrap_or_default();
        if content.resource.is_some() && !is_free && !media_type.contains(self.format.media_type())
        {
            faults.push(format!("asked for {}, got {media_type}", self.format.media_type()));
        }
        let is_outcome = content.json["resourceType"] == "OperationOutcome";
        if reply.status >= 400 && !reply.body.is_empty() && !is_outcome {
            faults.push("a refusal without an OperationOutcome".to_owned());
        }
        faults
    }

    fn body_faults(&self, then: &Then, content: &Content) -> Vec<String> {
        let mut faults = Vec::new();
        for (pointer, expected) in &then.body {
            let expected = match expected.as_str() {
                Some(text) => Value::String(self.filled(text)),
                None => expected.clone(),
            };
            let found = content.json.pointer(pointer).cloned().unwrap_or_default();
            if found != expected {
                faults.push(format!("{pointer}: expected {expected}, found {found}"));
            }
        }
        faults.extend(then.holds.iter().filter_map(|text| {
            holds(&self.filled(text), content).err().map(|fault| format!("`{text}` {fault}"))
        }));
        for part in then.contains.iter().map(|part| self.filled(part)) {
            if !content.text.contains(&part) {
                faults.push(format!("{part} is not in the body"));
            }
        }
        for part in then.lacks.iter().map(|part| self.filled(part)) {
            if content.text.contains(&part) {
                faults.push(format!("{part} is in the body"));
            }
        }
        if let Some(expected) = &then.issue {
            let issues = content.json["issue"].as_array().map_or(&[][..], Vec::as_slice);
            if !issues.iter().any(|issue| self.is_issue(expected, issue)) {
                faults.push("no issue is as expected".to_owned());
            }
        }
        faults
    }

    fn is_issue(&self, expected: &ExpectedIssue, issue: &Value) -> bool {
        let is = |expected: &Option<String>, found: &Value| {
            expected.as_ref().is_none_or(|text| found == &Value::String(self.filled(text)))
        };
        let told = issue["diagnostics"].as_str().unwrap_or_default();
        is(&expected.severity, &issue["severity"])
            && is(&expected.code, &issue["code"])
            && is(&expected.expression, &issue["expression"][0])
            && expected.says.as_ref().is_none_or(|part| told.contains(&self.filled(part)))
    }

    fn save(&mut self, step: &Step, reply: &Reply, content: &Content) -> Result<(), String> {
        for (name, from) in &step.save {
            let value = match from.strip_prefix("header:") {
                Some(header) => reply.header(header).map(str::to_owned),
                None => content.json.pointer(from).and_then(|value| match value {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
                }),
            };
            let value = value.ok_or_else(|| format!("there is no {from} to save"))?;
            self.names.insert(name.clone(), without_version(&value, self.client.base()));
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> String {
        let replace = |text: String, (name, value): (&String, &String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.names.iter().fold(text.to_owned(), replace)
    }
}

/// The location of a version as the resource that later steps need: `Patient/1`.
fn without_version(value: &str, base: &str) -> String {
    match value.rsplit_once("/_history/") {
        Some((resource, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => {
            let resource = resource.strip_prefix(base).unwrap_or(resource);
            resource.trim_start_matches('/').to_owned()
        }
        _ => value.to_owned(),
    }
}

/// Whether a text is as expected, where `*` stands for any text.
fn matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn holds(text: &str, content: &Content) -> Result<(), String> {
    let resource = content.resource.as_ref().ok_or("has no resource to look at")?;
    let view = resource.view();
    let expression = Expression::parse(text).map_err(|error| format!("is no FHIRPath: {error}"))?;
    let environment = Environment::new(view);
    match expression.holds(&environment, &[Item::resource(view)]) {
        Ok(Some(true)) => Ok(()),
        other => Err(format!("is {other:?}")),
    }
}
