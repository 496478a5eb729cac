//! `kantele load`: twice is once, a killed load ends as an undisturbed one, what went in reads back.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a run says what it measured and what it skipped")]

mod again;
mod interrupted;
mod readback;
mod snapshot;
mod validation;
