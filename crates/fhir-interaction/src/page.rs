//! Bundles as bytes: written entry by entry around resources that are stored bytes already.

use fhir_model::failure::outcome_json;
use fhir_model::{Failure, Instant, Issue, ResourceKey, VersionId, write};
use fhir_store::StoredVersion;

use crate::subset::Subset;

/// Writes one Bundle.
pub(crate) struct BundleWriter {
    out: Vec<u8>,
    has_entries: bool,
    has_members: bool,
}

impl BundleWriter {
    /// A Bundle of this type. Links are pairs of relation and URL.
    pub(crate) fn new(kind: &str, total: Option<u64>, links: &[(&str, String)]) -> Self {
        let mut out = Vec::with_capacity(16 * 1024);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
        if let Some(total) = total {
            out.extend_from_slice(b",\"total\":");
            write::integer(i64::try_from(total).unwrap_or(i64::MAX), &mut out);
        }
        for (at, (relation, url)) in links.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b",\"link\":[" } else { b"," });
            out.extend_from_slice(b"{\"relation\":");
            write::string(relation, &mut out);
            out.extend_from_slice(b",\"url\":");
            write::string(url, &mut out);
            out.push(b'}');
        }
        if !links.is_empty() {
            out.push(b']');
        }
        Self { out, has_entries: false, has_members: false }
    }

    /// A document with this identifier, a URI, made at this time.
    pub(crate) fn document(identifier: &str, timestamp: Instant) -> Self {
        let mut out = Vec::with_capacity(16 * 1024);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"identifier\":{\"system\":");
        write::string("urn:ietf:rfc:3986", &mut out);
        out.extend_from_slice(b",\"value\":");
        write::string(identifier, &mut out);
        out.extend_from_slice(b"},\"type\":\"document\",\"timestamp\":\"");
        timestamp.write_rfc3339(&mut out);
        out.push(b'"');
        Self { out, has_entries: false, has_members: false }
    }

    /// Starts an entry; its parts follow, then [`BundleWriter::end`].
    pub(crate) fn begin(&mut self) {
        self.out.extend_from_slice(if self.has_entries { b",{" } else { b",\"entry\":[{" });
        self.has_entries = true;
        self.has_members = false;
    }

    pub(crate) fn end(&mut self) {
        self.out.push(b'}');
    }

    pub(crate) fn full_url(&mut self, base: &str, key: &ResourceKey) {
        self.member("fullUrl");
        self.out.push(b'"');
        write::escaped(base, &mut self.out);
        self.out.push(b'/');
        write_key(key, &mut self.out);
        self.out.push(b'"');
    }

    /// The URL of a contained resource: that of what contains it, and its local id.
    pub(crate) fn contained_url(&mut self, base: &str, key: &ResourceKey, local: &str) {
        self.member("fullUrl");
        write::string(&format!("{base}/{key}#{local}"), &mut self.out);
    }

    /// A resource that is JSON already.
    pub(crate) fn resource(&mut self, json: &[u8]) {
        self.member("resource");
        self.out.extend_from_slice(json);
    }

    /// The wanted part of a stored version; a delete has no resource to write.
    ///
    /// # Errors
    /// `MalformedBody` where the stored bytes are no resource.
    pub(crate) fn stored(
        &mut self,
        stored: &StoredVersion,
        subset: &Subset,
    ) -> Result<(), Failure> {
        if stored.body.is_some() {
            self.member("resource");
            subset.write(stored, &mut self.out)?;
        }
        Ok(())
    }

    /// An entry with what there is to say about a search; none where that is nothing.
    pub(crate) fn notes(&mut self, notes: &[Issue]) {
        if !notes.is_empty() {
            self.begin();
            self.resource(&outcome_json(notes));
            self.search_mode("outcome");
            self.end();
        }
    }

    /// `search.mode`: `match`, `include` or `outcome`.
    pub(crate) fn search_mode(&mut self, mode: &str) {
        self.member("search");
        self.out.extend_from_slice(b"{\"mode\":");
        write::string(mode, &mut self.out);
        self.out.push(b'}');
    }

    pub(crate) fn request(&mut self, method: &str, url: &str) {
        self.member("request");
        self.out.extend_from_slice(b"{\"method\":");
        write::string(method, &mut self.out);
        self.out.extend_from_slice(b",\"url\":");
        write::string(url, &mut self.out);
        self.out.push(b'}');
    }

    pub(crate) fn response(&mut self, response: &Response<'_>) {
        self.member("response");
        self.out.extend_from_slice(b"{\"status\":\"");
        write::integer(i64::from(response.status), &mut self.out);
        self.out.push(b' ');
        self.out.extend_from_slice(reason(response.status).as_bytes());
        self.out.push(b'"');
        if let Some(location) = response.location {
            self.out.extend_from_slice(b",\"location\":");
            write::string(location, &mut self.out);
        }
        if let Some(version) = response.version {
            self.out.extend_from_slice(b",\"etag\":\"W/\\\"");
            write::integer(version.0, &mut self.out);
            self.out.extend_from_slice(b"\\\"\"");
        }
        if let Some(updated) = response.last_modified {
            self.out.extend_from_slice(b",\"lastModified\":\"");
            updated.write_rfc3339(&mut self.out);
            self.out.push(b'"');
        }
        if let Some(outcome) = response.outcome {
            self.out.extend_from_slice(b",\"outcome\":");
            self.out.extend_from_slice(outcome);
        }
        self.out.push(b'}');
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.has_entries { b"]}" } else { b"}" });
        self.out
    }

    fn member(&mut self, name: &str) {
        self.out.extend_from_slice(if self.has_members { b",\"" } else { b"\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.has_members = true;
    }
}

/// `Bundle.entry.response`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) location: Option<&'a str>,
    pub(crate) version: Option<VersionId>,
    pub(crate) last_modified: Option<Instant>,
    /// An OperationOutcome as JSON.
    pub(crate) outcome: Option<&'a [u8]>,
}

pub(crate) fn write_key(key: &ResourceKey, out: &mut Vec<u8>) {
    out.extend_from_slice(key.resource_type.as_str().as_bytes());
    out.push(b'/');
    out.extend_from_slice(key.id.as_str().as_bytes());
}

/// The reason phrase after the status in `Bundle.entry.response.status`.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        503 => "Service Unavailable",
        _ if status < 500 => "Error",
        _ => "Internal Server Error",
    }
}
