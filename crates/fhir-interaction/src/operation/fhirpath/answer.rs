//! Items of a result as parts of a Parameters resource.

use std::borrow::Cow;

use fhir_definitions::r4;
use fhir_model::{Value, rewrite};
use fhir_path::{Item, Node};

use super::super::output::{ParametersWriter, quoted};
use super::JSON_VALUE;

/// Tells where in the resource an item stands.
const RESOURCE_PATH: &str = "http://fhir.forms-lab.com/StructureDefinition/resource-path";

/// An item, written: its name and the members beside it.
pub(super) struct Part {
    name: Cow<'static, str>,
    members: Vec<(String, Vec<u8>)>,
}

pub(super) fn item(item: &Item<'_>, out: &mut ParametersWriter) {
    Part::of(item).write(out);
}

/// What passed a `trace()`.
pub(super) fn trace(name: &str, parts: &[Part], out: &mut ParametersWriter) {
    out.open_with("trace", "valueString", &quoted(name));
    parts.iter().for_each(|part| part.write(out));
    out.close();
}

/// A part that the client sent, again.
pub(super) fn echo(part: Value<'_>, out: &mut ParametersWriter) {
    let name = part.get("name").and_then(Value::text).unwrap_or_default();
    let others = part.members().filter(|(key, _)| key != "name");
    let members: Vec<_> = others.map(|(key, value)| (key.into_owned(), minified(value))).collect();
    out.members(&name, &members);
}

impl Part {
    pub(super) fn of(item: &Item<'_>) -> Self {
        match item {
            Item::Node(node) => Self::of_node(node),
            Item::Boolean(value) => Self::plain("boolean", "valueBoolean", value.to_string()),
            Item::String(text) if text.is_empty() => Self::named("empty-string"),
            Item::String(text) => Self::text("string", "valueString", text),
            Item::Integer(value) if i32::try_from(*value).is_ok() => {
                Self::plain("integer", "valueInteger", value.to_string())
            }
            Item::Integer(value) => Self::plain("integer", "valueDecimal", value.to_string()),
            Item::Decimal(value) => Self::plain("decimal", "valueDecimal", value.to_string()),
            Item::Date(moment) => Self::text("date", "valueDate", &moment.date_text()),
            Item::DateTime(moment) => {
                let text = moment.date_time_text();
                // FHIR has no hours without minutes, and no times of day without a zone.
                let is_fhir = fhir_path::Moment::date_time(&text).is_some() && has_zone(&text);
                let key = if is_fhir { "valueDateTime" } else { "valueString" };
                Self::text("dateTime", key, &text)
            }
            Item::Time(moment) => {
                let text = moment.time_text();
                let is_fhir = text.len() >= 8;
                Self::text("time", if is_fhir { "valueTime" } else { "valueString" }, &text)
            }
            Item::Quantity(quantity) => {
                let mut json = format!("{{\"value\":{},\"unit\":", quantity.value()).into_bytes();
                json.extend_from_slice(&quoted(quantity.unit()));
                if !quantity.is_calendar() {
                    json.extend_from_slice(b",\"system\":\"http://unitsofmeasure.org\",\"code\":");
                    json.extend_from_slice(&quoted(quantity.unit()));
                }
                json.push(b'}');
                Self::with("Quantity", "valueQuantity", json)
            }
            Item::Type(found) => Self::text("TypeInfo", "valueString", &found.to_string()),
        }
    }

    fn of_node(node: &Node<'_>) -> Self {
        let kind = node.type_of();
        let mut part = Self::named(kind.name());
        if let Some(place) = node.location() {
            part.extension(RESOURCE_PATH, &place);
        }
        let Some(value) = node.value() else { return part };
        let json = minified(value);
        if kind.is_resource() {
            part.members.push(("resource".to_owned(), json));
            return part;
        }
        let mut key = "value".to_owned();
        let mut letters = kind.name().chars();
        key.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        key.push_str(letters.as_str());
        if is_value(&key) {
            part.members.push((key, json));
        } else {
            part.extension(JSON_VALUE, &String::from_utf8_lossy(&json));
        }
        part
    }

    fn named(name: &'static str) -> Self {
        Self { name: name.into(), members: Vec::new() }
    }

    fn with(name: &'static str, key: &str, json: Vec<u8>) -> Self {
        Self { name: name.into(), members: vec![(key.to_owned(), json)] }
    }

    fn plain(name: &'static str, key: &str, literal: String) -> Self {
        Self::with(name, key, literal.into_bytes())
    }

    fn text(name: &'static str, key: &str, text: &str) -> Self {
        Self::with(name, key, quoted(text))
    }

    fn extension(&mut self, url: &str, text: &str) {
        let mut json = b"{\"url\":".to_vec();
        json.extend_from_slice(&quoted(url));
        json.extend_from_slice(b",\"valueString\":");
        json.extend_from_slice(&quoted(text));
        json.push(b'}');
        match self.members.iter_mut().find(|(key, _)| key == "extension") {
            Some((_, list)) => {
                list.pop();
                list.push(b',');
                list.extend_from_slice(&json);
                list.push(b']');
            }
            None => {
                let list = [b"[".as_slice(), &json, b"]"].concat();
                self.members.push(("extension".to_owned(), list));
            }
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.members.iter().map(|(key, json)| key.len() + json.len()).sum::<usize>() + 16
    }

    fn write(&self, out: &mut ParametersWriter) {
        out.members(&self.name, &self.members);
    }
}

/// Whether `Parameters.parameter` has a member of this name.
fn is_value(key: &str) -> bool {
    let table = r4().type_named("Parameters.parameter");
    table.is_some_and(|table| r4().get(table).element(key).is_some())
}

fn has_zone(text: &str) -> bool {
    let Some((_, time)) = text.split_once('T') else { return true };
    time.ends_with('Z') || (time.contains(['+', '-']) && time.matches(':').count() >= 2)
}

fn minified(value: Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    rewrite::minified(value, &mut out);
    out
}
