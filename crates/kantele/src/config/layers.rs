//! Where a setting's text comes from: flags over environment over file over default.
//!
//! Every concern declares its settings as a list of [`Setting`]; the layers know only those
//! names. An unknown key of the file or the environment is a fault that names its neighbours.
//! All faults are collected, so that one start names everything that is wrong.

use std::collections::BTreeMap;
use std::path::Path;

use super::nearest;

/// One setting as the operator sees it.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Dotted key in the file; the environment name is derived from it.
    pub(crate) key: &'static str,
    pub(crate) default: &'static str,
    /// The flag, where there is one.
    pub(crate) flag: Option<&'static str>,
    pub(crate) about: &'static str,
}

impl Setting {
    /// The environment variable: `limits.max_body_bytes` is `KANTELE_LIMITS_MAX_BODY_BYTES`.
    pub(crate) fn variable(&self) -> String {
        format!("KANTELE_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

/// The text of a setting and where it stood, for error texts.
#[derive(Clone, Debug)]
struct Given {
    text: String,
    origin: String,
}

/// All given texts by key, and the faults found while reading them.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    known: Vec<&'static Setting>,
    given: BTreeMap<&'static str, Given>,
    faults: Vec<String>,
}

impl Layers {
    pub(crate) fn new(known: impl IntoIterator<Item = &'static Setting>) -> Self {
        Self { known: known.into_iter().collect(), ..Self::default() }
    }

    /// Adds a TOML file. Tables become dotted keys; lists are joined by commas.
    pub(crate) fn add_file(&mut self, path: &Path) {
        let origin = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.fault(format!("{origin}: cannot be read: {error}")),
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.add_table(&origin, "", &table),
            Err(error) => self.fault(format!("{origin}: is not TOML: {}", error.message())),
        }
    }

    fn add_table(&mut self, origin: &str, prefix: &str, table: &toml::Table) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) => self.add_table(origin, &format!("{key}."), inner),
                toml::Value::Array(items) => {
                    let texts: Vec<String> = items.iter().map(plain).collect();
                    self.add(&key, &texts.join(","), origin);
                }
                toml::Value::String(_)
                | toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_) => self.add(&key, &plain(value), origin),
            }
        }
    }

    /// Adds the variables that start with `KANTELE_`.
    ///
    /// `KANTELE_CONFIG` names the file and `KANTELE_TEST_*` belongs to tests. What Kubernetes sets
    /// for a service called kantele (`KANTELE_PORT`, `KANTELE_SERVICE_*`) is none of ours either.
    pub(crate) fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (variable, text) in variables {
            let Some(rest) = variable.strip_prefix("KANTELE_") else { continue };
            let foreign = ["CONFIG", "PORT"].contains(&rest)
                || ["TEST_", "PORT_", "SERVICE_"].iter().any(|start| rest.starts_with(start));
            if foreign {
                continue;
            }
            match self.known.iter().find(|setting| setting.variable() == variable) {
                Some(setting) => {
                    let key = setting.key;
                    self.add(key, &text, &variable);
                }
                None => {
                    let names: Vec<String> = self.known.iter().map(|s| s.variable()).collect();
                    let near = nearest::hint(&variable, names.iter().map(String::as_str));
                    self.fault(format!("{variable}: no such setting{near}"));
                }
            }
        }
    }

    /// Adds one text; a later layer wins over an earlier one.
    pub(crate) fn add(&mut self, key: &str, text: &str, origin: &str) {
        match self.known.iter().find(|setting| setting.key == key) {
            Some(setting) => {
                let given = Given { text: text.to_owned(), origin: origin.to_owned() };
                self.given.insert(setting.key, given);
            }
            None => {
                let near = nearest::hint(key, self.known.iter().map(|s| s.key));
                self.fault(format!("{origin}: no setting `{key}`{near}"));
            }
        }
    }

    /// The text of `setting`, trimmed; its default where nothing is given.
    pub(crate) fn text(&self, setting: &'static Setting) -> &str {
        self.given.get(setting.key).map_or(setting.default, |given| given.text.trim())
    }

    /// A whole number that lies within `range`.
    pub(crate) fn number(
        &mut self,
        setting: &'static Setting,
        range: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        let text = self.text(setting).replace('_', "");
        match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => number,
            Ok(_) | Err(_) => {
                let (least, most) = (range.start(), range.end());
                self.refuse(setting, &format!("must be a whole number of {least} to {most}"));
                *least
            }
        }
    }

    /// One word of a closed list.
    pub(crate) fn word<T: Copy>(
        &mut self,
        setting: &'static Setting,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(setting);
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(setting, &format!("must be one of {}", names.join(", ")));
        }
        found
    }

    /// The comma-separated items of a list.
    pub(crate) fn list(&self, setting: &'static Setting) -> Vec<String> {
        let items = self.text(setting).split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Keeps a fault of `setting`, with where it was set. The value is not repeated: it may be
    /// a secret.
    pub(crate) fn refuse(&mut self, setting: &'static Setting, why: &str) {
        let origin =
            self.given.get(setting.key).map_or("default".to_owned(), |given| given.origin.clone());
        self.fault(format!("{}: {why} (set by {origin})", setting.key));
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    /// The faults so far, which leaves none behind.
    pub(crate) fn take_faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BODY: Setting =
        Setting { key: "limits.max_body_bytes", default: "100", flag: None, about: "largest body" };

    fn layers() -> Layers {
        Layers::new([&BODY])
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_later_layer_wins() {
        let mut layers = layers();
        layers.add_table("f.toml", "", &"[limits]\nmax_body_bytes = 7".parse().unwrap());
        assert_eq!(layers.number(&BODY, 1..=1_000), 7);
        layers.add_environment([pair("KANTELE_LIMITS_MAX_BODY_BYTES", "1_00")].into_iter());
        assert_eq!(layers.number(&BODY, 1..=1_000), 100);
        layers.add("limits.max_body_bytes", "9", "--set");
        assert_eq!(layers.number(&BODY, 1..=1_000), 9);
        assert!(layers.take_faults().is_empty());
    }

    #[test]
    fn unknown_names_are_refused_with_their_neighbours() {
        let mut layers = layers();
        layers.add_table("f.toml", "", &"[limits]\nmax_body_byte = 7".parse().unwrap());
        layers.add_environment([pair("KANTELE_LIMIT_MAX_BODY_BYTES", "1")].into_iter());
        let faults = layers.take_faults();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("limits.max_body_bytes"), "{faults:?}");
        assert!(faults[1].contains("KANTELE_LIMITS_MAX_BODY_BYTES"), "{faults:?}");
    }

    #[test]
    fn foreign_variables_are_left_alone() {
        let mut layers = layers();
        let foreign = ["KANTELE_PORT", "KANTELE_SERVICE_HOST", "KANTELE_CONFIG", "KANTELE_TEST_X"];
        layers.add_environment(foreign.into_iter().map(|name| pair(name, "tcp://10.0.0.1:80")));
        assert!(layers.take_faults().is_empty());
    }

    #[test]
    fn a_bad_value_names_its_origin_and_not_itself() {
        let mut layers = layers();
        layers.add("limits.max_body_bytes", "secret", "--set");
        layers.number(&BODY, 1..=1_000);
        let fault = layers.take_faults().join("");
        assert!(fault.contains("--set") && fault.contains("1 to 1000"), "{fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
}
