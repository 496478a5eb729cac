//! What callers may do, where they are asked who they are: scopes, and rules from a file.

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

pub(super) const SETTINGS: &[&Setting] = &[&SCOPES, &RULES_FILE, &SHARED_TYPES];

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<RuleText>,
}

pub(super) fn read(layers: &mut Layers) -> AccessSettings {
    let words = [("needed", ScopeUse::Needed), ("ignored", ScopeUse::Ignored)];
    let mut shared_types = Vec::new();
    for name in layers.list(&SHARED_TYPES) {
        match ResourceType::named(&name) {
            Some(of) => shared_types.push(of),
            None => layers.refuse(&SHARED_TYPES, "its items are resource types of R4"),
        }
    }
    AccessSettings {
        scopes: layers.word(&SCOPES, &words).unwrap_or_default(),
        shared_types,
        rules: read_rules(layers),
    }
}

fn read_rules(layers: &mut Layers) -> Vec<Rule> {
    let path = layers.text(&RULES_FILE).to_owned();
    if path.is_empty() {
        return Vec::new();
    }
    let read = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    let file = read
        .and_then(|text| toml::from_str::<File>(&text).map_err(|error| error.message().to_owned()));
    let mut rules = Vec::new();
    match file {
        Err(why) => layers.refuse(&RULES_FILE, &format!("cannot be used: {why}")),
        Ok(file) if file.rule.is_empty() => layers.refuse(&RULES_FILE, "holds no [[rule]]"),
        Ok(file) => {
            for text in file.rule {
                match Rule::try_from(text) {
                    Ok(rule) => rules.push(rule),
                    Err(why) => layers.refuse(&RULES_FILE, &why.to_string()),
                }
            }
        }
    }
    rules
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
        let rights = read(&mut layers);
        (rights, layers.take_faults())
    }

    #[test]
    fn without_a_file_scopes_decide() {
        let mut layers = Layers::new(SETTINGS.iter().copied());
        let found = read(&mut layers);
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
