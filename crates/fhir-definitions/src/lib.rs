//! The R4 definitions (element tables, search parameters, compartments, operations, codes),
//! embedded as one compressed artefact and decoded lazily.
//!
//! `cargo xtask definitions` makes the artefact from the official package; nothing here reads
//! StructureDefinitions.
#![warn(missing_docs)]

mod decode;
mod definition;
mod names;
mod resource_type;

use std::sync::LazyLock;

pub use decode::{DecodeError, decode};
pub use definition::*;
pub use resource_type::{ResourceType, UnknownResourceType};

/// The embedded artefact, as `data/SHA256SUMS` names it.
pub const ARTEFACT: &[u8] = include_bytes!("../data/r4.definitions.zst");

/// The definitions of R4, decoded on first use (a few milliseconds).
///
/// # Panics
/// Never: a test decodes the embedded artefact.
#[expect(clippy::expect_used, reason = "a test decodes the embedded artefact")]
pub fn r4() -> &'static Definitions {
    static R4: LazyLock<Definitions> =
        LazyLock::new(|| decode(ARTEFACT).expect("the embedded definitions can be decoded"));
    &R4
}
