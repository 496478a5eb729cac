//! StructureDefinitions: those of R4, embedded, and snapshots made from differentials.
//!
//! Nothing here knows of stores, packages or HTTP: whoever has StructureDefinitions implements
//! [`Structures`].
#![warn(missing_docs)]

use std::sync::Arc;

use fhir_model::Resource;

/// Where StructureDefinitions come from.
pub trait Structures: Send + Sync {
    /// The StructureDefinition of a canonical (`url` or `url|version`). Without a version the
    /// newest one is meant. It may have no snapshot.
    fn find(&self, canonical: &str) -> Option<Arc<Resource>>;

    /// A number that changes whenever [`Structures::find`] may answer differently: what was
    /// compiled from an older generation is thrown away.
    fn generation(&self) -> u64;
}
