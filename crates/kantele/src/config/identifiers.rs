//! How Finnish identifiers are taken.

use kanta_rules::{Series, Settings, Strictness};

use super::layers::{Layers, Setting};

static STRICTNESS: Setting = Setting {
    key: "identifiers.strictness",
    default: "form",
    flag: None,
    about: "How Finnish identity codes, business ids and OIDs of organisations are taken on writes: \
            off (not looked at), form (what has not the form is refused, a check character that does \
            not fit is a warning) or check (both are refused).",
};
static IDENTITY_CODES: Setting = Setting {
    key: "identifiers.identity_codes",
    default: "any",
    flag: None,
    about: "Which identity codes are taken: any, real (those of the series 900 to 999, which belong \
            to nobody for good, are refused) or fictitious (only those: for test systems, where \
            data of real persons have no business).",
};

pub(super) const SETTINGS: &[&Setting] = &[&STRICTNESS, &IDENTITY_CODES];

pub(super) fn read(layers: &mut Layers) -> Settings {
    let strictness =
        [("off", Strictness::Off), ("form", Strictness::Form), ("check", Strictness::Check)];
    let series = [("any", Series::Any), ("real", Series::Real), ("fictitious", Series::Fictitious)];
    Settings {
        identifiers: layers.word(&STRICTNESS, &strictness).unwrap_or_default(),
        series: layers.word(&IDENTITY_CODES, &series).unwrap_or_default(),
    }
}
