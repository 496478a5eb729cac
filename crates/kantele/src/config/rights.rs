//! What callers may do, where they are asked who they are: scopes, and rules from a file and from
//! the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fhir_access::{AccessSettings, Label, LabelText, Rule, RuleText, ScopeUse};
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

static LABELS: Setting = Setting {
    key: "access.labels",
    default: "usual",
    flag: None,
    about: "usual: labels hide what docs/security.md says, changed by those of `access.rules_file`. \
            own: those of that file alone hide something.",
};

/// The labels that count unless settings say otherwise.
const USUAL_LABELS: &str = include_str!("labels.toml");

pub(super) const SETTINGS: &[&Setting] =
    &[&SCOPES, &RULES_FILE, &RULES_EVERY_S, &STORED_RULES, &LABELS, &SHARED_TYPES];

/// What callers may do, and where that is looked at again.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// With the rules of the file as it was at the start.
    pub(crate) access: AccessSettings,
    pub(crate) rules_file: Option<PathBuf>,
    pub(crate) rules_every: Duration,
    /// Labels that stand beside those of the file.
    pub(crate) usual_labels: Vec<Label>,
}

/// What a file of rules says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RulesFile {
    pub(crate) rules: Vec<Rule>,
    pub(crate) labels: Vec<Label>,
}

/// A file of rules, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<RuleText>,
    #[serde(default)]
    label: Vec<LabelText>,
}

impl Rights {
    /// The labels of a file and those that it doesn't replace.
    pub(crate) fn labels(&self, own: &[Label]) -> Vec<Label> {
        let is_replaced = |usual: &&Label| own.iter().any(|label| label.name() == usual.name());
        own.iter()
            .chain(self.usual_labels.iter().filter(|each| !is_replaced(each)))
            .cloned()
            .collect()
    }
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
    let file = match rules_file.as_deref().map(read_rules) {
        None => RulesFile::default(),
        Some(Ok(file)) => file,
        Some(Err(faults)) => {
            for why in faults {
                layers.refuse(&RULES_FILE, &why);
            }
            RulesFile::default()
        }
    };
    let is_usual = layers.word(&LABELS, &[("usual", true), ("own", false)]).unwrap_or(true);
    let usual_labels = match parse(USUAL_LABELS) {
        Ok(usual) if is_usual => usual.labels,
        Ok(_) => Vec::new(),
        Err(faults) => {
            for why in faults {
                layers.refuse(&LABELS, &why);
            }
            Vec::new()
        }
    };
    let access = AccessSettings {
        scopes: layers.word(&SCOPES, &words).unwrap_or_default(),
        shared_types,
        rules: file.rules,
        labels: Vec::new(),
        has_stored_rules: layers
            .word(&STORED_RULES, &[("off", false), ("on", true)])
            .unwrap_or(false),
    };
    let rules_every = Duration::from_secs(layers.number(&RULES_EVERY_S, 1..=86_400));
    let mut rights = Rights { access, rules_file, rules_every, usual_labels };
    rights.access.labels = rights.labels(&file.labels);
    rights
}

/// The rules and labels of a file.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read_rules(path: &Path) -> Result<RulesFile, Vec<String>> {
    let text =
        std::fs::read_to_string(path).map_err(|error| vec![format!("cannot be used: {error}")])?;
    parse(&text)
}

fn parse(text: &str) -> Result<RulesFile, Vec<String>> {
    let file: File = toml::from_str(text)
        .map_err(|error| vec![format!("cannot be used: {}", error.message())])?;
    if file.rule.is_empty() && file.label.is_empty() {
        return Err(vec!["holds neither [[rule]] nor [[label]]".to_owned()]);
    }
    let mut found = RulesFile::default();
    let mut faults = Vec::new();
    for text in file.rule {
        match Rule::try_from(text) {
            Ok(rule) => found.rules.push(rule),
            Err(why) => faults.push(why.to_string()),
        }
    }
    for text in file.label {
        match Label::try_from(text) {
            Ok(label) => found.labels.push(label),
            Err(why) => faults.push(why.to_string()),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
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
        let (found, faults) = rights("[[label]]\nname = 'safety ban'\ncodes = ['X']\n");
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(found.labels.len(), 1, "it stands in the place of the usual one");
        for bad in [
            "hides = ['id']",
            "hides = ['x']",
            "types = ['Observation']\nhides = ['status']",
            "hides = ['Patient.contact.telecom']",
            "except = [{ kind = ['doctor'] }]",
        ] {
            let (_, faults) = rights(&format!("[[label]]\nname = 'a'\ncodes = ['X']\n{bad}\n"));
            assert!(!faults.is_empty(), "{bad}");
        }
        assert!(!rights("").1.is_empty(), "a file without rules denies nothing and all");
        assert!(!rights("[[rule]]\nnames = 'x'").1.is_empty());
    }
}
