//! Services as data: a FHIR interface with rules of its own, described in a file.
//!
//! A [`Service`] is read from TOML once and says what the plain interface leaves open: where it
//! lies, which types and interactions it has, which headers and claims it wants, how a transaction
//! is built, which parameters a search takes, which rules hold and how its faults are told. This
//! crate holds requests against it; it knows no HTTP, stores nothing and names no service.
//! The file is described in `docs/services.md`.
#![warn(missing_docs)]

mod errors;
mod instant;
mod kinds;
mod obligation;
mod path;
mod read;
mod rule;
mod search;
mod service;
mod shape;
mod start;
mod statement;
mod text;

pub use errors::Told;
pub use kinds::{kind_name, kind_named};
pub use obligation::Asked;
pub use path::Path;
pub use read::{Fault, read};
pub use rule::{Facts, Held};
pub use search::{Rewritten, SearchKind};
pub use service::{
    Companion, Content, Direct, IdsFrom, KeptSame, Pair, Parameter, RequestIds, RuleIds, Service,
    Shape, SignatureUse, TypeUse, Unique, Verb,
};
pub use statement::statement;
