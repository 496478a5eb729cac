//! ValueSet `$expand`.
//! Spec: <https://hl7.org/fhir/R4/valueset-operation-expand.html>

use fhir_model::{Failure, Kind, Resource, ResourceView, write};
use fhir_terminology::{Entry, ExpandOptions, Expansion, Subject, Versions};

use super::Invocation;
use super::coded::{self, refused};
use super::input::Arguments;
use super::lookup::coding;
use super::output::ParametersWriter;
use crate::request::Answer;
use crate::sight::Sight;
use crate::terminology::Codes;
use crate::terminology::elsewhere::{self, Question};

/// The codes of a value set.
///
/// # Errors
/// `InvalidParameter` for parameters that don't go together, `NotFound` for an unknown value set,
/// `NotSupported` for what is refused and for value sets that need what is not here, `TooCostly`
/// for too many codes.
pub(super) async fn expand(call: Invocation<'_>) -> Result<Answer, Failure> {
    coded::refuse_context(&call.arguments)?;
    coded::refuse_other_dates(&call)?;
    let name = coded::value_set(&call)?;
    let asked = Asked::of(&call.arguments)?;
    let now = call.app.now().to_string();
    let (app, base, arguments) = (call.app.clone(), call.request.base.clone(), call.arguments);
    let url = name.clone();
    let work = move |sight: &mut Sight<'_>| {
        let mut codes = Codes::new(&app, sight, &base);
        let languages: Vec<&str> = asked.languages.iter().map(String::as_str).collect();
        let filter = arguments.text("filter");
        let options = asked.options(filter.as_deref(), &languages);
        let inline = arguments.resource("valueSet");
        let (found, stored) = match (&name, inline) {
            (Some(name), _) => {
                let found = codes.listed(name, &asked.versions, &options);
                (found, codes.value_set_resource(name).map_err(coded::failure)?)
            }
            (None, Some(view)) => {
                let terminology = codes.terminology().clone();
                let subject = Subject::Resource(view);
                (terminology.list(&mut codes, subject, &asked.versions, &options), None)
            }
            (None, None) => {
                return Err(refused("expected a value set", "Parameters.parameter").into());
            }
        };
        let found = match coded::told(found)? {
            Ok(found) => found,
            Err(fault) => {
                let stored = stored.as_deref();
                return Ok((Err(fault), question(name.as_deref(), stored, &asked, &arguments)));
            }
        };
        let source = stored.as_ref().map(|stored| stored.view()).or(inline);
        let mut out = head(source, name.as_deref(), asked.with_definition);
        write_expansion(&found, &asked, &arguments, &now, &mut out);
        out.push(b'}');
        Ok((Ok(Answer::ok(out)), None))
    };
    let (found, question) = call.app.read(&call.permit, work).await?;
    coded::or_elsewhere(call.app, url.as_deref(), found, || question).await
}

/// The same expansion, asked elsewhere: without a filter, which is a text that somebody wrote.
fn question(
    name: Option<&str>,
    stored: Option<&Resource>,
    asked: &Asked,
    arguments: &Arguments,
) -> Option<Question> {
    let name = name?;
    if asked.versions != Versions::default() || arguments.text("filter").is_some() {
        return None;
    }
    let mut out = ParametersWriter::new();
    match stored.and_then(elsewhere::definition) {
        Some(definition) => out.json("valueSet", "resource", &definition),
        None => {
            let (url, version) = name.split_once('|').unwrap_or((name, ""));
            out.text("url", "valueUri", url);
            if !version.is_empty() {
                out.text("valueSetVersion", "valueString", version);
            }
        }
    }
    for flag in FLAGS {
        if let Some(is_set) = arguments.boolean(flag) {
            out.json(flag, "valueBoolean", is_set.to_string().as_bytes());
        }
    }
    for number in ["offset", "count"] {
        if let Some(given) = arguments.number(number) {
            out.json(number, "valueInteger", given.to_string().as_bytes());
        }
    }
    if !asked.languages.is_empty() {
        out.text("displayLanguage", "valueCode", &asked.languages.join(","));
    }
    Some(Question::new("ValueSet/$expand", out))
}

/// Parameters that are true or false.
const FLAGS: [&str; 4] = ["activeOnly", "excludeNested", "excludeNotForUI", "includeDesignations"];

struct Asked {
    versions: Versions,
    languages: Vec<String>,
    designations_of: Vec<String>,
    offset: usize,
    count: Option<usize>,
    designations: bool,
    active_only: bool,
    no_abstract: bool,
    nested: bool,
    with_definition: bool,
}

impl Asked {
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let is = |name: &str| arguments.boolean(name) == Some(true);
        let pairs = |name: &str| -> Result<Vec<(String, String)>, Failure> {
            let pair = |text: String| match text.split_once('|') {
                Some((url, version)) if !version.is_empty() => {
                    Ok((url.to_owned(), version.to_owned()))
                }
                Some(_) | None => {
                    let text = format!("`{name}` takes system|version");
                    Err(refused(text, &format!("http.{name}")))
                }
            };
            arguments.texts(name).into_iter().map(pair).collect()
        };
        let number = |name: &str| -> Result<Option<usize>, Failure> {
            let text = arguments.text(name);
            let number = text.map(|text| text.parse::<usize>());
            number.transpose().map_err(|_told| {
                refused(format!("`{name}` takes a whole number from 0"), &format!("http.{name}"))
            })
        };
        let designations_of = arguments.texts("designation");
        let no_abstract = is("excludeNotForUI");
        let exclude = arguments.texts("exclude-system").into_iter();
        let exclude = exclude.map(|url| url.split('|').next().unwrap_or_default().to_owned());
        Ok(Self {
            versions: Versions {
                default: pairs("system-version")?,
                check: pairs("check-system-version")?,
                force: pairs("force-system-version")?,
                exclude: exclude.collect(),
            },
            languages: coded::languages(arguments),
            offset: number("offset")?.unwrap_or(0),
            count: number("count")?,
            designations: is("includeDesignations") || !designations_of.is_empty(),
            designations_of,
            active_only: is("activeOnly"),
            no_abstract,
            nested: !is("excludeNested") && !no_abstract,
            with_definition: is("includeDefinition"),
        })
    }

    fn options<'a>(
        &'a self,
        filter: Option<&'a str>,
        languages: &'a [&'a str],
    ) -> ExpandOptions<'a> {
        ExpandOptions {
            filter,
            offset: self.offset,
            count: self.count,
            active_only: self.active_only,
            no_abstract: self.no_abstract,
            nested: self.nested,
            languages,
            designations: self.designations,
            designations_of: &self.designations_of,
        }
    }
}

/// The value set without its expansion, and without its definition unless it is asked for. Of an
/// embedded one only the name is told.
fn head(source: Option<ResourceView<'_>>, name: Option<&str>, with_definition: bool) -> Vec<u8> {
    let mut out = b"{\"resourceType\":\"ValueSet\"".to_vec();
    let Some(source) = source else {
        if let Some((url, version)) = name.map(|name| name.split_once('|').unwrap_or((name, ""))) {
            member("url", url, &mut out);
            if !version.is_empty() {
                member("version", version, &mut out);
            }
        }
        member("status", "active", &mut out);
        return out;
    };
    let mut has_status = false;
    for (key, value) in source.value.members() {
        let is_definition =
            matches!(key.as_ref(), "compose" | "text" | "contained" | "copyright" | "purpose");
        let is_out = matches!(key.as_ref(), "resourceType" | "expansion" | "meta")
            || (is_definition && !with_definition);
        if is_out || value.kind() == Kind::Null {
            continue;
        }
        has_status |= key == "status";
        out.push(b',');
        write::string(&key, &mut out);
        out.push(b':');
        out.extend_from_slice(value.raw());
    }
    if !has_status {
        member("status", "active", &mut out);
    }
    out
}

fn write_expansion(
    found: &Expansion,
    asked: &Asked,
    arguments: &Arguments,
    now: &str,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b",\"expansion\":{\"timestamp\":");
    write::string(now, out);
    out.extend_from_slice(format!(",\"total\":{}", found.total).as_bytes());
    if asked.offset > 0 || asked.count.is_some() {
        out.extend_from_slice(format!(",\"offset\":{}", asked.offset).as_bytes());
    }
    write_parameters(found, arguments, out);
    let mut open: Vec<u32> = Vec::new();
    for entry in &found.entries {
        // Closes what is not above this entry.
        while open.last().is_some_and(|depth| *depth > entry.depth) {
            open.pop();
            out.extend_from_slice(b"}]");
        }
        if open.last() == Some(&entry.depth) {
            out.extend_from_slice(b"},{");
        } else {
            out.extend_from_slice(b",\"contains\":[{");
            open.push(entry.depth);
        }
        write_entry(entry, out);
    }
    for _ in open {
        out.extend_from_slice(b"}]");
    }
    out.push(b'}');
}

/// What was asked for, and what went in.
fn write_parameters(found: &Expansion, arguments: &Arguments, out: &mut Vec<u8>) {
    let mut list: Vec<(&str, &str, Vec<u8>)> = Vec::new();
    for name in FLAGS {
        if let Some(is_set) = arguments.boolean(name) {
            list.push((name, "valueBoolean", is_set.to_string().into_bytes()));
        }
    }
    for name in ["offset", "count"] {
        if let Some(number) = arguments.number(name) {
            list.push((name, "valueInteger", number.to_string().into_bytes()));
        }
    }
    for name in ["filter", "displayLanguage"] {
        if let Some(text) = arguments.text(name) {
            list.push((name, "valueString", super::output::quoted(&text)));
        }
    }
    let uris = [("used-codesystem", &found.systems), ("used-supplement", &found.supplements)];
    for (name, urls) in uris {
        for url in urls {
            list.push((name, "valueUri", super::output::quoted(url)));
        }
    }
    for url in &found.systems {
        if url.contains('|') {
            list.push(("version", "valueUri", super::output::quoted(url)));
        }
    }
    for url in &found.partial {
        let text = format!("only a part of the codes of {url} is here");
        list.push(("warning", "valueString", super::output::quoted(&text)));
    }
    for (at, (name, key, json)) in list.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"parameter\":[{" } else { b",{" });
        out.extend_from_slice(format!("\"name\":\"{name}\",\"{key}\":").as_bytes());
        out.extend_from_slice(json);
        out.push(b'}');
    }
    if !list.is_empty() {
        out.push(b']');
    }
}

fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    if !entry.system.is_empty() {
        member("system", &entry.system, out);
    }
    if entry.is_abstract {
        out.extend_from_slice(b",\"abstract\":true");
    }
    if entry.is_inactive {
        out.extend_from_slice(b",\"inactive\":true");
    }
    member("code", &entry.code, out);
    if let Some(display) = &entry.display {
        member("display", display, out);
    }
    for (at, (language, usage, value)) in entry.designations.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"designation\":[{" } else { b",{" });
        let from = out.len();
        if let Some(language) = language {
            member("language", language, out);
        }
        if let Some(usage) = usage {
            out.extend_from_slice(b",\"use\":");
            out.extend_from_slice(&coding(&usage.system, &usage.code, &usage.display));
        }
        member("value", value, out);
        out.remove(from);
        out.push(b'}');
    }
    if !entry.designations.is_empty() {
        out.push(b']');
    }
    // Members are written with a comma before each: the first has none.
    out.remove(start);
}

fn member(key: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write::string(key, out);
    out.push(b':');
    write::string(text, out);
}
