//! `cargo xtask tidy`: rules of the house that no compiler checks.
//!
//! Reads the tracked files of the repository and reports every breach at once: an edge between
//! crates that the map of ARCHITECTURE.md does not have, a library outside the crate that owns it,
//! a national word in a generic crate, a file that has grown too long, a module without its
//! opening sentence, a trace of one developer's machine, a licence that deny.toml does not allow,
//! content of others that needs a licence, a package that NOTICE does not name.
//! The checks are pure functions over the
//! files, so that their own tests need no repository.

mod licences;
mod manifest;
mod source;
mod terms;
mod unused;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, conformance};

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Root of the repository; the working directory's repository when absent.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// One tracked text file: its path from the root of the repository, and its text.
#[derive(Debug)]
pub(crate) struct TrackedFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Runs every check and fails when one found something.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None => PathBuf::from(git(Path::new("."), &["rev-parse", "--show-toplevel"])?.trim()),
    };
    let files = tracked_files(&root)?;
    let mut faults = check(&files);
    faults.extend(licences::check(&root)?);
    let written = std::fs::read_to_string(root.join(conformance::FILE)).unwrap_or_default();
    if written != conformance::status(&root)? {
        let command = "cargo xtask conformance --write";
        faults.push(format!("{}: is out of date; `{command}` renews it", conformance::FILE));
    }
    if faults.is_empty() {
        println!("tidy: {} files are in order", files.len());
        return Ok(());
    }
    for fault in &faults {
        println!("{fault}");
    }
    Err(format!("{} breaches of the rules of the house", faults.len()).into())
}

/// Every breach in `files`, in the order of the files.
fn check(files: &[TrackedFile]) -> Vec<String> {
    let mut faults = manifest::check(files);
    faults.extend(unused::check(files));
    faults.extend(terms::check(files));
    for file in files {
        faults.extend(source::check(file));
    }
    faults
}

/// The tracked (or not yet tracked, but not ignored) files of the repository that hold text.
fn tracked_files(root: &Path) -> Result<Vec<TrackedFile>, Box<dyn std::error::Error>> {
    let listing = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // A file deleted from the work tree but not yet from the index is no file any more, and
        // what is not UTF-8 is not text.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(TrackedFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new("git").current_dir(root).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("git {} failed", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
