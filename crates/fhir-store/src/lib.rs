//! The persistence layer: resources, their versions and their index rows in SQLite or PostgreSQL.
//!
//! [`Store::open`] migrates a database and gives a handle that every thread may clone. Reads go
//! through [`Store::read`], which lends a [`Reader`]; writes go through [`Store::write`], which
//! takes a [`WriteGroup`] and answers only once everything in it is durable. Version numbers,
//! instants and preconditions are decided inside the commit. HTTP, query strings and profiles are
//! other crates' business; SQL stays in this one.
#![warn(missing_docs)]

mod backend;
mod budget;
mod codec;
mod core;
mod error;
mod explain;
mod full_text;
mod guard;
mod id;
mod kept;
mod mark;
mod online;
mod pace;
mod packages;
mod position;
mod purge;
mod query;
mod read;
mod settings;
mod sql;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tidings;
mod trace;
mod url;
mod write;

pub use core::Definitions;
pub use error::StoreError;
pub use explain::{Estimate, ExplainedStatement, Explanation, Touched};
pub use full_text::FullTextStatus;
pub use guard::{Guard, Objection, Verdict};
pub use kept::{KeptKind, KeptName, NewKept};
pub use mark::{Done, MarkKind, OnceMark, Outcome, PastMark, StoredMark};
pub use online::{Activation, ParameterState, ParameterStatus};
pub use packages::{NewPackage, PackageChange, PackageResource, PackageRow, StoredPackages};
pub use purge::{Purge, PurgeReport};
pub use read::{
    ChangeCursor, Changes, HistoryPosition, HistoryScope, HistoryWindow, Hit, Matched, Method,
    Position, Reader, RowKey, SortValue, StoredVersion,
};
pub use settings::{Clock, StoreSettings};
pub use store::Store;
pub use tidings::Tidings;
pub use trace::{
    KeysOf, StoredTrace, TraceFault, TraceHead, TracePosition, TraceRemoval, TraceReport, TraceRow,
    TraceSettings, TraceWindow, TracedWrite, verify as verify_trace,
};
pub use url::{DatabaseUrl, InvalidDatabaseUrl};
pub use write::{
    Action, BrokenReference, Change, Expectation, JournalRow, Preconditions, ReferenceTarget,
    Referrers, WriteFault, WriteGroup, WriteOp, Written,
};
