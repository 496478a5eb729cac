//! Reads a package from an archive, entry by entry, and refuses what no publisher makes.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;

use super::digest::Hashed;
use super::{Package, Reading};
use crate::archive::is_set_aside_folder;
use crate::manifest::{self, Manifest};
use crate::{FileKind, Format, Limits, PackageError, PackageFile, is_set_aside};

/// Where an archive has the manifest, without `./` in front.
const MANIFEST: &str = "package/package.json";

pub(super) fn read(
    name: &str,
    packed: impl Read,
    limits: &Limits,
) -> Result<Package, PackageError> {
    let mut hashed = Hashed::new(packed);
    // One byte over the limit tells an archive that breaks it from one that just fits.
    let most = limits.max_archive_bytes.saturating_add(1);
    let mut unpacking = Counted { reader: MultiGzDecoder::new(&mut hashed).take(most), bytes: 0 };
    let mut gathered =
        Gathered { name, limits, manifest: None, waiting: Vec::new(), reading: None };
    let outcome = gathered.all(&mut unpacking);
    if unpacking.bytes > limits.max_archive_bytes {
        let limit = format!("{} bytes", limits.max_archive_bytes);
        return Err(PackageError::Bomb { file: name.to_owned(), limit });
    }
    outcome?;
    let mut package = gathered.package()?;
    let digest = hashed.finish();
    package.digest = digest.map_err(|source| PackageError::Io { file: name.to_owned(), source })?;
    Ok(package)
}

/// What has been read so far. Documents that come before the manifest wait for it.
struct Gathered<'a> {
    name: &'a str,
    limits: &'a Limits,
    manifest: Option<Manifest>,
    waiting: Vec<PackageFile>,
    reading: Option<Reading>,
}

impl Gathered<'_> {
    fn all(&mut self, unpacking: impl Read) -> Result<(), PackageError> {
        let damaged = |source| PackageError::Archive { file: self.name.to_owned(), source };
        let mut archive = tar::Archive::new(unpacking);
        let mut seen = BTreeSet::new();
        let mut waiting_bytes = 0;
        for (count, entry) in (1..).zip(archive.entries().map_err(damaged)?) {
            if count > self.limits.max_archive_entries {
                let limit = format!("{} entries", self.limits.max_archive_entries);
                return Err(PackageError::Bomb { file: self.name.to_owned(), limit });
            }
            let damaged = |source| PackageError::Archive { file: self.name.to_owned(), source };
            let mut entry = entry.map_err(damaged)?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = self.legal(&path, entry.header().entry_type())?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            if !seen.insert(path.clone()) {
                return Err(self.hostile(&path, "is in the archive twice"));
            }
            if path == MANIFEST {
                let mut text = Vec::new();
                entry.read_to_end(&mut text).map_err(damaged)?;
                let manifest = manifest::parsed(self.name, &text)?;
                manifest.check(self.name)?;
                self.manifest = Some(manifest);
                continue;
            }
            // Other folders beside `package` are no part of it.
            let inside = path.strip_prefix("package/").map(str::to_owned);
            let Some((inside, kind)) =
                inside.and_then(|path| Some((path.clone(), kind_of(&path)?)))
            else {
                continue;
            };
            let bytes = self.bytes(&path, entry)?;
            waiting_bytes += bytes.len();
            let path = inside;
            let file = PackageFile { path, line: None, format: kind, bytes, consumed_bytes: 0 };
            self.take(file)?;
            if self.reading.is_none() && waiting_bytes > MAX_WAITING_BYTES {
                return Err(manifest::missing(self.name));
            }
        }
        Ok(())
    }

    fn take(&mut self, file: PackageFile) -> Result<(), PackageError> {
        if self.reading.is_none()
            && let Some(manifest) = &self.manifest
        {
            let mut reading = Reading::new(manifest.clone());
            for file in std::mem::take(&mut self.waiting) {
                reading.take(&file)?;
            }
            self.reading = Some(reading);
        }
        match &mut self.reading {
            Some(reading) => reading.take(&file),
            None => {
                self.waiting.push(file);
                Ok(())
            }
        }
    }

    fn package(self) -> Result<Package, PackageError> {
        let Self { name, manifest, waiting, reading, .. } = self;
        let manifest = manifest.ok_or_else(|| manifest::missing(name))?;
        let mut reading = reading.unwrap_or_else(|| Reading::new(manifest));
        for file in &waiting {
            reading.take(file)?;
        }
        Ok(reading.package)
    }

    fn bytes(&self, path: &str, entry: impl Read) -> Result<Vec<u8>, PackageError> {
        let mut bytes = Vec::new();
        let max_bytes = self.limits.max_document_bytes;
        let file = || format!("{}:{path}", self.name);
        let read = entry.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes);
        let length = read.map_err(|source| PackageError::Archive { file: file(), source })?;
        if u64::try_from(length).is_ok_and(|length| length > max_bytes) {
            return Err(PackageError::TooLarge { file: file(), max_bytes });
        }
        Ok(bytes)
    }

    /// The path of an entry without `./` in front.
    fn legal(&self, path: &str, kind: tar::EntryType) -> Result<String, PackageError> {
        let is_link = kind.is_symlink() || kind.is_hard_link();
        let is_odd = kind.is_character_special() || kind.is_block_special() || kind.is_fifo();
        if is_link || is_odd {
            return Err(self.hostile(path, "is no plain file"));
        }
        let outside = "leads out of the package";
        if path.contains(['\\', '\0']) {
            return Err(self.hostile(path, outside));
        }
        let mut parts = Vec::new();
        for part in Path::new(path).components() {
            match part {
                Component::CurDir => {}
                Component::Normal(part) => parts.push(part.to_string_lossy()),
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(self.hostile(path, outside));
                }
            }
        }
        Ok(parts.join("/"))
    }

    fn hostile(&self, path: &str, why: &'static str) -> PackageError {
        let shown: String = path.chars().filter(|it| !it.is_control()).take(200).collect();
        PackageError::Hostile { file: format!("{}:{shown}", self.name), why }
    }
}

/// Bytes of documents that may stand before the manifest.
const MAX_WAITING_BYTES: usize = 256 << 20;

/// How a file of the package is read; none where it is passed over.
pub(super) fn kind_of(path: &str) -> Option<Format> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if is_set_aside(name) || folder.split('/').any(is_set_aside_folder) {
        return None;
    }
    match FileKind::of_name(name)? {
        FileKind::Document(format) => Some(format),
        FileKind::Lines | FileKind::Archive => None,
    }
}

/// Counts what passes through.
struct Counted<R> {
    reader: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        Ok(length)
    }
}
