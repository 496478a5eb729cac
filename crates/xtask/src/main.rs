//! Checks and generation for developers.
fn main() {}
