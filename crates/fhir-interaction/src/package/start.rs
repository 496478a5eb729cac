//! Packages that are installed when the server starts, because they lie in a folder.

use std::path::{Path, PathBuf};

use fhir_model::Failure;
use fhir_package::{
    Choice, INSTALL_LIMITS, Outcome, Package, PackageError, PackageId, digest, manifest,
};

use super::{Installation, unreadable};
use crate::app::App;

/// Installs the packages of these folders that are not installed as they lie there: archives
/// (`.tgz`), folders with a `package.json`, and the folder itself where it has one. What has not
/// changed is only read to see that, and not parsed. Packages that have gone from a folder stay
/// installed.
///
/// # Errors
/// As [`App::install_packages`], and what is wrong with a folder or package.
pub fn install_at_start(
    app: &App,
    folders: &[PathBuf],
    choice: &Choice,
) -> Result<Vec<Outcome>, Failure> {
    let fault = |fault: PackageError| unreadable(&fault);
    let installed = app.installed_packages();
    let mut packages = Vec::new();
    for folder in folders {
        for source in sources(folder).map_err(fault)? {
            let Some(manifest) = manifest(&source).map_err(fault)? else { continue };
            let id = PackageId::new(manifest.name, manifest.version);
            let known = installed.iter().find(|known| known.id == id);
            let digest = digest(&source, INSTALL_LIMITS).map_err(fault)?;
            if known.is_none_or(|known| known.digest != digest) {
                packages.push(Package::read(&source, INSTALL_LIMITS).map_err(fault)?);
            }
        }
    }
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let how = Installation { choice: choice.clone(), dry_run: false, origin: "start".to_owned() };
    app.install_packages(&packages, &how)
}

/// What lies in a folder, in the order of the names.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, PackageError> {
    if is_package(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let unreadable =
        |source| PackageError::Io { file: folder.to_string_lossy().into_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_package(&path) || (path.is_file() && is_archive(&path)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_package(folder: &Path) -> bool {
    ["package.json", "package/package.json"].iter().any(|name| folder.join(name).is_file())
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    !name.starts_with('.') && (name.ends_with(".tgz") || name.ends_with(".tar.gz"))
}
