//! The built `kantele` program, built again when a source is newer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::repository;

/// Crates of the workspace that are not part of the program.
const NOT_SHIPPED: [&str; 1] = ["xtask"];

/// The program under test.
///
/// `KANTELE_TEST_BINARY` names another build of it, such as a release build. Otherwise it is the one
/// beside the running test: `cargo test --workspace` has built it already; a single test package
/// started alone builds it here.
pub fn kantele() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("KANTELE_TEST_BINARY") {
        Some(path) => PathBuf::from(path),
        None => beside_the_test(),
    })
}

fn beside_the_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let binary = profile.join(format!("kantele{}", std::env::consts::EXE_SUFFIX));
    if is_current(&binary) {
        return binary;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository("")).args(["build", "--workspace", "--bin", "kantele"]);
    cargo.arg("--target-dir").arg(profile.parent().expect("target/<profile>"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "kantele does not build");
    binary
}

/// Whether the program is newer than everything it is made of.
fn is_current(binary: &Path) -> bool {
    let Some(built) = modified(binary) else { return false };
    newest(&repository("crates")).is_none_or(|source| source <= built)
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let mut newest = None;
    for entry in folder.read_dir().ok()?.flatten() {
        let path = entry.path();
        let is_shipped = NOT_SHIPPED.iter().all(|name| !path.ends_with(name));
        let time = match path.is_dir() {
            true if is_shipped => self::newest(&path),
            true => None,
            false => modified(&path),
        };
        newest = newest.max(time);
    }
    newest
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
