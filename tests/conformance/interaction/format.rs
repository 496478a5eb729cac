//! Bodies in the two formats. Cases are written in JSON; their runs in XML send and get XML.

use fhir_model::{Limits, Resource};
use kantele_tests::Reply;
use serde_json::Value;

use super::case::Format;

impl Format {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json",
            Self::Xml => "application/fhir+xml",
        }
    }
}

/// A resource that is written in JSON, as XML.
///
/// # Errors
/// Why it cannot be: then the step needs an `xml` of its own.
pub(super) fn to_xml(json: &str) -> Result<Vec<u8>, String> {
    let resource = Resource::from_json(json.as_bytes().to_vec(), &Limits::default());
    let resource = resource.map_err(|failure| {
        format!("the body is not valid, so the step needs an `xml` too: {:?}", failure.issues)
    })?;
    Ok(fhir_model::xml::write(resource.view(), false))
}

/// What came: a resource in any format as JSON, or other text.
#[derive(Default)]
pub(super) struct Content {
    /// The JSON of a resource, or whatever text there is.
    pub(super) text: String,
    /// The text as JSON, where it is JSON.
    pub(super) json: Value,
    pub(super) resource: Option<Resource>,
}

/// Reads the body of a reply by its own content type.
///
/// # Errors
/// A body that isn't what its content type says.
pub(super) fn content(reply: &Reply) -> Result<Content, String> {
    let text = reply.text();
    let media_type = reply.header("Content-Type").unwrap_or_default();
    if text.is_empty() {
        return Ok(Content::default());
    }
    if media_type.contains("xml") && text.contains("http://hl7.org/fhir\"") {
        let limits = Limits::default();
        let resource = Resource::from_xml(text.as_bytes(), &limits)
            .map_err(|failure| format!("the XML is not valid: {:?}: {text}", failure.issues))?;
        let text = String::from_utf8_lossy(resource.view().value.raw()).into_owned();
        let json = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        return Ok(Content { text, json, resource: Some(resource) });
    }
    if !media_type.contains("json") {
        return Ok(Content { text, ..Content::default() });
    }
    if media_type.contains("ndjson") {
        return Ok(Content { text, ..Content::default() });
    }
    let json: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    if json["resourceType"].is_null() {
        return Ok(Content { text, json, resource: None });
    }
    let resource = Resource::from_json(text.clone().into_bytes(), &Limits::default())
        .map_err(|failure| format!("the resource is not valid: {:?}: {text}", failure.issues))?;
    Ok(Content { text, json, resource: Some(resource) })
}
