//! Reads a package that lies unpacked in a folder.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Reading, archive};
use crate::folder::{files, shown};
use crate::{Limits, PackageError, PackageFile};

/// Takes the documents below the folder that has `package.json`, in the order of their names.
pub(super) fn read(
    root: &Path,
    limits: &Limits,
    reading: &mut Reading,
) -> Result<(), PackageError> {
    let prefix = format!("{}/", shown(root));
    for path in files(root, limits)? {
        let shown = shown(&path);
        let inside = shown.strip_prefix(&prefix).unwrap_or(&shown);
        let Some(format) = archive::kind_of(inside) else { continue };
        let unreadable = |source| PackageError::Io { file: shown.clone(), source };
        let mut bytes = Vec::new();
        let max_bytes = limits.max_document_bytes;
        let file = File::open(&path).map_err(unreadable)?;
        let most = max_bytes.saturating_add(1);
        let length = file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        if u64::try_from(length).is_ok_and(|length| length > max_bytes) {
            return Err(PackageError::TooLarge { file: shown, max_bytes });
        }
        let path = inside.to_owned();
        reading.take(&PackageFile { path, line: None, format, bytes, consumed_bytes: 0 })?;
    }
    Ok(())
}
