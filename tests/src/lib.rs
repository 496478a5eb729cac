//! Tests through the public face of a started server.
//!
//! Nothing here knows how the server works inside: a [`TestServer`] is the built program on a free
//! port over a database of its own, a [`Client`] speaks HTTP to it, and what is asserted is what
//! any client can see. Every test that touches data runs on each back end that the machine offers
//! ([`on_each_backend`]).

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that asked for it")]
#![allow(clippy::print_stdout, reason = "a test says what it measured and what it skipped")]
#![allow(clippy::disallowed_methods, reason = "a test measures by the machine's clock")]

pub mod binary;
mod client;
pub mod development;
pub mod exact;
pub mod examples;
mod folder;
pub mod minimal;
pub mod package;
pub mod postgres;
mod server;

pub use client::{Client, Reply};
pub use folder::repository;
pub use server::{
    Backend, Options, TestServer, on_each_backend, on_each_backend_present, on_each_backend_with,
};

/// A number from the environment, or `default`: how long checks are scaled.
pub fn scale(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}
