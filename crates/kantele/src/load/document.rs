//! One document: its place, its mark in the journal, and what it holds.

use std::path::Path;

use fhir_model::{Failure, Limits, Resource, ResourceKey, ResourceType};
use fhir_package::{Format, PackageFile};
use fhir_store::JournalRow;

/// A document that was read and parsed, be it right or wrong.
pub(crate) struct Document {
    /// The path as given, with the path inside an archive.
    pub(crate) path: String,
    pub(crate) line: Option<u64>,
    /// The file on the disk, and as position a digest of place and content: a changed document is
    /// another one.
    pub(crate) mark: JournalRow,
    pub(crate) parsed: Result<Resource, Failure>,
    len: usize,
}

impl Document {
    pub(crate) fn new(found: PackageFile) -> Self {
        let PackageFile { path, line, format, bytes, .. } = found;
        let (file, inner) = split_archive(&path);
        let mark = JournalRow { file: absolute(file), position: digest(inner, line, &bytes) };
        let len = bytes.len();
        let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
        let parsed = match format {
            Format::Json => fhir_interaction::bundle::parse(bytes, &limits),
            Format::Xml => Resource::from_xml(&bytes, &limits),
        };
        Self { path, line, mark, parsed, len }
    }

    /// What names the place to people: `folder/patients.ndjson:17`.
    pub(crate) fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.path),
            None => self.path.clone(),
        }
    }

    pub(crate) fn key(&self) -> Option<ResourceKey> {
        let resource = self.parsed.as_ref().ok()?;
        Some(ResourceKey { resource_type: resource.resource_type(), id: resource.id()? })
    }

    /// The type by which the report counts.
    pub(crate) fn type_name(&self) -> &'static str {
        self.parsed.as_ref().map_or("(unreadable)", |resource| resource.resource_type().as_str())
    }

    /// Whether it is a transaction or batch, which may touch any resource.
    pub(crate) fn is_executed(&self) -> bool {
        self.parsed.as_ref().is_ok_and(is_executed)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Whether a resource is a Bundle that is executed instead of stored.
pub(crate) fn is_executed(resource: &Resource) -> bool {
    let is_bundle = resource.resource_type() == ResourceType::BUNDLE;
    let kind = resource.view().value.get("type").and_then(|kind| kind.text());
    is_bundle && matches!(kind.as_deref(), Some("transaction" | "batch"))
}

/// The file on the disk and the path inside it.
fn split_archive(path: &str) -> (&str, &str) {
    let ends = [".tgz:", ".tar.gz:"];
    let end = ends.iter().filter_map(|end| path.find(end).map(|at| at + end.len() - 1)).min();
    match end.and_then(|end| path.split_at_checked(end)) {
        Some((file, inner)) => (file, inner),
        None => (path, ""),
    }
}

/// The same file however it is named.
fn absolute(file: &str) -> String {
    let found = Path::new(file).canonicalize();
    found.map_or_else(|_| file.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn digest(inner: &str, line: Option<u64>, bytes: &[u8]) -> i64 {
    let mut hasher = openssl::sha::Sha256::new();
    hasher.update(inner.as_bytes());
    hasher.update(&line.unwrap_or(0).to_be_bytes());
    hasher.update(bytes);
    let first = hasher.finish().first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_on_the_disk_is_told_from_the_path_inside() {
        assert_eq!(split_archive("a/b.json"), ("a/b.json", ""));
        assert_eq!(split_archive("a/b.tgz:package/c.json"), ("a/b.tgz", ":package/c.json"));
        assert_eq!(split_archive("b.tar.gz:c.json"), ("b.tar.gz", ":c.json"));
    }

    #[test]
    fn the_mark_changes_with_place_and_content() {
        let base = digest("a", Some(1), b"x");
        assert_eq!(base, digest("a", Some(1), b"x"));
        for other in
            [digest("b", Some(1), b"x"), digest("a", Some(2), b"x"), digest("a", None, b"y")]
        {
            assert_ne!(base, other);
        }
    }
}
