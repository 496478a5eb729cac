//! What is thought of a difference: the reasons of `conformance/snapshot/reasons.json`.

use fhir_structure::Difference;
use serde_json::Value;

/// Why snapshots differ.
pub(super) struct Reason {
    /// Its short name.
    pub(super) name: String,
    /// Who is right.
    pub(super) verdict: String,
    /// What it is, for people.
    pub(super) words: String,
    rule: Value,
}

/// The reasons, as the file lists them; the first that fits is the one.
pub(super) fn reasons(text: &str) -> Result<Vec<Reason>, serde_json::Error> {
    let rules: Vec<Value> = serde_json::from_str(text)?;
    let reason = |rule: Value| {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, verdict, words) = (text("reason"), text("verdict"), text("words"));
        Reason { name, verdict, words, rule }
    };
    Ok(rules.into_iter().map(reason).collect())
}

impl Reason {
    /// Whether it explains a difference of a definition.
    pub(super) fn explains(&self, url: &str, difference: &Difference) -> bool {
        let last = url.rsplit('/').next().unwrap_or_default();
        let id = difference.id.as_str();
        self.fits("definitions", |each| each == last)
            && self.fits("properties", |each| each == difference.property)
            && self.fits("ends", |each| id.ends_with(each))
            && self.fits("under", |each| {
                id.strip_prefix(each)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
            })
            && (self.rule.get("is_root").is_none() || !id.contains('.'))
            && self.is_raised(difference)
            && self.is_published(difference)
            && self.is_same(difference)
    }

    fn fits(&self, key: &str, test: impl Fn(&str) -> bool) -> bool {
        match self.rule.get(key).and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(Value::as_str).any(test),
            None => true,
        }
    }

    fn is_raised(&self, difference: &Difference) -> bool {
        let number =
            |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<u32>().ok());
        self.rule.get("raised").is_none()
            || number(&difference.made) > number(&difference.published)
    }

    fn is_published(&self, difference: &Difference) -> bool {
        let wanted = self.rule.get("published").and_then(Value::as_bool);
        wanted.is_none_or(|wanted| difference.published.is_some() == wanted)
    }

    /// Whether both say the same once they are made normal.
    fn is_same(&self, difference: &Difference) -> bool {
        let Some(normal) = self.rule.get("normal").and_then(Value::as_array) else { return true };
        let normalize = |text: &Option<String>| {
            let value = text.as_ref().and_then(|text| serde_json::from_str(text).ok());
            normal
                .iter()
                .filter_map(Value::as_str)
                .fold(value, |value, rule| value.and_then(|value| normal_form(value, rule)))
        };
        normalize(&difference.made) == normalize(&difference.published)
    }
}

/// A value without what a rule does not mind; `None` where nothing is left.
fn normal_form(value: Value, rule: &str) -> Option<Value> {
    match value {
        Value::Bool(false) if rule == "false" => None,
        Value::String(text) => Some(Value::String(normal_text(&text, rule))),
        Value::Array(items) => {
            let kept: Vec<Value> =
                items.into_iter().filter_map(|item| normal_form(item, rule)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(members) => {
            if members.get("url").and_then(Value::as_str).is_some_and(|url| is_marginal(url, rule))
            {
                return None;
            }
            let kept = members
                .into_iter()
                .filter_map(|(key, value)| Some((key, normal_form(value, rule)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value),
    }
}

fn normal_text(text: &str, rule: &str) -> String {
    match rule {
        "versions" if text.starts_with("http") => {
            text.split('|').next().unwrap_or_default().to_owned()
        }
        "links" => {
            text.replace("](http://hl7.org/fhir/R4/", "](").replace("](http://hl7.org/fhir/", "](")
        }
        "spaces" => text.split_whitespace().collect::<Vec<_>>().join(" "),
        "quotes" => text.replace('\'', "\""),
        "fragment" => text.rsplit('#').next().unwrap_or_default().to_owned(),
        "id-type" if text == "string" => "id".to_owned(),
        _ => text.to_owned(),
    }
}

/// Extensions that a rule does not mind.
fn is_marginal(url: &str, rule: &str) -> bool {
    match rule {
        "source" => url.ends_with("/snapshot-source"),
        "status" => {
            url.contains("/structuredefinition-")
                || url.ends_with("/elementdefinition-isCommonBinding")
        }
        _ => false,
    }
}
