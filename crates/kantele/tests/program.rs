//! The program answers by itself. Its presence here also makes `cargo test --workspace` build the
//! program, which the tests of `tests/` then start.

use std::process::Command;

#[test]
fn the_program_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_kantele")).arg("--version").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim(), format!("kantele {}", env!("CARGO_PKG_VERSION")));
}
