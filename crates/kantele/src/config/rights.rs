//! What callers may do, where they are asked who they are: scopes, and rules from a file and from
//! the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fhir_access::{AccessSettings, Rule, RuleText, ScopeUse};
use fhir_definitions::ResourceType;
use serde::Deserialize;

use super::layers::{Layers, Setting};

static SCOPES: Setting = Setting {
    key: "access.scopes",
    default: "needed",
    flag: None,
    about: "needed: a caller reaches what SMART scopes give, cut by the rules. ignored: the rules \
            alone say it.",
};
static RULES_FILE: Setting = Setting {
    key: "access.rules_file",
    default: "",
    flag: None,
    about: "TOML file with rules of access; what none of them allows is denied. Empty: scopes alone \
            decide. See docs/security.md.",
};
static SHARED_TYPES: Setting = Setting {
    key: "access.patient_shared_types",
    default: "Organization,Location,HealthcareService,Practitioner,PractitionerRole,Medication",
    flag: None,
    about: "Types outside of a patient's compartment that `patient/` scopes for them (or for `*`) \
            show nevertheless, to read and search.",
};

static RULES_EVERY_S: Setting = Setting {
    key: "access.rules_every_s",
    default: "5",
    flag: None,
    about: "How often rules are looked at: those of the file, and those that are stored. SIGHUP does \
            it at once.",
};
static STORED_RULES: Setting = Setting {
    key: "access.stored_rules",
    default: "off",
    flag: None,
    about: "on: resources with the code `access-rule` are rules, too, which administrators write; see \
            docs/security.md.",
};

pub(super) const SETTINGS: &[&Setting] =
    &[&SCOPES, &RULES_FILE, &RULES_EVERY_S, &STORED_RULES, &SHARED_TYPES];

/// What callers may do, and where that is looked at again.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// With the rules of the file as it was at the start.
    pub(crate) access: AccessSettings,
    pub(crate) rules_file: Option<PathBuf>,
    pub(crate) rules_every: Duration,
}

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<RuleText>,
}

pub(super) fn read(layers: &mut Layers) -> Rights {
    let words = [("needed", ScopeUse::Needed), ("ignored", ScopeUse::Ignored)];
    let mut shared_types = Vec::new();
    for name in layers.list(&SHARED_TYPES) {
        match ResourceType::named(&name) {
            Some(of) => shared_types.push(of),
            None => layers.refuse(&SHARED_TYPES, "its items are resource types of R4"),
        }
    }
    let path = layers.text(&RULES_FILE);
    let rules_file = (!path.is_empty()).then(|| PathBuf::from(path));
    let rules = match rules_file.as_deref().map(read_rules) {
        None => Vec::new(),
        Some(Ok(rules)) => rules,
        Some(Err(faults)) => {
            for why in faults {
                layers.refuse(&RULES_FILE, &why);
            }
            Vec::new()
        }
    };
    let access = AccessSettings {
        scopes: layers.word(&SCOPES, &words).unwrap_or_default(),
        shared_types,
        rules,
        has_stored_rules: layers
            .word(&STORED_RULES, &[("off", false), ("on", true)])
            .unwrap_or(false),
    };
    let rules_every = Duration::from_secs(layers.number(&RULES_EVERY_S, 1..=86_400));
    Rights { access, rules_file, rules_every }
}

/// The rules of a file.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read_rules(path: &Path) -> Result<Vec<Rule>, Vec<String>> {
    let unusable = |why: &str| vec![format!("cannot be used: {why}")];
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error.to_string()))?;
    let file: File = toml::from_str(&text).map_err(|error| unusable(error.message()))?;
    if file.rule.is_empty() {
        return Err(vec!["holds no [[rule]]".to_owned()]);
    }
    let (rules, faults): (Vec<_>, Vec<_>) =
        file.rule.into_iter().map(Rule::try_from).partition(Result::is_ok);
    let faults: Vec<String> =
        faults.into_iter().filter_map(Result::err).map(|why| why.to_string()).collect();
    if faults.is_empty() {
        Ok(rules.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(rules: &str) -> (AccessSettings, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, rules).unwrap();
        let mut layers = Layers::new(SETTINGS.iter().copied());
        layers.add("access.rules_file", path.to_str().unwrap(), "test");
        let rights = read(&mut layers).access;
        (rights, layers.take_faults())
    }

    #[test]
    fn without_a_file_scopes_decide() {
        let mut layers = Layers::new(SETTINGS.iter().copied());
        let found = read(&mut layers).access;
        assert!(found.rules.is_empty() && found.scopes == ScopeUse::Needed);
        assert!(found.shared_types.contains(&ResourceType::PRACTITIONER));
        assert!(layers.take_faults().is_empty());
    }

    #[test]
    fn rules_are_read_and_faults_told_at_once() {
        let (found, faults) = rights(
            "[[rule]]\nname = 'own'\nkind = ['professional']\ntypes = ['Patient']\nrights = 'rs'\n\
             where = 'organization.identifier={organisation}'\n",
        );
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(found.rules.first().map(Rule::name), Some("own"));
        let (_, faults) = rights(
            "[[rule]]\nname = 'a'\nrights = 'x'\n[[rule]]\nname = 'b'\ntypes = ['Patients']\n\
             [[rule]]\nname = 'c'\nwhere = '_id={shoe_size}'\n",
        );
        for part in ["`x`", "`Patients`", "`shoe_size`"] {
            assert!(faults.join("\n").contains(part), "{part} in {faults:?}");
        }
        assert!(!rights("").1.is_empty(), "a file without rules denies nothing and all");
        assert!(!rights("[[rule]]\nnames = 'x'").1.is_empty());
    }
}
