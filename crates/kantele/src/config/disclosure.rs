//! Whether callers are held to decisions about persons, and what those rest on.

use std::path::Path;
use std::sync::Arc;

use fhir_model::date::Zone;
use kanta_rules::disclosure::{Decider, Settings};

use super::layers::{Layers, Setting};

static MODE: Setting = Setting {
    key: "disclosure.mode",
    default: "off",
    flag: None,
    about: "on: what a caller sees of a person is decided from register, relationship, permissions and \
            denials; needs access.mode = required. See docs/disclosure.md.",
};
static FILE: Setting = Setting {
    key: "disclosure.file",
    default: "",
    flag: None,
    about: "TOML file whose keys replace what the decision assumes: codes, roles, types. Empty: as \
            docs/disclosure.md says.",
};

static MEMORY_MIB: Setting = Setting {
    key: "disclosure.memory_mib",
    default: "32",
    flag: None,
    about: "MiB of what decisions rest on that are remembered, for as long as it stands. 0 where \
            other servers write to the same database: each knows of its own writes alone.",
};

pub(super) const SETTINGS: &[&Setting] = &[&MODE, &FILE, &MEMORY_MIB];

/// Bytes that may be remembered.
pub(super) fn memory(layers: &mut Layers) -> u64 {
    layers.number(&MEMORY_MIB, 0..=65_536).saturating_mul(1 << 20)
}

/// What decides; none where nothing is decided.
pub(super) fn read(layers: &mut Layers, zone: &Zone, is_asking: bool) -> Option<Arc<Decider>> {
    let is_on = layers.word(&MODE, &[("off", false), ("on", true)]).unwrap_or(false);
    let path = layers.text(&FILE).to_owned();
    if !is_on {
        if !path.is_empty() {
            layers.refuse(&FILE, "has no effect while disclosure.mode is off");
        }
        return None;
    }
    if !is_asking {
        layers.refuse(&MODE, "needs access.mode = required: nobody is asked who they are");
    }
    let text = match path.as_str() {
        "" => Ok(String::new()),
        path => std::fs::read_to_string(Path::new(path)),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            layers.refuse(&FILE, &format!("cannot be used: {error}"));
            return None;
        }
    };
    match Settings::read(&text, zone.clone()) {
        Ok(settings) => Some(Arc::new(Decider::new(settings))),
        Err(faults) => {
            for fault in faults {
                layers.refuse(&FILE, &fault.to_string());
            }
            None
        }
    }
}
