//! What is asked of a server elsewhere, and what its answer about a code means.

use fhir_definitions::ResourceType;
use fhir_model::{Resource, ResourceView, Value, write};
use fhir_terminology::{Coded, Member, Reason, Verdict};

use crate::operation::output::ParametersWriter;

/// A question: an operation with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    path: &'static str,
    /// Path and body, which are the question.
    key: String,
}

/// In what a code is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Within<'a> {
    /// A value set by its canonical, with its definition where that is here.
    ValueSet(&'a str, Option<&'a [u8]>),
    /// The code system of this URL.
    CodeSystem(&'a str),
}

/// Longer codes are none that a code system has.
const MAX_CODE_LEN: usize = 128;

impl Question {
    /// An operation with what was written as its parameters.
    pub(crate) fn new(path: &'static str, parameters: ParametersWriter) -> Self {
        let body = parameters.finish();
        let body = String::from_utf8_lossy(&body);
        Self { path, key: format!("{path}\n{body}") }
    }

    /// Whether a code is in a value set or a code system; none for what is no code, or names no
    /// system.
    pub(super) fn about(within: &Within<'_>, coded: &Coded<'_>) -> Option<Self> {
        let mut out = Self::of_code(coded.code)?;
        let path = match within {
            Within::ValueSet(canonical, definition) => {
                match definition {
                    Some(definition) => out.json("valueSet", "resource", definition),
                    None => {
                        let (url, version) = split(canonical);
                        out.text("url", "valueUri", url);
                        if let Some(version) = version {
                            out.text("valueSetVersion", "valueString", version);
                        }
                    }
                }
                out.text("system", "valueUri", coded.system?);
                if let Some(version) = coded.version {
                    out.text("systemVersion", "valueString", version);
                }
                "ValueSet/$validate-code"
            }
            Within::CodeSystem(url) => {
                out.text("url", "valueUri", url);
                if let Some(version) = coded.version {
                    out.text("version", "valueString", version);
                }
                "CodeSystem/$validate-code"
            }
        };
        Some(Self::new(path, out))
    }

    /// Whether a text may be a code: nothing else leaves this server.
    pub(crate) fn is_code(text: &str) -> bool {
        text.len() <= MAX_CODE_LEN && !text.trim().is_empty() && !text.contains(char::is_control)
    }

    /// The parameters of a question about a code; none for what is no code.
    pub(crate) fn of_code(code: &str) -> Option<ParametersWriter> {
        let mut out = ParametersWriter::new();
        out.text("code", "valueCode", Some(code).filter(|code| Self::is_code(code))?);
        Some(out)
    }

    pub(super) const fn path(&self) -> &'static str {
        self.path
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn body(&self) -> &[u8] {
        let body = self.key.split_once('\n').map_or("", |(_, body)| body);
        body.as_bytes()
    }

    /// The type of the answer.
    pub(super) fn answered_by(&self) -> ResourceType {
        match self.path {
            "ValueSet/$expand" => ResourceType::VALUE_SET,
            _ => ResourceType::PARAMETERS,
        }
    }
}

fn split(canonical: &str) -> (&str, Option<&str>) {
    canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)))
}

/// What a server elsewhere needs to know of a value set: what it is made of, and not who wrote it.
pub(crate) fn definition(resource: &Resource) -> Option<Vec<u8>> {
    let value = resource.view().value;
    let compose = value.get("compose")?;
    let mut out = b"{\"resourceType\":\"ValueSet\"".to_vec();
    for key in ["url", "version"] {
        if let Some(text) = value.get(key).and_then(Value::text) {
            out.extend_from_slice(format!(",\"{key}\":").as_bytes());
            write::string(&text, &mut out);
        }
    }
    out.extend_from_slice(b",\"status\":\"active\",\"compose\":");
    fhir_model::rewrite::minified(compose, &mut out);
    out.push(b'}');
    Some(out)
}

/// The verdict that an answer holds; none where the server elsewhere cannot tell either.
pub(super) fn verdict(
    answer: ResourceView<'_>,
    within: &Within<'_>,
    coded: &Coded<'_>,
) -> Option<Verdict> {
    let parameters = || answer.value.get("parameter").into_iter().flat_map(Value::items);
    let named = |name: &str| {
        parameters().find(|each| each.get("name").and_then(Value::text).as_deref() == Some(name))
    };
    let text = |name: &str| {
        let value = named(name)?.members().find(|(key, _)| key.starts_with("value"))?.1;
        value.text().or_else(|| value.literal().map(Into::into)).map(|text| text.into_owned())
    };
    match text("result")?.as_str() {
        "true" => {}
        "false" if is_open(parameters()) => return None,
        _ => {
            return Some(Verdict::Out(match within {
                Within::ValueSet(canonical, _) => Reason::NotInSet((*canonical).to_owned()),
                Within::CodeSystem(url) => Reason::UnknownCode((*url).to_owned()),
            }));
        }
    }
    Some(Verdict::In(Member {
        system: text("system").or(coded.system.map(str::to_owned)).unwrap_or_default(),
        version: text("version"),
        code: text("code").unwrap_or_else(|| coded.code.to_owned()),
        display: text("display"),
        is_inactive: text("inactive").as_deref() == Some("true"),
        ..Member::default()
    }))
}

/// Whether `false` means that something is missing there: an issue says that something was not
/// found, or a parameter names the system that is not known.
fn is_open<'a>(mut parameters: impl Iterator<Item = Value<'a>>) -> bool {
    parameters.any(|each| {
        let name = each.get("name").and_then(Value::text).unwrap_or_default();
        if matches!(name.as_ref(), "x-caused-by-unknown-system" | "x-unknown-system") {
            return true;
        }
        let issues = each.get("resource").and_then(|outcome| outcome.get("issue"));
        issues.into_iter().flat_map(Value::items).any(|issue| {
            let code = issue.get("code").and_then(Value::text);
            matches!(code.as_deref(), Some("not-found" | "not-supported"))
        })
    })
}
