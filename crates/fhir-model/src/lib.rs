//! FHIR resources parsed, checked and written: JSON, XML, ids, dates, decimals, failures.
#![warn(missing_docs)]

pub mod body;
pub mod check;
pub mod date;
pub mod decimal;
pub mod difference;
pub mod failure;
pub mod id;
pub mod instant;
pub mod json;
pub mod resource;
pub mod rewrite;
mod scan;
pub mod tape;
pub mod write;
pub mod xml;

pub use body::Body;
pub use difference::difference;
pub use failure::{Failure, FailureKind, Issue, IssueType, Severity};
pub use fhir_definitions::ResourceType;
pub use id::{Id, ResourceKey, VersionId};
pub use instant::Instant;
pub use json::Limits;
pub use resource::{Resource, ResourceView};
pub use tape::{Kind, Value};
