//! What stands for the content of a package.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::folder::{self, shown};
use crate::{Limits, PackageError};

/// SHA-256 in hexadecimal digits: of an archive its bytes, of a folder the names, lengths and
/// bytes of its `package.json` and of all files that are read, in the order of their names. Equal
/// digests mean equal packages; nothing is parsed for it.
///
/// # Errors
/// Where the source can't be read.
pub fn digest(source: &Path, limits: Limits) -> Result<String, PackageError> {
    let unreadable = |source_error| PackageError::Io { file: shown(source), source: source_error };
    let mut hash = Sha256::new();
    if !source.is_dir() {
        add(&mut hash, source).map_err(unreadable)?;
        return Ok(hexadecimal(&hash.finalize()));
    }
    let prefix = format!("{}/", shown(source));
    let mut files = folder::files(source, &limits)?;
    let manifests = ["package.json", "package/package.json"].map(|name| source.join(name));
    files.extend(manifests.into_iter().filter(|path| path.is_file()));
    for path in files {
        let name = shown(&path);
        let name = name.strip_prefix(&prefix).unwrap_or(&name);
        let length = path.metadata().map_err(unreadable)?.len();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(length.to_be_bytes());
        add(&mut hash, &path).map_err(unreadable)?;
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn add(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            length => hash.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

/// Hashes what passes through.
pub(super) struct Hashed<R> {
    reader: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, hash: Sha256::new() }
    }

    /// Reads what is left and gives the digest of all.
    pub(super) fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(hexadecimal(&self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}
