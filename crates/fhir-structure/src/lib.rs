//! StructureDefinitions: those of R4, embedded, and snapshots made from differentials.
//!
//! Nothing here knows of stores, packages or HTTP: whoever has StructureDefinitions implements
//! [`Structures`].
#![warn(missing_docs)]

mod canonical;
mod compare;
pub mod model;
mod r4;
mod snapshot;

use std::sync::Arc;

use fhir_model::Resource;

pub use canonical::Canonical;
pub use compare::{Difference, differences};
pub use model::{ElementDefinition, StructureDefinition};
pub use r4::{ARTEFACT, Head, R4, r4, type_url};
pub use snapshot::{Made, make_snapshot, with_snapshot};

/// Where StructureDefinitions come from.
pub trait Structures: Send + Sync {
    /// The StructureDefinition of a canonical (`url` or `url|version`). Without a version the
    /// newest one is meant. It may have no snapshot.
    fn find(&self, canonical: &str) -> Option<Arc<Resource>>;

    /// A number that changes whenever [`Structures::find`] may answer differently: what was
    /// compiled from an older generation is thrown away.
    fn generation(&self) -> u64;
}
