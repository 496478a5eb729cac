//! Who is asking: tokens, certificates, TLS and what the edge refuses, against started servers.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::disallowed_methods, reason = "tokens are held against the real clock")]

mod authorize;
mod guarded;
mod hostile;
mod introspection;
mod keys;
mod posted;
mod probes;
mod routes;
mod rules;
mod threats;
mod tls;
mod tokens;
mod trace;
