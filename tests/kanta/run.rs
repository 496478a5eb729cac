//! Runs the cases.

use std::collections::BTreeMap;

use kantele_tests::{Backend, Client, Reply, on_each_backend_present, repository};
use serde_json::{Map, Value};

use crate::case::{self, Case, Expect, File, Step};
use crate::guarded::Guarded;

const RULES: &str = "urn:kantele:service-rule";

#[test]
fn every_case_comes_to_what_it_says() {
    let files = case::all();
    let (own, common): (Vec<&File>, Vec<&File>) =
        files.iter().partition(|file| !file.settings.is_empty());
    let mut servers: Vec<Vec<&File>> = own.into_iter().map(|file| vec![file]).collect();
    servers.push(common);
    on_each_backend_present(|backend| {
        let mut failures = Vec::new();
        let mut number = 0;
        for files in &servers {
            on_one_server(backend, files, &mut number, &mut failures);
        }
        println!("{number} cases on {backend:?}");
        assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    });
}

fn on_one_server(
    backend: Backend,
    files: &[&File],
    number: &mut usize,
    failures: &mut Vec<String>,
) {
    let name = |file: &&File| repository("").join(format!("services/{}.toml", file.service));
    let services: Vec<_> = files.iter().map(name).collect();
    let services: Vec<_> = services.iter().map(AsRef::as_ref).collect();
    let folder = tempfile::tempdir().unwrap();
    let disclosure = folder.path().join("disclosure.toml");
    let mut settings = Vec::new();
    for file in files {
        settings.extend(file.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
        if !file.disclosure.is_empty() {
            std::fs::write(&disclosure, toml::to_string(&file.disclosure).unwrap()).unwrap();
            settings.push(("disclosure.file", disclosure.display().to_string()));
        }
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let guarded = Guarded::start(backend, &services, &settings);
    for file in files {
        for case in &file.cases {
            *number += 1;
            let mut run = Run::new(&guarded, file, *number);
            if let Err(why) = run.case(case) {
                failures.push(format!("{}: {}: {why}", file.service, case.name));
            }
        }
    }
}

struct Run<'a> {
    guarded: &'a Guarded,
    client: Client,
    file: &'a File,
    number: usize,
    kept: BTreeMap<String, String>,
    bodies: Vec<Vec<u8>>,
    requests: usize,
}

/// A fictitious identity code of the 900 series.
pub(crate) fn identity_code(number: usize) -> String {
    const CHECKS: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (day, rest) = (1 + number % 28, number / 28);
    let (month, year) = (1 + rest % 12, rest / 12 % 100);
    let digits: usize = day * 10_000_000 + month * 100_000 + year * 1000 + 901;
    let check = char::from(CHECKS[digits % 31]);
    format!("{day:02}{month:02}{year:02}-901{check}")
}

impl<'a> Run<'a> {
    fn new(guarded: &'a Guarded, file: &'a File, number: usize) -> Self {
        let root = guarded.server.client().base().strip_suffix("/fhir").unwrap().to_owned();
        let client = Client::new(&format!("{root}/kanta/{}", file.service));
        let kept = BTreeMap::from([
            ("person".to_owned(), identity_code(2 * number)),
            ("other".to_owned(), identity_code(2 * number + 1)),
            ("n".to_owned(), number.to_string()),
            ("n8".to_owned(), format!("{number:08}")),
        ]);
        Self { guarded, client, file, number, kept, bodies: Vec::new(), requests: 0 }
    }

    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.kept {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        text
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        for step in &self.file.before {
            self.step(step).map_err(|why| format!("before: {why}"))?;
        }
        self.bodies.clear();
        for (at, step) in case.steps.iter().enumerate() {
            self.step(step).map_err(|why| format!("step {at}: {why}"))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let reply = self.send(step);
        self.judge(step, &reply)?;
        self.bodies.push(reply.body.clone());
        for (name, pointer) in &step.keep {
            let body = reply.json();
            let kept = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let id = kept.split('/').nth(1).unwrap_or(kept).to_owned();
            self.kept.insert(name.clone(), id);
        }
        Ok(())
    }

    /// The header with the claims of a step.
    fn bearer(&self, token: &Value) -> Option<String> {
        let named = token.as_str().and_then(|name| self.file.tokens.get(name));
        let own = match (token, named) {
            (Value::String(text), None) => return (!text.is_empty()).then(|| text.clone()),
            (_, Some(named)) => Some(named),
            (token, None) => token.as_object(),
        };
        let mut claims: Map<String, Value> = self.file.token.clone();
        claims.extend(own.cloned().unwrap_or_default());
        let claims = self.filled(&Value::Object(claims).to_string());
        Some(self.guarded.bearer(&serde_json::from_str(&claims).unwrap()))
    }

    fn body(&self, name: &str, step: &Step) -> Vec<u8> {
        let text = match self.file.resources.get(name) {
            Some(resource) => resource.to_string(),
            None => {
                let path = repository("").join(&self.file.bodies[name]);
                std::fs::read_to_string(path).unwrap()
            }
        };
        // The examples of the packages are about one invented person and record each.
        let text = text
            .replace("010190-999W", "{{person}}")
            .replace("150785-9873", "{{person}}")
            .replace(".14.2026.1\"", ".14.2026.{{n}}\"")
            .replace(".95.2026.1.", ".95.2026.{{n}}.")
            .replace("Appointment/a1", "Appointment/{{id}}")
            .replace("\"a1\"", "\"{{id}}\"");
        let fill = |text: String, (from, to): (&String, &String)| text.replace(from, to);
        let text = self.file.fill.iter().fold(text, fill);
        let mut body: Value = serde_json::from_str(&self.filled(&text)).unwrap();
        for (pointer, value) in &step.change {
            let value = serde_json::from_str(&self.filled(&value.to_string())).unwrap();
            change(&mut body, &self.filled(pointer), value);
        }
        body.to_string().into_bytes()
    }

    fn send(&mut self, step: &Step) -> Reply {
        self.requests += 1;
        let (body, kind) = match (&step.body, &step.raw, &step.form) {
            (Some(name), _, _) => (self.body(name, step), "application/fhir+json"),
            (_, Some(raw), _) => (self.filled(raw).into_bytes(), "application/fhir+json"),
            (_, _, Some(form)) => {
                let form = self.filled(form).replace('|', "%7C");
                (form.into_bytes(), "application/x-www-form-urlencoded")
            }
            (None, None, None) => (Vec::new(), ""),
        };
        let own = format!("{}-{}", self.number, self.requests);
        let request = step.request.as_ref().map_or(own, |name| format!("{}-{name}", self.number));
        let mut headers = BTreeMap::from([("X-Request-Id".to_owned(), request)]);
        if !kind.is_empty() {
            headers.insert("Content-Type".to_owned(), kind.to_owned());
        }
        headers.extend(self.bearer(&step.token).map(|text| ("Authorization".to_owned(), text)));
        for (name, value) in &step.headers {
            match value.as_str() {
                Some(value) => headers.insert(name.clone(), self.filled(value)),
                None => headers.remove(name),
            };
        }
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let method = step.method.as_deref().unwrap_or("POST");
        let client = if step.plain { self.guarded.server.client() } else { &self.client };
        client.send(method, &self.filled(&step.path), &headers, &body)
    }

    fn judge(&self, step: &Step, reply: &Reply) -> Result<(), String> {
        let Expect { status, rules, codes, at, total, entries, is, empty, like } = &step.expect;
        let text = reply.text();
        let wrong = |what: &str| Err(format!("{what}: {} {text}", reply.status));
        if reply.status != status.unwrap_or(200) {
            return wrong(&format!("expected {}", status.unwrap_or(200)));
        }
        if !step.plain && reply.header("x-request-id").is_none() {
            return wrong("the reply has no id");
        }
        if *empty != reply.body.is_empty() && (*empty || reply.status != 204) {
            return wrong("a body, or none");
        }
        if reply.status >= 400
            && [&self.kept["person"], &self.kept["other"]]
                .iter()
                .any(|it| text.contains(it.as_str()))
        {
            return wrong("an error tells an identity code");
        }
        if let Some(like) = like
            && self.bodies[*like] != reply.body
        {
            return wrong("it is not the same answer");
        }
        if let Some(rules) = rules {
            let mut found = told(reply, RULES);
            found.sort();
            found.dedup();
            if found != *rules {
                return wrong(&format!("told are {found:?}"));
            }
        }
        if let Some(codes) = codes {
            let mut found = told(reply, "urn:oid:1.2.246.537.5.40112.2006");
            found.dedup();
            if found != *codes {
                return wrong(&format!("told are {found:?}"));
            }
        }
        for place in at {
            let issues = reply.issues();
            if !issues.iter().any(|issue| issue["expression"][0] == **place) {
                return wrong(&format!("{place} is not told"));
            }
        }
        for (pointer, value) in is {
            let body = reply.json();
            let found = body.pointer(pointer).unwrap_or(&Value::Null);
            let value: Value = serde_json::from_str(&self.filled(&value.to_string())).unwrap();
            if *found != value {
                return wrong(&format!("{pointer} is {found}"));
            }
        }
        let page = if total.is_some() || entries.is_some() { reply.json() } else { Value::Null };
        if let Some(total) = total
            && page["total"] != *total
        {
            return wrong("another total");
        }
        if let Some(entries) = entries {
            let found: Vec<String> = page["entry"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| {
                    let kind = entry["resource"]["resourceType"].as_str();
                    kind.or(entry["request"]["method"].as_str()).unwrap_or("?").to_owned()
                })
                .collect();
            if found != *entries {
                return wrong(&format!("entries are {found:?}"));
            }
        }
        Ok(())
    }
}

/// The codes of a system that the issues of a reply have.
fn told(reply: &Reply, system: &str) -> Vec<String> {
    let issues = reply.issues();
    let codings = issues.iter().flat_map(|issue| issue["details"]["coding"].as_array());
    let own = codings.flatten().filter(|coding| coding["system"] == system);
    own.map(|coding| coding["code"].as_str().unwrap_or_default().to_owned()).collect()
}

fn change(body: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let place = body.pointer_mut(parent).unwrap_or_else(|| panic!("nothing is at {pointer}"));
    match place {
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) if value.is_null() => {
            items.remove(last.parse().unwrap());
        }
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = value,
        Value::Object(members) if value.is_null() => {
            members.remove(last).unwrap_or_else(|| panic!("nothing is at {pointer}"));
        }
        Value::Object(members) => {
            members.insert(last.to_owned(), value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("{pointer} leads nowhere")
        }
    }
}
