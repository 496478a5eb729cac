//! The stored form of a resource: everything but type, id, version and time, which are columns.
//!
//! `meta members without versionId and lastUpdated, minified, without braces`, a line feed, then
//! `all other members without resourceType, id and meta, minified, without braces`. A line feed
//! cannot occur inside minified JSON, so a reply is written by concatenation and nothing is
//! parsed. Two resources that differ in nothing else have equal bodies.

use crate::failure::Failure;
use crate::id::{ResourceKey, VersionId};
use crate::instant::Instant;
use crate::resource::{Resource, ResourceView};
use crate::rewrite::{self, Replace};
use crate::write;

/// A resource as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body(Vec<u8>);

impl Body {
    /// The body of a resource. `replace` is asked for every literal reference, uri, url, oid
    /// and uuid and for every `href` and `src` of the narrative; what it gives is
    /// written instead (a transaction puts real references there).
    #[must_use]
    pub fn from_view(view: ResourceView<'_>, replace: Option<Replace<'_>>) -> Self {
        let mut out = Vec::with_capacity(view.value.raw().len());
        if let Some(meta) = view.value.get("meta") {
            rewrite::meta_members(meta, replace, &mut out);
        }
        out.push(b'\n');
        rewrite::resource_members(view, replace, &mut out);
        Self(out)
    }

    /// Bytes that [`Body::as_bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The stored bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stored bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes the resource with its key and, where given, version and time.
    pub fn write_json(
        &self,
        key: &ResourceKey,
        version: Option<VersionId>,
        updated: Option<Instant>,
        out: &mut Vec<u8>,
    ) {
        let (meta, rest) = self.parts();
        out.reserve(self.0.len() + 192);
        out.extend_from_slice(b"{\"resourceType\":\"");
        out.extend_from_slice(key.resource_type.as_str().as_bytes());
        out.extend_from_slice(b"\",\"id\":\"");
        out.extend_from_slice(key.id.as_str().as_bytes());
        out.push(b'"');
        if version.is_some() || updated.is_some() || !meta.is_empty() {
            out.extend_from_slice(b",\"meta\":{");
            let start = out.len();
            if let Some(version) = version {
                out.extend_from_slice(b"\"versionId\":\"");
                write::integer(version.0, out);
                out.push(b'"');
            }
            if let Some(updated) = updated {
                separate(start, out);
                out.extend_from_slice(b"\"lastUpdated\":\"");
                updated.write_rfc3339(out);
                out.push(b'"');
            }
            if !meta.is_empty() {
                separate(start, out);
                out.extend_from_slice(meta);
            }
            out.push(b'}');
        }
        if !rest.is_empty() {
            out.push(b',');
            out.extend_from_slice(rest);
        }
        out.push(b'}');
    }

    /// The resource again, without version and time.
    ///
    /// # Errors
    /// `MalformedBody` where the bytes are not those of a body.
    pub fn to_resource(&self, key: &ResourceKey) -> Result<Resource, Failure> {
        let mut json = Vec::new();
        self.write_json(key, None, None, &mut json);
        Resource::trusted(json)
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (meta, rest) = self.0.split_at(end);
        (meta, rest.get(1..).unwrap_or_default())
    }
}

fn separate(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Limits;
    use crate::rewrite::Link;

    const SOURCE: &str = r#" {
      "id": "1", "meta": { "versionId": "4", "source": "urn:x", "lastUpdated": "2026-01-02T03:04:05Z",
        "profile": [ "http://example.org/a" ] },
      "resourceType": "Observation", "status": "final", "code": { "text": "a  b" },
      "text": { "status": "generated",
        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:1\">x</a><p title='urn:uuid:1'>urn:uuid:1</p></div>" },
      "subject": { "reference": "urn:uuid:1", "display": "urn:uuid:1" },
      "valueQuantity": { "value": 1.500e+2, "system": "urn:uuid:1" } } "#;

    fn parsed(source: &str) -> Resource {
        Resource::from_json(source.as_bytes().to_vec(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_body_holds_all_but_what_columns_hold() {
        let resource = parsed(SOURCE);
        let body = Body::from_view(resource.view(), None);
        let text = String::from_utf8(body.as_bytes().to_vec()).unwrap();
        let (meta, rest) = text.split_once('\n').unwrap();
        assert_eq!(meta, r#""source":"urn:x","profile":["http://example.org/a"]"#);
        assert!(rest.starts_with(r#""status":"final","code":{"text":"a  b"},"text":{"#), "{rest}");
        assert!(rest.ends_with(r#""valueQuantity":{"value":1.500e+2,"system":"urn:uuid:1"}"#));
    }

    #[test]
    fn replies_are_written_by_concatenation() {
        let key: ResourceKey = "Basic/a".parse().unwrap();
        let json = |body: &str, version, updated| {
            let mut out = Vec::new();
            let body = Body::from_bytes(body.as_bytes().to_vec());
            body.write_json(&key, version, updated, &mut out);
            String::from_utf8(out).unwrap()
        };
        let head = r#"{"resourceType":"Basic","id":"a""#;
        assert_eq!(json("\n", None, None), format!("{head}}}"));
        assert_eq!(
            json("\"source\":\"x\"\n\"b\":1", Some(VersionId(2)), None),
            format!(r#"{head},"meta":{{"versionId":"2","source":"x"}},"b":1}}"#)
        );
        assert_eq!(
            json("\n", Some(VersionId(2)), Some(Instant(0))),
            format!(
                r#"{head},"meta":{{"versionId":"2","lastUpdated":"1970-01-01T00:00:00.000000Z"}}}}"#
            )
        );
    }

    #[test]
    fn only_references_uris_and_links_are_replaced() {
        let resource = parsed(SOURCE);
        let replace = |link: Link, text: &str| {
            (text == "urn:uuid:1").then(|| match link {
                Link::Reference => "Patient/9".to_owned(),
                Link::Uri => "http://example.org/\"9\"".to_owned(),
            })
        };
        let body = Body::from_view(resource.view(), Some(&replace));
        let text = String::from_utf8(body.into_bytes()).unwrap();
        assert!(text.contains(r#"{"reference":"Patient/9","display":"urn:uuid:1"}"#), "{text}");
        assert!(text.contains(r#""system":"http://example.org/\"9\"""#), "{text}");
        assert!(text.contains(r#"<a href=\"http://example.org/&quot;9&quot;\">x</a>"#), "{text}");
        assert!(text.contains(r#"<p title='urn:uuid:1'>urn:uuid:1</p>"#), "{text}");
    }
}
