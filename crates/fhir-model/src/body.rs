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
    /// The body of a resource. `replace` is asked for every literal reference, uri, url,
    /// canonical, oid and uuid and for every `href` and `src` of the narrative; what it gives is
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
