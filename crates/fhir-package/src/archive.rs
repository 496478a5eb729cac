//! Unpacks `.tgz` archives entry by entry.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use crate::folder;
use crate::{FileKind, Gone, Limits, Name, PackageError, Sink, is_set_aside};

/// Folders of a package that hold no resources.
const SET_ASIDE_FOLDERS: &[&str] = &["openapi", "xml", "rdf", "tests", "other"];

/// Sends the documents of an archive whose packed bytes are `packed`.
pub(crate) fn read(
    name: &str,
    packed: impl Read,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<(), Gone> {
    let before = sink.consumed_bytes;
    let taken = Rc::new(Cell::new(0));
    let packed = Counted { reader: packed, taken: Rc::clone(&taken) };
    let unpacked = Rc::new(Cell::new(0));
    let unpacking = Counted { reader: MultiGzDecoder::new(packed), taken: Rc::clone(&unpacked) };
    // One byte over the limit tells an archive that breaks it from one that just fits.
    let mut archive = tar::Archive::new(unpacking.take(limits.max_archive_bytes.saturating_add(1)));
    let bomb = |limit| PackageError::Bomb { file: name.to_owned(), limit };
    let damaged = |source| {
        if unpacked.get() > limits.max_archive_bytes {
            return bomb(format!("{} bytes", limits.max_archive_bytes));
        }
        PackageError::Archive { file: name.to_owned(), source }
    };
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(source) => return sink.fault(damaged(source)),
    };
    for (count, entry) in (1..).zip(entries) {
        if count > limits.max_archive_entries {
            return sink.fault(bomb(format!("{} entries", limits.max_archive_entries)));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(source) => return sink.fault(damaged(source)),
        };
        sink.consumed_bytes = before + taken.get();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(kind) = kind_of(&entry, &path) {
            let file = format!("{name}:{path}");
            send(&file, kind, entry, limits, sink)?;
        }
    }
    Ok(())
}

fn send<R: Read>(
    file: &str,
    kind: FileKind,
    entry: tar::Entry<'_, R>,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<(), Gone> {
    match kind {
        FileKind::Document(format) => {
            // The size in the header saves unpacking what would be thrown away.
            let max_bytes = limits.max_document_bytes;
            if entry.size() > max_bytes {
                return sink.fault(PackageError::TooLarge { file: file.to_owned(), max_bytes });
            }
            folder::document(Name { path: file, line: None, format }, entry, limits, sink)
        }
        FileKind::Lines => {
            // Progress counts packed bytes, so the lines of one entry share a position.
            let consumed_bytes = sink.consumed_bytes;
            let mut held = Sink {
                sender: &mut |item| {
                    (sink.sender)(item.map(|file| crate::PackageFile { consumed_bytes, ..file }))
                },
                consumed_bytes,
            };
            folder::lines(file, entry, limits, &mut held)
        }
        // An archive in an archive is no package.
        FileKind::Archive => Ok(()),
    }
}

/// How an entry is read; `None` where it holds no resource.
fn kind_of<R: Read>(entry: &tar::Entry<'_, R>, path: &str) -> Option<FileKind> {
    if !entry.header().entry_type().is_file() {
        return None;
    }
    let mut folders: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    let name = folders.pop()?;
    if is_set_aside(name) || folders.into_iter().any(is_set_aside_folder) {
        return None;
    }
    FileKind::of_name(name)
}

/// Whether the files of a folder with this name are no resources of the package.
pub(crate) fn is_set_aside_folder(name: &str) -> bool {
    SET_ASIDE_FOLDERS.contains(&name)
}

/// Counts what passes through.
struct Counted<R> {
    reader: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.taken.set(self.taken.get() + u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}
