//! What resources are held to before they are written, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use fhir_interaction::{BestPractice, OnWrite, ValidationSettings};
use fhir_model::{ResourceType, Severity};

use super::layers::{Layers, Setting};

static ON_WRITE: Setting = Setting {
    key: "validation.on_write",
    default: "base",
    flag: None,
    about: "What creates, updates, patches, entries of Bundles and loaded files are held to before \
            they are written: off, base (the definition of the type), declared (and the profiles in \
            `meta.profile`) or required (and those of validation.required_profiles). Errors are \
            answered with 422; warnings come with `Prefer: return=OperationOutcome`.",
};
static BY_TYPE: Setting = Setting {
    key: "validation.on_write_by_type",
    default: "",
    flag: None,
    about: "The same for single types, where it differs: `Appointment=required,AuditEvent=off`.",
};
static REQUIRED: Setting = Setting {
    key: "validation.required_profiles",
    default: "",
    flag: None,
    about: "Canonicals by type: `Patient=https://example.org/StructureDefinition/patient`; a \
            type may be named several times. Each must be known at start.",
};
static BEST_PRACTICE: Setting = Setting {
    key: "validation.best_practice",
    default: "ignore",
    flag: None,
    about: "What becomes of rules that are marked as best practice: ignore, warning or error.",
};
static UNKNOWN_PROFILES: Setting = Setting {
    key: "validation.unknown_profiles",
    default: "warning",
    flag: None,
    about: "What it is that a profile of `meta.profile` is nowhere to be found, where declared \
            profiles count: ignore (mere information), warning or error.",
};
static TIMEOUT_MS: Setting = Setting {
    key: "validation.timeout_ms",
    default: "2000",
    flag: None,
    about: "What the validation of one resource may take; what is not looked at by then is told.",
};

pub(super) const SETTINGS: &[&Setting] =
    &[&ON_WRITE, &BY_TYPE, &REQUIRED, &BEST_PRACTICE, &UNKNOWN_PROFILES, &TIMEOUT_MS];

const WORDS: [(&str, OnWrite); 4] = [
    ("off", OnWrite::Off),
    ("base", OnWrite::Base),
    ("declared", OnWrite::Declared),
    ("required", OnWrite::Required),
];

pub(super) fn read(layers: &mut Layers) -> ValidationSettings {
    let best_practice = [
        ("ignore", BestPractice::Ignore),
        ("warning", BestPractice::Warning),
        ("error", BestPractice::Error),
    ];
    let unknown_profiles = [
        ("ignore", Severity::Information),
        ("warning", Severity::Warning),
        ("error", Severity::Error),
    ];
    let settings = ValidationSettings {
        on_write: layers.word(&ON_WRITE, &WORDS).unwrap_or_default(),
        by_type: by_type(layers),
        profiles: profiles(layers),
        best_practice: layers.word(&BEST_PRACTICE, &best_practice).unwrap_or_default(),
        unknown_profiles: layers
            .word(&UNKNOWN_PROFILES, &unknown_profiles)
            .unwrap_or(Severity::Warning),
        budget: Duration::from_millis(layers.number(&TIMEOUT_MS, 1..=600_000)),
    };
    let is_required =
        |resource_type: &ResourceType| settings.of(*resource_type) == OnWrite::Required;
    if let Some(unused) = settings.profiles.keys().find(|each| !is_required(each)) {
        let why = format!("{unused} is not validated as required, so that its profiles do nothing");
        layers.refuse(&REQUIRED, &why);
    }
    settings
}

fn by_type(layers: &mut Layers) -> BTreeMap<ResourceType, OnWrite> {
    let mut found = BTreeMap::new();
    for (resource_type, word) in pairs(layers, &BY_TYPE) {
        let known = WORDS.iter().find(|(name, _)| *name == word);
        match known {
            Some((_, on_write)) => {
                found.insert(resource_type, *on_write);
            }
            None => layers.refuse(&BY_TYPE, "a type takes off, base, declared or required"),
        }
    }
    found
}

fn profiles(layers: &mut Layers) -> BTreeMap<ResourceType, Vec<String>> {
    let mut found: BTreeMap<ResourceType, Vec<String>> = BTreeMap::new();
    for (resource_type, canonical) in pairs(layers, &REQUIRED) {
        if !canonical.contains(':') {
            layers.refuse(&REQUIRED, "a profile is named by its whole canonical URL");
        }
        found.entry(resource_type).or_default().push(canonical);
    }
    found
}

/// The items of a list of `Type=text`.
fn pairs(layers: &mut Layers, setting: &'static Setting) -> Vec<(ResourceType, String)> {
    let mut pairs = Vec::new();
    for item in layers.list(setting) {
        let pair = item.split_once('=').map(|(name, text)| (name.trim(), text.trim()));
        match pair.and_then(|(name, text)| Some((ResourceType::named(name)?, text))) {
            Some((resource_type, text)) => pairs.push((resource_type, text.to_owned())),
            None => layers.refuse(setting, "its items are `Type=...` with a resource type of R4"),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(pairs: &[(&str, &str)]) -> (ValidationSettings, Vec<String>) {
        let mut layers = Layers::new(SETTINGS.iter().copied());
        for (key, text) in pairs {
            layers.add(key, text, "test");
        }
        let settings = read(&mut layers);
        (settings, layers.take_faults())
    }

    #[test]
    fn types_differ_from_the_whole() {
        let (settings, faults) = read_from(&[
            ("validation.on_write", "base"),
            ("validation.on_write_by_type", "Patient=required, AuditEvent=off"),
            ("validation.required_profiles", "Patient=http://a/p|1,Patient=http://a/q"),
        ]);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(settings.of(ResourceType::OBSERVATION), OnWrite::Base);
        assert_eq!(settings.of(ResourceType::PATIENT), OnWrite::Required);
        assert_eq!(settings.of(ResourceType::AUDIT_EVENT), OnWrite::Off);
        assert_eq!(settings.profiles[&ResourceType::PATIENT], ["http://a/p|1", "http://a/q"]);
    }

    #[test]
    fn base_definitions_are_held_to_unless_told_otherwise() {
        let (settings, faults) = read_from(&[]);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(settings.of(ResourceType::OBSERVATION), OnWrite::Base);
        assert_eq!(settings.unknown_profiles, Severity::Warning);
        let (settings, _) = read_from(&[("validation.unknown_profiles", "error")]);
        assert_eq!(settings.unknown_profiles, Severity::Error);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let (_, faults) = read_from(&[
            ("validation.on_write", "some"),
            ("validation.on_write_by_type", "Patients=off,Patient=maybe"),
            ("validation.required_profiles", "Patient=patient"),
        ]);
        let told = faults.join("\n");
        for part in ["one of off", "resource type of R4", "a type takes", "canonical", "do nothing"]
        {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}
