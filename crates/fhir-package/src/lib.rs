//! FHIR packages: read from archives (.tgz) and folders, and held in a registry.
//!
//! [`read`] gives the documents of a package, a folder or a single file as a stream, one in memory
//! at a time, whatever the size of the source: archives are unpacked and NDJSON files split while
//! they are read. Limits stop archives that unpack without end. [`Registry`] is what is installed:
//! conformance resources by their canonical URLs, parsed when they are asked for. Where packages
//! are kept is others' business ([`Bodies`]).
#![warn(missing_docs)]

mod archive;
mod body;
mod error;
mod folder;
mod lines;
mod manifest;
mod package;
mod plan;
mod registry;
mod report;
mod version;

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

pub use error::PackageError;
pub use lines::Lines;
pub use manifest::{Manifest, is_built_in, manifest};
pub use package::{INSTALL_LIMITS, Package, Packed, ResourceFault, digest, is_kept};
pub use plan::{Choice, Dependency, Fate, Met, Offer, PlanFault, Step, plan, removal};
pub use registry::{Bodies, Entry, Installed, PackageView, Registry};
pub use report::{About, Conflict, Outcome, Report, SnapshotFault};
pub use version::{PackageId, Wish, WishFault, compare_versions};

/// One document of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// The path as given with what was found under it, always with `/`; a file of an archive is
    /// `archive.tgz:package/Patient-1.json`. Stable from run to run.
    pub path: String,
    /// The line in an NDJSON file, counted from one; `None` for whole files.
    pub line: Option<u64>,
    /// How the bytes are to be read: an NDJSON line is `Json`.
    pub format: Format,
    /// The document as it stands.
    pub bytes: Vec<u8>,
    /// How many bytes of the source, as `source_bytes` counts them, are used up to the end of
    /// this document: with archives the packed bytes. For progress bars.
    pub consumed_bytes: u64,
}

/// The forms of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON document.
    Json,
    /// One XML document.
    Xml,
}

/// The kinds of file that hold documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `.json` or `.xml`.
    Document(Format),
    /// `.ndjson`: a JSON document on each line.
    Lines,
    /// `.tgz` or `.tar.gz`.
    Archive,
}

impl FileKind {
    /// The kind that the end of a name tells, capitals or not.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (rest, extension) = name.rsplit_once('.')?;
        match extension {
            "json" => Some(Self::Document(Format::Json)),
            "xml" => Some(Self::Document(Format::Xml)),
            "ndjson" => Some(Self::Lines),
            "tgz" => Some(Self::Archive),
            "gz" if rest.ends_with(".tar") => Some(Self::Archive),
            _ => None,
        }
    }
}

/// What a source may hold before reading stops.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest document; larger ones are reported and passed over.
    pub max_document_bytes: u64,
    /// The most that one archive may unpack to.
    pub max_archive_bytes: u64,
    /// The most entries of one archive, those that are passed over included.
    pub max_archive_entries: u64,
    /// The deepest folder below the source.
    pub max_folder_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_document_bytes: 256 << 20,
            max_archive_bytes: 16 << 30,
            max_archive_entries: 5_000_000,
            max_folder_depth: 32,
        }
    }
}

/// The documents of a source, in an order that is the same in every run; made by [`read`].
///
/// A fault of one document doesn't end the stream; a broken archive ends that archive.
pub struct Files(Receiver<Result<PackageFile, PackageError>>);

impl Iterator for Files {
    type Item = Result<PackageFile, PackageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.recv().ok()
    }
}

/// Reads a folder (with its sub-folders, names in byte order), an archive, an NDJSON file or a
/// document. Unpacking runs on a thread of its own, one document ahead of the caller, and ends
/// when the stream is dropped.
///
/// In folders and archives, files that hold no resource are passed over: other endings,
/// `package.json`, hidden files such as `.index.json`, and the folders of a package that the
/// package specification sets aside (`openapi`, `xml`, `rdf`, `tests`, `other`).
#[must_use]
pub fn read(source: &Path, limits: Limits) -> Files {
    let (sender, receiver) = sync_channel(1);
    let source = source.to_owned();
    std::thread::spawn(move || {
        let mut sink = Sink { sender: &mut |item| sender.send(item).is_ok(), consumed_bytes: 0 };
        // Either everything is read or nobody listens any more.
        let _ = folder::source(&source, &limits, &mut sink);
    });
    Files(receiver)
}

/// The size of what [`read`] goes through: packed bytes for archives, plain ones for the rest.
///
/// # Errors
/// `PackageError::Io` where the source or a folder in it can't be read.
pub fn source_bytes(source: &Path, limits: Limits) -> Result<u64, PackageError> {
    folder::size(source, &limits, 0)
}

/// Where documents go while they are read.
struct Sink<'a> {
    /// Answers false when the reader has gone.
    sender: &'a mut dyn FnMut(Result<PackageFile, PackageError>) -> bool,
    consumed_bytes: u64,
}

/// Nobody listens any more.
struct Gone;

impl Sink<'_> {
    fn document(&mut self, name: Name<'_>, bytes: Vec<u8>) -> Result<(), Gone> {
        let Name { path, line, format } = name;
        let consumed_bytes = self.consumed_bytes;
        self.send(Ok(PackageFile { path: path.to_owned(), line, format, bytes, consumed_bytes }))
    }

    fn fault(&mut self, fault: PackageError) -> Result<(), Gone> {
        self.send(Err(fault))
    }

    fn send(&mut self, item: Result<PackageFile, PackageError>) -> Result<(), Gone> {
        if (self.sender)(item) { Ok(()) } else { Err(Gone) }
    }
}

/// What a document is called.
#[derive(Clone, Copy)]
struct Name<'a> {
    path: &'a str,
    line: Option<u64>,
    format: Format,
}

/// Whether a file of a folder or archive is set aside by its name alone.
fn is_set_aside(name: &str) -> bool {
    name.starts_with('.') || name == "package.json"
}
