//! The files of cases as they are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fhir_validation::{BestPractice, RuleKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::expected::Then;

/// The folder of all cases.
pub(crate) fn folder() -> PathBuf {
    conformance().join("validation")
}

/// The folder of all data of cases.
pub(crate) fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(skip)]
    pub(crate) path: String,
    /// Where the rules of the file are written.
    #[expect(dead_code, reason = "for the reader of a file")]
    spec: String,
    #[expect(dead_code, reason = "for the reader of a file")]
    why: Option<String>,
    #[serde(default)]
    pub(crate) definitions: Vec<Value>,
    /// Resources that cases start from, by name.
    #[serde(default)]
    bases: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) world: Map<String, Value>,
    pub(crate) cases: Vec<Case>,
}

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[expect(dead_code, reason = "for the reader of a file")]
    spec: Option<String>,
    #[expect(dead_code, reason = "for the reader of a file")]
    why: Option<String>,
    /// What a valid case shows.
    #[serde(default)]
    kind: Vec<String>,
    resource: Option<Value>,
    base: Option<String>,
    #[serde(default)]
    set: Map<String, Value>,
    #[serde(default)]
    pub(crate) profiles: Vec<String>,
    #[serde(default)]
    pub(crate) definitions: Vec<Value>,
    pub(crate) world: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) options: GivenOptions,
    /// The resource is not held to the strict parser first.
    #[serde(default)]
    pub(crate) trusted: bool,
    pub(crate) then: Then,
    /// Why the case fails today.
    pub(crate) gap: Option<String>,
}

/// The options of a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GivenOptions {
    best_practice: Option<String>,
    pub(crate) declared_profiles: bool,
    pub(crate) budget_ms: Option<u64>,
}

impl Default for GivenOptions {
    fn default() -> Self {
        Self { best_practice: None, declared_profiles: true, budget_ms: None }
    }
}

impl GivenOptions {
    pub(crate) fn best_practice(&self) -> BestPractice {
        match self.best_practice.as_deref() {
            None | Some("ignore") => BestPractice::Ignore,
            Some("warning") => BestPractice::Warning,
            Some("error") => BestPractice::Error,
            Some(other) => panic!("best_practice is no {other}"),
        }
    }
}

impl Case {
    /// The kinds of rules that the case shows to be kept.
    pub(crate) fn passes(&self) -> Vec<RuleKind> {
        if self.then.is_word() { kinds(&self.kind) } else { Vec::new() }
    }

    /// The kinds of rules that the case shows to be broken.
    pub(crate) fn fails(&self) -> Vec<RuleKind> {
        kinds(&self.then.kinds())
    }
}

fn kinds(codes: &[String]) -> Vec<RuleKind> {
    let kind = |code: &String| {
        let found = RuleKind::ALL.iter().find(|kind| kind.code() == code);
        *found.unwrap_or_else(|| panic!("there is no kind {code}"))
    };
    codes.iter().map(kind).collect()
}

impl File {
    /// All files below a folder, in the order of their names.
    pub(crate) fn all(folder: &Path) -> Vec<File> {
        let mut paths = Vec::new();
        collect(folder, &mut paths);
        paths.sort();
        paths.iter().map(|path| File::read(path)).collect()
    }

    fn read(path: &Path) -> File {
        let shown = path.strip_prefix(conformance()).unwrap().display().to_string();
        let text = std::fs::read_to_string(path).unwrap();
        let mut file: File =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut names: Vec<&str> = file.cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1], "{shown} has a name twice");
        }
        for case in file.cases.iter().filter(|case| case.then.is_word()) {
            assert!(!case.kind.is_empty(), "{shown}#{} says no kind", case.name);
        }
        file.path = shown;
        file
    }

    /// The resource of a case.
    pub(crate) fn resource(&self, case: &Case) -> Result<Value, String> {
        let mut resource = match (&case.resource, &case.base) {
            (Some(Value::String(path)), None) => {
                let text = std::fs::read_to_string(conformance().join(path))
                    .map_err(|error| format!("{path}: {error}"))?;
                serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?
            }
            (Some(resource), None) => resource.clone(),
            (None, Some(name)) => {
                self.bases.get(name).ok_or(format!("there is no base {name}"))?.clone()
            }
            (None, None) if self.bases.len() == 1 => {
                self.bases.values().next().cloned().unwrap_or_default()
            }
            _ => return Err("say either `resource` or `base`".to_owned()),
        };
        for (pointer, value) in &case.set {
            set(&mut resource, pointer, value).ok_or(format!("nothing is at {pointer}"))?;
        }
        Ok(resource)
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
}

/// Sets the value at a JSON pointer; null removes it, `-` as the last step appends.
fn set(root: &mut Value, pointer: &str, value: &Value) -> Option<()> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    match root.pointer_mut(parent)? {
        Value::Object(members) => {
            if value.is_null() {
                return members.remove(&last).map(|_| ());
            }
            members.insert(last, value.clone());
        }
        Value::Array(items) if last == "-" => items.push(value.clone()),
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            if value.is_null() {
                (at < items.len()).then(|| items.remove(at))?;
            } else {
                *items.get_mut(at)? = value.clone();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    }
    Some(())
}
