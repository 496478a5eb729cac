//! What resources may refer to, and what becomes of references to what is deleted.

use fhir_interaction::{Integrity, References};

use super::layers::{Layers, Setting};

static INTEGRITY: Setting = Setting {
    key: "references.integrity",
    default: "off",
    flag: None,
    about: "off, local or strict. local: references to this server must point at what is there, \
            and what is referred to is not deleted (409). strict: also, other servers are referred \
            to only where references.allowed names them, and targets have a type that the element \
            takes.",
};
static ALLOWED: Setting = Setting {
    key: "references.allowed",
    default: "",
    flag: None,
    about: "Under strict: the beginnings of absolute references that are let through, such as \
            `https://other.example/fhir/,urn:oid:`.",
};
static MAX_CASCADE: Setting = Setting {
    key: "references.max_cascade",
    default: "1000",
    flag: None,
    about: "The most resources that one DELETE with `_cascade=delete` takes away.",
};

pub(super) const SETTINGS: &[&Setting] = &[&INTEGRITY, &ALLOWED, &MAX_CASCADE];

pub(super) fn read(layers: &mut Layers) -> References {
    let words =
        [("off", Integrity::Off), ("local", Integrity::Local), ("strict", Integrity::Strict)];
    let most = layers.number(&MAX_CASCADE, 1..=100_000);
    References {
        integrity: layers.word(&INTEGRITY, &words).unwrap_or_default(),
        allowed: layers.list(&ALLOWED),
        max_cascade: usize::try_from(most).unwrap_or(usize::MAX),
    }
}
