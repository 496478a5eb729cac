//! What a validation asks about things outside of the resource.

use std::sync::Arc;

use fhir_model::{Resource, ResourceType};

/// A code as it stands in a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded<'a> {
    /// Its system; a `code` element has none.
    pub system: Option<&'a str>,
    /// The version of the system.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// The text that should go with it.
    pub display: Option<&'a str>,
}

/// Whether a code is in a value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is; the display is the system's own where the one given differs from all it has.
    In {
        /// What the display should be.
        wrong_display: Option<String>,
    },
    /// It is not.
    Out,
    /// Nobody can tell: the words say why and name the system or value set that is missing.
    Unknown(String),
}

/// What a reference leads to.
#[derive(Clone, Debug)]
pub enum Found {
    /// The resource.
    Resource(Arc<Resource>),
    /// It exists, and only its type is known.
    Type(ResourceType),
    /// There is no such resource.
    Missing,
    /// Nobody has looked.
    Unread,
}

/// The world outside of the resource.
pub trait World {
    /// What a reference out of the document leads to. Contained resources and Bundle entries are
    /// found without it.
    fn resolve(&self, reference: &str) -> Found;

    /// What a canonical (`url` or `url|version`, no fragment) of this type leads to; without a
    /// version the newest is meant.
    fn canonical(&self, resource_type: ResourceType, canonical: &str) -> Found {
        let _ = (resource_type, canonical);
        Found::Unread
    }

    /// Whether a code is in a value set (canonical, perhaps with `|version`).
    fn member(&self, value_set: &str, coded: &Coded<'_>) -> Membership;
}

/// A world nobody knows anything about.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWorld;

impl World for NoWorld {
    fn resolve(&self, _: &str) -> Found {
        Found::Unread
    }

    fn member(&self, value_set: &str, _: &Coded<'_>) -> Membership {
        Membership::Unknown(format!("no terminology to look up {value_set}"))
    }
}
