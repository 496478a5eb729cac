//! Runs the cases of the folder conformance/ against a started server.
//!
//! A case is data: anyone can add one without knowing Rust. Known gaps are listed in
//! conformance/known-gaps.json with a reason; the run fails when a listed case begins to pass.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a run says how many cases it had")]

mod gaps;
mod interaction;
mod malformed;
mod search;
