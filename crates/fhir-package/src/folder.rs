//! Walks files and folders.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::lines::Lines;
use crate::{FileKind, Format, Gone, Limits, Name, PackageError, Sink, archive, is_set_aside};

/// Reads whatever the caller named.
pub(crate) fn source(path: &Path, limits: &Limits, sink: &mut Sink<'_>) -> Result<(), Gone> {
    if path.is_dir() {
        return folder(path, limits, sink, 0);
    }
    match FileKind::of_name(&shown(path)) {
        Some(kind) => file(path, kind, limits, sink),
        None if path.exists() => sink.fault(PackageError::Unrecognised { file: shown(path) }),
        None => match fs::metadata(path) {
            Err(source) => sink.fault(PackageError::Io { file: shown(path), source }),
            Ok(_) => Ok(()),
        },
    }
}

fn folder(path: &Path, limits: &Limits, sink: &mut Sink<'_>, depth: usize) -> Result<(), Gone> {
    let entries = match entries(path, limits, depth) {
        Ok(entries) => entries,
        Err(fault) => return sink.fault(fault),
    };
    for entry in entries {
        match entry {
            Entry::Folder(path) => folder(&path, limits, sink, depth + 1)?,
            Entry::File(path, kind, _) => file(&path, kind, limits, sink)?,
        }
    }
    Ok(())
}

fn file(path: &Path, kind: FileKind, limits: &Limits, sink: &mut Sink<'_>) -> Result<(), Gone> {
    let name = shown(path);
    let before = sink.consumed_bytes;
    let (file, len) = match File::open(path).and_then(|file| Ok((file.metadata()?.len(), file))) {
        Ok((len, file)) => (file, len),
        Err(source) => return sink.fault(PackageError::Io { file: name, source }),
    };
    match kind {
        FileKind::Archive => archive::read(&name, file, limits, sink)?,
        FileKind::Lines => lines(&name, file, limits, sink)?,
        FileKind::Document(format) => {
            sink.consumed_bytes = before + len;
            document(Name { path: &name, line: None, format }, file, limits, sink)?;
        }
    }
    sink.consumed_bytes = before + len;
    Ok(())
}

/// Sends one document, or says why it can't.
pub(crate) fn document(
    name: Name<'_>,
    reader: impl Read,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<(), Gone> {
    let mut bytes = Vec::new();
    // One byte over the limit tells a document that breaks it from one that just fits.
    let max_bytes = limits.max_document_bytes;
    match reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes) {
        Err(source) => sink.fault(PackageError::Io { file: name.path.to_owned(), source }),
        Ok(len) if u64::try_from(len).is_ok_and(|len| len <= max_bytes) => {
            sink.document(name, bytes)
        }
        Ok(_) => sink.fault(PackageError::TooLarge { file: name.path.to_owned(), max_bytes }),
    }
}

/// Sends each line that isn't blank.
pub(crate) fn lines(
    path: &str,
    reader: impl Read,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Result<(), Gone> {
    let before = sink.consumed_bytes;
    let mut lines = Lines::new(BufReader::new(reader), limits.max_document_bytes);
    while let Some(line) = lines.next() {
        sink.consumed_bytes = before + lines.consumed_bytes();
        let place = || format!("{path}:{}", lines.number());
        match line {
            Ok(Some(bytes)) => {
                let line = Some(lines.number());
                sink.document(Name { path, line, format: Format::Json }, bytes)?;
            }
            Ok(None) => sink.fault(PackageError::TooLarge {
                file: place(),
                max_bytes: limits.max_document_bytes,
            })?,
            Err(source) => sink.fault(PackageError::Io { file: place(), source })?,
        }
    }
    sink.consumed_bytes = before;
    Ok(())
}

/// The packed size of everything that would be read.
pub(crate) fn size(path: &Path, limits: &Limits, depth: usize) -> Result<u64, PackageError> {
    let unreadable = |source| PackageError::Io { file: shown(path), source };
    let found = fs::metadata(path).map_err(unreadable)?;
    if found.is_file() {
        return Ok(found.len());
    }
    entries(path, limits, depth)?.into_iter().try_fold(0, |sum, entry| {
        Ok(sum
            + match entry {
                Entry::Folder(path) => size(&path, limits, depth + 1)?,
                Entry::File(_, _, len) => len,
            })
    })
}

/// All files that would be read, in their order.
pub(crate) fn files(path: &Path, limits: &Limits) -> Result<Vec<PathBuf>, PackageError> {
    let mut found = Vec::new();
    collect(path, limits, 0, &mut found)?;
    Ok(found)
}

fn collect(
    path: &Path,
    limits: &Limits,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), PackageError> {
    for entry in entries(path, limits, depth)? {
        match entry {
            Entry::Folder(path) => collect(&path, limits, depth + 1, found)?,
            Entry::File(path, ..) => found.push(path),
        }
    }
    Ok(())
}

enum Entry {
    Folder(PathBuf),
    File(PathBuf, FileKind, u64),
}

/// What a folder holds, in byte order of the names. Links to folders are passed over, so that
/// no walk runs in a circle.
fn entries(path: &Path, limits: &Limits, depth: usize) -> Result<Vec<Entry>, PackageError> {
    let max_depth = limits.max_folder_depth;
    if depth > max_depth {
        return Err(PackageError::TooDeep { file: shown(path), max_depth });
    }
    let unreadable = |source| PackageError::Io { file: shown(path), source };
    let found = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut found = found.map_err(unreadable)?;
    found.sort_by_key(fs::DirEntry::file_name);
    let mut entries = Vec::new();
    for entry in found {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if is_set_aside(&name) {
            continue;
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            entries.push(Entry::Folder(path));
        } else if let Some(kind) = FileKind::of_name(&name) {
            let len = match fs::metadata(&path) {
                Ok(found) if found.is_file() => found.len(),
                Ok(_) => continue,
                // The reader reports it with its name.
                Err(_) => 0,
            };
            entries.push(Entry::File(path, kind, len));
        }
    }
    Ok(entries)
}

/// The path as it is shown and remembered.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}
