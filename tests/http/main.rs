//! Every interaction over HTTP, one module each: statuses, headers, formats, errors.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a test says what it measured and what it skipped")]

mod batch;
mod capabilities;
mod claims;
mod create;
mod delete;
mod failures;
mod follow;
mod formats;
mod history;
mod official;
mod packages;
mod parameters;
mod profiles;
mod read;
mod search;
mod search_results;
mod serve;
mod terminology;
mod transaction;
mod update;
