//! Resources without what a security label hides from the caller.
//! Spec: <https://hl7.org/fhir/R4/security-labels.html>
//!
//! Hidden elements go at the root, and with them the narrative, which may tell them, and contained
//! resources that nothing refers to any more. What is left says that it is not whole: by the tag
//! `SUBSETTED` and the security label `REDACTED`.

use fhir_access::Concealed;
use fhir_model::{Body, Resource, ResourceKey, Value, write};

use crate::subset;

const REDACTED: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED","display":"redacted"}"#;

/// Whether a stored resource bears one of these labels. Codes are compared without regard to case,
/// as searches compare them.
pub(crate) fn bears(body: &Body, key: &ResourceKey, concealed: &Concealed) -> bool {
    let bytes = body.as_bytes();
    let meta = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if meta.is_empty() {
        return false;
    }
    let Ok(resource) = body.to_resource(key) else { return true };
    let labels = resource.view().at(&["meta", "security"]);
    labels.into_iter().flat_map(Value::items).any(|label| {
        let text = |name: &str| label.get(name).and_then(Value::text);
        concealed.codes.iter().any(|(system, code)| {
            text("code").is_some_and(|own| own.to_lowercase() == code.to_lowercase())
                && system.as_ref().is_none_or(|system| text("system").as_deref() == Some(system))
        })
    })
}

/// A body without what these labels hide.
pub(crate) fn redacted(body: &Body, key: &ResourceKey, concealed: &[&Concealed]) -> Body {
    // What cannot be read shows nothing.
    cut(body, key, concealed).unwrap_or_else(|| Body::from_bytes(b"\n".to_vec()))
}

fn cut(body: &Body, key: &ResourceKey, concealed: &[&Concealed]) -> Option<Body> {
    let resource = body.to_resource(key).ok()?;
    let is_hidden = |name: &str| concealed.iter().any(|each| each.elements.contains(name));
    let is_hidden_extension = |item: &Value<'_>| {
        let url = item.get("url").and_then(Value::text);
        url.is_some_and(|url| concealed.iter().any(|each| each.extensions.contains(url.as_ref())))
    };
    let mut out = b"{\"meta\":".to_vec();
    let value = resource.view().value;
    subset::marked(value.get("meta"), Some(REDACTED), &mut out);
    let mut contained = None;
    for (name, member) in value.members() {
        match name.strip_prefix('_').unwrap_or(&name) {
            "meta" | "text" => {}
            "contained" => contained = Some(member),
            own if is_hidden(own) => {}
            "extension" | "modifierExtension" => {
                let kept: Vec<Value<'_>> =
                    member.items().filter(|item| !is_hidden_extension(item)).collect();
                member_of(&name, &kept, &mut out);
            }
            _ => {
                separate(&name, &mut out);
                out.extend_from_slice(member.raw());
            }
        }
    }
    let kept = referred_to(contained, &out);
    member_of("contained", &kept, &mut out);
    out.push(b'}');
    let resource = Resource::trusted(out).ok()?;
    Some(Body::from_view(resource.view(), None))
}

fn separate(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    write::string(name, out);
    out.push(b':');
}

fn member_of(name: &str, items: &[Value<'_>], out: &mut Vec<u8>) {
    if items.is_empty() {
        return;
    }
    separate(name, out);
    for (at, item) in items.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        out.extend_from_slice(item.raw());
    }
    out.push(b']');
}

/// The contained resources to which the rest, or one of them, refers.
fn referred_to<'v>(contained: Option<Value<'v>>, rest: &[u8]) -> Vec<Value<'v>> {
    let mut left: Vec<Value<'v>> = contained.into_iter().flat_map(Value::items).collect();
    let mut kept: Vec<Value<'v>> = Vec::new();
    loop {
        let refers = |text: &[u8], id: &str| {
            let reference = format!("\"#{id}\"");
            text.windows(reference.len()).any(|window| window == reference.as_bytes())
        };
        let is_kept = |item: &Value<'v>| {
            item.get("id").and_then(Value::text).is_some_and(|id| {
                refers(rest, &id) || kept.iter().any(|other| refers(other.raw(), &id))
            })
        };
        let (more, others): (Vec<_>, Vec<_>) = left.into_iter().partition(is_kept);
        if more.is_empty() {
            return kept;
        }
        kept.extend(more);
        left = others;
    }
}
