//! Cases as data: what is sent in which order, and what must come of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kantele_tests::repository;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A file of cases about one service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[expect(dead_code, reason = "for readers of the file")]
    about: String,
    /// The name of its file below services/, without its ending.
    pub(crate) service: String,
    /// Bodies by name, as paths in the repository.
    pub(crate) bodies: BTreeMap<String, PathBuf>,
    /// Texts in bodies, and what stands there instead.
    #[serde(default)]
    pub(crate) fill: BTreeMap<String, String>,
    /// Settings of a server of its own; none: the one that others use, too.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// The file of `disclosure.file` of that server.
    #[serde(default)]
    pub(crate) disclosure: toml::Table,
    /// Changed claims of each step.
    #[serde(default)]
    pub(crate) token: Map<String, Value>,
    /// Claims by a name that steps may give as `token`.
    #[serde(default)]
    pub(crate) tokens: BTreeMap<String, Map<String, Value>>,
    /// Resources by a name, beside bodies.
    #[serde(default)]
    pub(crate) resources: BTreeMap<String, Value>,
    /// What is done before each case.
    #[serde(default)]
    pub(crate) before: Vec<Step>,
    /// Ids that must have cases beside those of the service file: the facts behind it.
    pub(crate) facts: Vec<String>,
    pub(crate) cases: Vec<Case>,
}

/// Something that is so, or that is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The ids that it is about.
    pub(crate) rules: Vec<String>,
    /// Whether it keeps to them.
    pub(crate) passes: bool,
    #[expect(dead_code, reason = "for readers of the file")]
    source: String,
    pub(crate) steps: Vec<Step>,
}

/// One request and its answer. Texts hold `{{person}}`, `{{other}}`, `{{n}}` (also with eight
/// digits: `{{n8}}`) and what earlier steps kept.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    pub(crate) method: Option<String>,
    /// Below the base of the service.
    pub(crate) path: String,
    /// Below /fhir instead.
    pub(crate) plain: bool,
    /// A body by its name.
    pub(crate) body: Option<String>,
    /// What is changed in it: pointer and value; null takes away, `/-` adds.
    pub(crate) change: Vec<(String, Value)>,
    /// A body as it stands here.
    pub(crate) raw: Option<String>,
    pub(crate) form: Option<String>,
    /// More headers; null takes away.
    pub(crate) headers: Map<String, Value>,
    /// Changed claims, the name of some, or a text for the whole header; empty: none.
    pub(crate) token: Value,
    /// A name for the request that several steps share.
    pub(crate) request: Option<String>,
    /// What is kept for later: a name, and a pointer to an id, or to a location whose id is taken.
    pub(crate) keep: BTreeMap<String, String>,
    pub(crate) expect: Expect,
}

/// What must come.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// Else 200.
    pub(crate) status: Option<u16>,
    /// Ids of checks that are told, all of them, in any order.
    pub(crate) rules: Option<Vec<String>>,
    /// Codes of the service's own system that are told.
    pub(crate) codes: Option<Vec<String>>,
    /// Places that are told, among others.
    pub(crate) at: Vec<String>,
    pub(crate) total: Option<u64>,
    /// Types of the entries, in order; a delete in a history is its method.
    pub(crate) entries: Option<Vec<String>>,
    /// What stands in the body: pointer and value; null: nothing.
    pub(crate) is: Vec<(String, Value)>,
    /// Nothing is in the body.
    pub(crate) empty: bool,
    /// The body is that of the step with this number.
    pub(crate) like: Option<usize>,
}

/// All files of services.
pub(crate) fn all() -> Vec<File> {
    let folder = repository("").join("conformance/kanta");
    let mut files = Vec::new();
    for name in ["appointments", "disclosures", "consents", "wellbeing"] {
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        let file = serde_json::from_str(&text);
        files.push(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
    files
}
