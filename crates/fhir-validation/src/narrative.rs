//! Narrative that is well formed and still unsafe or misleading, and ids that stand twice.
//!
//! The parser lets in only the elements and attributes of R4 and no `javascript:` links. What is
//! left: other schemes that run or fetch (`vbscript:`, `data:` but for images), styles that run
//! something, and images and styles from elsewhere, which tell their server who reads. The ids of
//! a StructureDefinition's elements stand in its snapshot and in its differential, by R4's own use.
//!
//! Spec: <https://hl7.org/fhir/R4/narrative.html#security>

use std::collections::HashSet;

use fhir_model::{ResourceType, ResourceView, Severity, Value};

use crate::report::{Finding, RuleKind};

/// The rule that ids of elements stand once.
const ELEMENT_ID: &str = "Element.id";

/// Looks at the narrative of a resource and at the ids of its elements; `place` is its expression.
pub(crate) fn check(view: ResourceView<'_>, place: &str, findings: &mut Vec<Finding>) {
    let is_bundle = view.resource_type == ResourceType::BUNDLE;
    let mut path = place.to_owned();
    let before = findings.len();
    walk(view.value, &mut path, &mut HashSet::new(), is_bundle, findings);
    if view.resource_type == ResourceType::STRUCTURE_DEFINITION {
        let mut at = 0;
        findings.retain(|finding| {
            at += 1;
            at <= before || finding.rule != ELEMENT_ID
        });
    }
}

fn told(severity: Severity, expression: String, rule: &str, text: &str) -> Finding {
    let (rule, text) = (rule.to_owned(), text.to_owned());
    Finding { severity, kind: RuleKind::Primitive, expression, rule, text }
}

/// Goes through the elements of one resource; contained resources count their ids alone.
fn walk(
    value: Value<'_>,
    path: &mut String,
    ids: &mut HashSet<String>,
    is_bundle: bool,
    findings: &mut Vec<Finding>,
) {
    let length = path.len();
    for (key, member) in value.members() {
        if is_bundle && key == "entry" {
            continue;
        }
        if key == "div"
            && let Some(text) = member.text()
        {
            narrative(&text, &format!("{path}.div"), findings);
            continue;
        }
        let is_list = member.kind() == fhir_model::Kind::Array;
        for (at, item) in member.items().enumerate() {
            if item.kind() != fhir_model::Kind::Object {
                continue;
            }
            path.push('.');
            path.push_str(key.trim_start_matches('_'));
            if is_list {
                path.push_str(&format!("[{at}]"));
            }
            if item.get("resourceType").is_some() {
                walk(item, path, &mut HashSet::new(), false, findings);
            } else {
                if let Some(id) = item.get("id").and_then(Value::text)
                    && !ids.insert(id.into_owned())
                {
                    let text = "another element of this resource has this id";
                    findings.push(told(Severity::Error, format!("{path}.id"), ELEMENT_ID, text));
                }
                walk(item, path, ids, is_bundle, findings);
            }
            path.truncate(length);
        }
    }
}

/// What is unsafe in a narrative whose form the parser has accepted.
fn narrative(text: &str, place: &str, findings: &mut Vec<Finding>) {
    let mut push = |severity, rule: &str, text: &str| {
        findings.push(told(severity, place.to_owned(), rule, text));
    };
    for tag in text.split('<').skip(1).filter_map(|part| part.split('>').next()) {
        for (name, value) in attributes(tag) {
            let value = plain(value);
            let scheme = value.split(':').next().filter(|scheme| scheme.len() < value.len());
            match (name, scheme) {
                (
                    "href" | "cite" | "longdesc" | "src",
                    Some("javascript" | "vbscript" | "file"),
                ) => {
                    push(Severity::Error, "txt-1", "a link leads to what may be run");
                }
                ("src", Some("data")) if value.starts_with("data:image/") => {}
                ("href" | "cite" | "longdesc" | "src", Some("data")) => {
                    push(Severity::Error, "txt-1", "a link holds data that may be run");
                }
                ("src", Some("http" | "https")) => {
                    let text = "an image from elsewhere tells its server who reads the narrative";
                    push(Severity::Warning, "narrative security", text);
                }
                ("style", _) if runs(&value) => {
                    push(Severity::Error, "txt-1", "a style runs something");
                }
                ("style", _)
                    if ["url(http", "url('http", "url(//"].iter().any(|it| value.contains(it)) =>
                {
                    let text = "a style from elsewhere tells its server who reads the narrative";
                    push(Severity::Warning, "narrative security", text);
                }
                _ => {}
            }
        }
    }
}

/// Whether a style runs something.
fn runs(style: &str) -> bool {
    ["expression(", "@import", "behavior:", "-moz-binding", "javascript:"]
        .iter()
        .any(|part| style.contains(part))
}

/// A value without spaces and controls, in small letters, its numeric references resolved.
fn plain(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let Some((number, after)) = after.split_once(';') else { break };
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        };
        out.extend(code.and_then(char::from_u32));
        rest = after;
    }
    out.push_str(rest);
    out.retain(|letter| !letter.is_whitespace() && !letter.is_control());
    out.to_lowercase()
}

/// Names and values of the attributes in a tag.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = tag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
        let (value, left) = after.strip_prefix(quote)?.split_once(quote)?;
        rest = left;
        Some((name.trim(), value))
    })
}
