//! The Kantele server.
fn main() {}
