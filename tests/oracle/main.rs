//! Random searches against a plain oracle: what the server finds over HTTP, page by page, is what
//! `SearchQuery::holds` says of every resource one by one.
//!
//! `KANTELE_TEST_QUERIES` (300) and `KANTELE_TEST_POPULATION` (400) scale the run, and
//! `KANTELE_TEST_SEED` (1) chooses data and queries.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]

mod population;
mod queries;
mod questions;
mod walks;
