//! The services of Kanta over HTTP, with real tokens, on each back end: the cases below
//! conformance/kanta, and what cannot be said as a case.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]
#![allow(clippy::expect_used, reason = "what is missing fails the test")]
#![allow(clippy::indexing_slicing, reason = "what is missing fails the test")]
#![allow(clippy::panic, reason = "what is missing fails the test")]
#![allow(clippy::print_stdout, reason = "a run says how many cases it had")]
#![allow(clippy::disallowed_methods, reason = "tokens expire by the machine's clock")]

mod case;
mod coverage;
mod decision;
mod demo;
mod guarded;
mod more;
mod run;
mod signed;
