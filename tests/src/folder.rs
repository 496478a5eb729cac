//! Where the repository is, for the data that the tests share with people.

use std::path::PathBuf;

/// A path inside the repository, from its root.
pub fn repository(path: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests lie in the repository").join(path)
}
