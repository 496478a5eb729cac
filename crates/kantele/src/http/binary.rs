//! A Binary as the content it holds: any bytes of any type come in as a resource, and go out
//! again as they were.
//!
//! What one client stored is shown to another under a type that the first one chose: such a reply
//! may not be taken for another type, run scripts or load anything.
//! Spec: <https://hl7.org/fhir/R4/binary.html#rest>

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Id, Resource, write};

use super::body::{self, Payload};
use super::exchange::Exchange;
use super::negotiate::{self, BinaryBody, Format};
use super::route::Call;

/// Names what the access to the content depends on, beside content that is no resource.
static SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");

const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// Whether this call reads a Binary, which may be answered with the content it holds.
pub(crate) fn may_be(call: &Call) -> bool {
    matches!(call, Call::Read(key) | Call::Vread(key, _) if key.resource_type == ResourceType::BINARY)
}

/// The resource in the body of a write to Binary, whatever form it has.
///
/// `id` is that of the URL, for a body that is content.
///
/// # Errors
/// As [`body::resource`], and `UnsupportedMediaType` where nothing says what the body is.
pub(crate) async fn resource(
    exchange: &Exchange<'_>,
    payload: Payload,
    id: Option<&Id>,
) -> Result<Resource, Failure> {
    let Some(content_type) = exchange.header(&header::CONTENT_TYPE) else {
        return Err(negotiate::unsupported("a body needs a Content-Type"));
    };
    let taken = negotiate::binary_body(content_type);
    if taken == BinaryBody::Resource {
        return body::resource(exchange, payload).await;
    }
    let bytes = body::bytes(exchange, payload).await?;
    if let BinaryBody::Either(format) = taken
        && says_binary(&bytes, format)
    {
        // What the media type says of version and charset counts for a resource.
        negotiate::body_type(Some(content_type))?;
        let limits = &exchange.state.parse_limits;
        return match format {
            Format::Json => Resource::from_json(bytes, limits),
            Format::Xml => Resource::from_xml(&bytes, limits),
        };
    }
    let context = exchange.header(&SECURITY_CONTEXT);
    let text = wrapped(&bytes, content_type, context, id);
    let limits = fhir_model::Limits {
        // Base64 makes a third more of it.
        max_bytes: exchange.state.parse_limits.max_bytes.saturating_mul(2),
        ..exchange.state.parse_limits
    };
    Resource::from_json(text, &limits)
}

/// Whether a document is the resource Binary in JSON or XML, as far as its start tells.
fn says_binary(bytes: &[u8], format: Format) -> bool {
    match format {
        Format::Json => {
            let parsed: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
            parsed.is_ok_and(|it| it.get("resourceType").is_some_and(|it| it == "Binary"))
        }
        Format::Xml => {
            let start = bytes.get(..bytes.len().min(4_096)).unwrap_or_default();
            let start = String::from_utf8_lossy(start);
            let root = start.split_once("<Binary").map(|(_, rest)| rest);
            let tag = root.and_then(|rest| rest.split_once('>')).map(|(tag, _)| tag);
            tag.is_some_and(|tag| tag.contains("http://hl7.org/fhir"))
        }
    }
}

fn wrapped(bytes: &[u8], content_type: &str, context: Option<&str>, id: Option<&Id>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + 256);
    out.extend_from_slice(b"{\"resourceType\":\"Binary\"");
    let mut member = |name: &[u8], value: &str| {
        out.extend_from_slice(name);
        write::string(value, &mut out);
    };
    if let Some(id) = id {
        member(b",\"id\":", id.as_str());
    }
    member(b",\"contentType\":", content_type.trim());
    if let Some(context) = context {
        member(b",\"securityContext\":{\"reference\":", context.trim());
        out.push(b'}');
    }
    if !bytes.is_empty() {
        out.extend_from_slice(b",\"data\":\"");
        out.extend_from_slice(openssl::base64::encode_block(bytes).as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
    out
}

/// The content of a stored Binary, and what is told beside it.
pub(crate) struct Content {
    bytes: Vec<u8>,
    content_type: String,
    context: Option<String>,
}

impl Content {
    /// The content of `body`, a Binary as JSON, where the client wants it rather than the
    /// resource.
    ///
    /// # Errors
    /// `Bug` where the stored data are no base64.
    pub(crate) fn wanted(accept: Option<&str>, body: &[u8]) -> Result<Option<Self>, Failure> {
        let bug = |text: &str| Failure::new(FailureKind::Bug, text);
        let binary: serde_json::Value = serde_json::from_slice(body)
            .map_err(|_error| bug("an answer of the server is no FHIR JSON"))?;
        let text = |pointer: &str| binary.pointer(pointer).and_then(serde_json::Value::as_str);
        let content_type = text("/contentType").unwrap_or("application/octet-stream");
        if !negotiate::is_native(accept, content_type) {
            return Ok(None);
        }
        let data: String =
            text("/data").unwrap_or("").chars().filter(|it| !it.is_ascii_whitespace()).collect();
        let bytes = openssl::base64::decode_block(&data)
            .map_err(|_error| bug("the stored data of this Binary are no base64"))?;
        let context = text("/securityContext/reference").map(str::to_owned);
        Ok(Some(Self { bytes, content_type: content_type.to_owned(), context }))
    }

    /// Writes the headers that belong to the content, and gives its bytes.
    pub(crate) fn into_reply(self, reply: &mut HttpResponseBuilder) -> Vec<u8> {
        let content_type = HeaderValue::from_str(&self.content_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        reply.insert_header((header::CONTENT_TYPE, content_type));
        reply.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        reply.insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
        if let Some(context) = self.context.and_then(|text| HeaderValue::from_str(&text).ok()) {
            reply.insert_header((SECURITY_CONTEXT.clone(), context));
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_survives_the_way_in_and_out() {
        let id: Id = "a".parse().unwrap();
        for length in 0_u8..5 {
            let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(77)).collect();
            let body = wrapped(&bytes, "image/x; q=\"1\"", Some("Patient/1"), Some(&id));
            let found = Content::wanted(None, &body).unwrap().unwrap();
            assert_eq!((found.bytes, found.content_type.as_str()), (bytes, "image/x; q=\"1\""));
            assert_eq!(found.context.as_deref(), Some("Patient/1"));
            assert!(Content::wanted(Some("application/fhir+json"), &body).unwrap().is_none());
        }
    }

    #[test]
    fn json_and_xml_are_the_resource_only_where_they_say_so() {
        assert!(says_binary(b" {\"resourceType\" : \"Binary\"}", Format::Json));
        assert!(!says_binary(b"{\"a\":{\"resourceType\":\"Binary\"}}", Format::Json));
        assert!(!says_binary(b"[1", Format::Json));
        let xml = b"<?xml version=\"1.0\"?>\n<Binary xmlns=\"http://hl7.org/fhir\"/>";
        assert!(says_binary(xml, Format::Xml));
        assert!(!says_binary(b"<Binary xmlns=\"urn:other\"/>", Format::Xml));
    }
}
