//! The interactions of the FHIR REST interface, without transport and without SQL.
//!
//! Each interaction is a function over an [`App`] and a [`Request`] that gives an [`Answer`] or a
//! [`fhir_model::Failure`]. Each passes the gate first: `App` keeps its store private and lends
//! it only against the permit that the gate gives out. HTTP syntax, formats other than minified
//! JSON, limits and logs of requests are the server's business; SQL is the store's.
#![warn(missing_docs)]

mod answers;
mod app;
mod booking;
mod bound;
pub mod bundle;
mod canonical;
mod capabilities;
mod cascade;
mod check;
mod conditional;
mod cursor;
mod history;
mod include;
pub mod load;
mod mark;
mod once;
pub mod operation;
pub mod package;
mod page;
mod parameters;
mod patch;
mod permitted;
pub mod query_string;
mod read;
mod redaction;
mod reference;
mod request;
pub mod rule;
mod search;
mod sight;
mod stored_rules;
mod subset;
mod terminology;
mod trace;
mod tree;
mod validation;
mod words;
mod write;

pub use app::{App, Authorization, ConditionalDelete, InteractionSettings, PostOnly};
pub use booking::BookingSettings;
pub use bound::{Bound, Claim, Reserved, Terms, forget, replaced};
pub use bundle::bundle;
pub use capabilities::{INTERACTIONS, capabilities};
pub use cascade::delete_cascading;
pub use conditional::{Criteria, delete_where, patch_where, update_where};
pub use history::{history, history_by_values};
pub use once::{Once, repeated};
pub use operation::operate;
pub use patch::patch;
pub use read::{read, read_unless_seen, reasons, vread, vread_unless_seen};
pub use reference::{Integrity, References};
pub use request::{Answer, Conditions, Preferences, Request, Return, Seen, Since};
pub use rule::Rule;
pub use search::{Place, search, search_from};
pub use terminology::{Elsewhere, ElsewhereSettings, ImportedSystem, terminology_capabilities};
pub use trace::{keys_of as trace_keys, read_trace, search_trace};
pub use validation::{BestPractice, OnWrite, ValidationSettings};
pub use write::{create, delete, update};
