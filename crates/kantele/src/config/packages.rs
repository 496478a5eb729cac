//! Packages that are installed at start, and how other servers' changes are noticed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use fhir_package::Choice;

use super::layers::{Layers, Setting};

static FOLDERS: Setting = Setting {
    key: "packages.folders",
    default: "profiles",
    flag: None,
    about: "Folders whose packages (.tgz, or folders with a package.json) are installed at start, \
            all or none, where they have changed. The default need not be there. Packages that \
            cannot be installed keep the server from starting.",
};
static WITHOUT: Setting = Setting {
    key: "packages.without",
    default: "",
    flag: None,
    about: "Names of packages that those may depend on without having them.",
};
static ANY_VERSION: Setting = Setting {
    key: "packages.any_version",
    default: "false",
    flag: None,
    about: "Whether their dependencies may be met by other versions than the wished ones.",
};
static REFRESH_EVERY_S: Setting = Setting {
    key: "packages.refresh_every_s",
    default: "10",
    flag: None,
    about: "On PostgreSQL: how often to look whether another server has changed the packages; 0 \
            never does.",
};

/// Packages at start.
#[derive(Clone, Debug)]
pub(crate) struct Packages {
    /// Where packages lie.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) choice: Choice,
    /// None where nobody looks.
    pub(crate) refresh: Option<Duration>,
}

impl Packages {
    pub(crate) const SETTINGS: &[&Setting] = &[&FOLDERS, &WITHOUT, &ANY_VERSION, &REFRESH_EVERY_S];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let folders = layers.list(&FOLDERS);
        let is_there =
            |folder: &&String| *folder != FOLDERS.default || std::path::Path::new(folder).is_dir();
        let missing = folders.iter().filter(is_there);
        let missing: Vec<&String> =
            missing.filter(|folder| !std::path::Path::new(folder).is_dir()).collect();
        if !missing.is_empty() {
            layers.refuse(&FOLDERS, "must name folders that are there");
        }
        let folders = folders.iter().filter(is_there).map(PathBuf::from).collect();
        let words = [("true", true), ("false", false)];
        let choice = Choice {
            without: layers.list(&WITHOUT).into_iter().collect::<BTreeSet<_>>(),
            any_version: layers.word(&ANY_VERSION, &words).unwrap_or_default(),
        };
        let refresh = layers.number(&REFRESH_EVERY_S, 0..=86_400);
        let refresh = (refresh > 0).then(|| Duration::from_secs(refresh));
        Self { folders, choice, refresh }
    }
}
