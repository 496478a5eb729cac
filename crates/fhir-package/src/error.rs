//! What can be wrong with a source, always with the name of the file.

use std::io;

/// A fault of a source or of one document in it.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file or folder can't be read.
    #[error("{file}: can't be read: {source}")]
    Io {
        /// The path as given, with what was found under it.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The archive is damaged or no gzip-packed tar at all; what came before the fault was read.
    #[error("{file}: damaged or not a .tgz archive: {source}")]
    Archive {
        /// The archive.
        file: String,
        /// What the unpacking said.
        source: io::Error,
    },
    /// A document is over the limit and was passed over.
    #[error("{file}: larger than {max_bytes} bytes")]
    TooLarge {
        /// The document, with its line where it has one.
        file: String,
        /// The limit that it breaks.
        max_bytes: u64,
    },
    /// The archive holds more than it may; the rest of it was not read.
    #[error("{file}: unpacks to more than {limit}")]
    Bomb {
        /// The archive.
        file: String,
        /// The limit with its unit.
        limit: String,
    },
    /// Folders lie deeper in each other than allowed.
    #[error("{file}: lies deeper than {max_depth} folders")]
    TooDeep {
        /// The folder that wasn't read.
        file: String,
        /// The limit.
        max_depth: usize,
    },
    /// The named file has an ending that holds no documents.
    #[error("{file}: not a folder, .json, .xml, .ndjson, .tgz or .tar.gz")]
    Unrecognised {
        /// The file.
        file: String,
    },
    /// The archive holds what no publisher puts there.
    #[error("{file}: {why}")]
    Hostile {
        /// The entry.
        file: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `package.json` isn't what a package needs.
    #[error("{file}: {reason}")]
    Manifest {
        /// The path of the package.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}
