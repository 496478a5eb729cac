//! The folder of the demo, which holds nothing else and is made anew at each start.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// The file by which a folder is known as the demo's, and that a running demo holds locked.
const MARK: &str = "kantele-demo.lock";
/// What is in the folder; nothing else is ever removed.
const OWN: [&str; 7] = [
    "kantele.toml",
    "claims.toml",
    "disclosure.toml",
    "keys.json",
    "data.ndjson",
    "env.sh",
    "demo.md",
];
const OWN_FOLDERS: [&str; 2] = ["services", "requests"];
/// How the names of the database's files begin.
const DATABASE: &str = "kantele.sqlite";

/// The folder, held by this process.
pub(super) struct Place {
    path: PathBuf,
    _held: File,
}

impl Place {
    /// Makes the folder, or empties it of what an earlier demo left there.
    ///
    /// # Errors
    /// Where the folder has anything of somebody else, or a demo is running over it.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        std::fs::create_dir_all(path).map_err(|error| format!("{shown}: {error}"))?;
        let path = path.canonicalize()?;
        let mark = path.join(MARK);
        if !mark.is_file() && path.read_dir()?.next().is_some() {
            let why = "is not empty, and no demo made it: name another folder with --folder";
            return Err(format!("{shown} {why}").into());
        }
        let held = OpenOptions::new().create(true).truncate(false).write(true).open(mark)?;
        held.try_lock().map_err(|_error| format!("{shown}: a demo is running over it"))?;
        let place = Self { path, _held: held };
        place.empty()?;
        Ok(place)
    }

    fn empty(&self) -> Result<(), Error> {
        for entry in self.path.read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_file() && (OWN.contains(&name.as_str()) || name.starts_with(DATABASE)) {
                std::fs::remove_file(entry.path())?;
            } else if kind.is_dir() && OWN_FOLDERS.contains(&name.as_str()) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes a file that nobody else may read.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        options.open(&path)?.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// The path of the SQLite file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The folder, from the root.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
