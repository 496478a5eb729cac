//! The form of a case, as conformance/interaction/README.md tells it.

use std::collections::BTreeMap;

use kantele_tests::repository;
use serde::Deserialize;
use serde_json::Value;

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    spec: String,
    cases: Vec<Case>,
}

/// One story of requests, with what must be seen after each.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) interaction: String,
    pub(super) condition: String,
    /// Where another section of the specification decides than the one of the file.
    spec: Option<String>,
    /// What the case is good for, where its name doesn't say it.
    #[serde(rename = "why")]
    _why: Option<String>,
    #[serde(default = "both")]
    pub(super) formats: Vec<Format>,
    /// It needs a server and a database of its own.
    #[serde(default)]
    pub(super) alone: bool,
    /// Settings of the server as environment; cases with the same ones share a server.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// Resources with ids that are stored before the steps.
    #[serde(default)]
    pub(super) given: Vec<Value>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Json,
    Xml,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) when: String,
    /// `null` where a header that is always sent is not.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(super) body: Value,
    /// The body of the run in XML, where it cannot be made from `body`.
    pub(super) xml: Option<String>,
    /// Ask again until the status is right: for work that goes on after an answer.
    #[serde(default)]
    pub(super) wait: bool,
    pub(super) then: Then,
    /// Name to a JSON pointer or `header:Name`; later written `{name}`.
    #[serde(default)]
    pub(super) save: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Then {
    pub(super) status: Status,
    /// `null` where the header must be absent; `*` stands for any text.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
    /// JSON pointer to value; `null` means absent.
    #[serde(default)]
    pub(super) body: BTreeMap<String, Value>,
    /// FHIRPath expressions that are true of the body.
    #[serde(default)]
    pub(super) holds: Vec<String>,
    pub(super) has_body: Option<bool>,
    #[serde(default)]
    pub(super) contains: Vec<String>,
    #[serde(default)]
    pub(super) lacks: Vec<String>,
    pub(super) issue: Option<ExpectedIssue>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Status {
    Exactly(u16),
    OneOf(Vec<u16>),
}

/// What some issue of the outcome has.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedIssue {
    pub(super) severity: Option<String>,
    pub(super) code: Option<String>,
    pub(super) expression: Option<String>,
    /// A part of `diagnostics`.
    pub(super) says: Option<String>,
}

fn both() -> Vec<Format> {
    vec![Format::Json, Format::Xml]
}

impl Status {
    pub(super) fn is(&self, status: u16) -> bool {
        match self {
            Self::Exactly(expected) => *expected == status,
            Self::OneOf(expected) => expected.contains(&status),
        }
    }
}

/// All cases with their names from conformance/: `interaction/update.json#name`.
pub(super) fn load() -> Vec<(String, Case)> {
    let mut files: Vec<_> = repository("conformance/interaction")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .filter(|path| path.file_name().is_some_and(|it| it != "coverage.json"))
        .collect();
    files.sort();
    let mut cases: Vec<(String, Case)> = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in file.cases {
            let name = format!("interaction/{}#{}", path.file_name().unwrap().display(), case.name);
            let spec = case.spec.as_ref().unwrap_or(&file.spec);
            assert!(spec.starts_with("https://hl7.org/"), "{name}: {spec} is no section");
            assert!(cases.iter().all(|(other, _)| *other != name), "{name}: two have this name");
            assert!(!case.formats.is_empty() && !case.steps.is_empty(), "{name}: does nothing");
            cases.push((name, case));
        }
    }
    cases
}
