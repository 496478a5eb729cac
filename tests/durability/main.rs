//! What was acknowledged stays: after kill -9, and because each answer comes after its flush.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a run says what it measured and what it skipped")]

mod flush;
mod kill;
mod packages;
mod trace;
