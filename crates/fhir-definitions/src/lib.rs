//! The R4 definitions (element tables, search parameters, compartments, operations, codes),
//! embedded as one compressed artefact and decoded lazily.
//!
//! `cargo xtask definitions` makes the artefact from the official package; nothing here reads
//! StructureDefinitions.
#![warn(missing_docs)]

mod definition;
mod names;
mod resource_type;

pub use definition::*;
pub use resource_type::{ResourceType, UnknownResourceType};

/// The definitions of R4, decoded on first use.
pub fn r4() -> &'static Definitions {
    static R4: std::sync::LazyLock<Definitions> = std::sync::LazyLock::new(Definitions::default);
    &R4
}
