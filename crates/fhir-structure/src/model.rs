//! StructureDefinition and ElementDefinition as types, read from a resource and borrowed from it.
//!
//! Snapshot and differential have the same form, so almost everything may be missing; what a
//! snapshot must have (`min`, `max`, `base`) is an `Option` here too. Faults carry their place.

mod definition;
mod element;
mod parts;
mod read;

pub use definition::{Context, ContextKind, Derivation, Kind, StructureDefinition};
pub use element::{ElementDefinition, Fixed};
pub use parts::{
    AdditionalBinding, Aggregation, Base, Binding, Constraint, ConstraintSeverity, Discriminator,
    DiscriminatorKind, Max, Slicing, SlicingRules, Strength, TypeRef, Versioning,
};
