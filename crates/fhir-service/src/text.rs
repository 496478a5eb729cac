//! A service file as it is written. What it means is made of it in `read`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) base: String,
    #[serde(default)]
    pub(crate) about: String,
    #[serde(default)]
    pub(crate) capability_statement: Option<String>,
    #[serde(default)]
    pub(crate) search_parameters: Vec<String>,
    #[serde(default)]
    pub(crate) reserved: Vec<String>,
    #[serde(default)]
    pub(crate) references: String,
    #[serde(default)]
    pub(crate) requests: Requests,
    pub(crate) errors: Errors,
    #[serde(default, rename = "type")]
    pub(crate) types: Vec<Type>,
    #[serde(default, rename = "header")]
    pub(crate) headers: Vec<Header>,
    #[serde(default, rename = "claim")]
    pub(crate) claims: Vec<Claim>,
    pub(crate) transaction: Option<Transaction>,
    #[serde(default)]
    pub(crate) search: Search,
    #[serde(default, rename = "parameter")]
    pub(crate) parameters: Vec<Parameter>,
    #[serde(default, rename = "rule")]
    pub(crate) rules: Vec<Rule>,
    #[serde(default, rename = "unique")]
    pub(crate) uniques: Vec<Unique>,
    #[serde(default, rename = "stored")]
    pub(crate) stored: Vec<Stored>,
    #[serde(default, rename = "same")]
    pub(crate) sames: Vec<Same>,
    #[serde(default, rename = "start")]
    pub(crate) starts: Vec<Start>,
    #[serde(default, rename = "check")]
    pub(crate) checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Requests {
    pub(crate) ids: String,
    pub(crate) repeated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errors {
    pub(crate) system: String,
    #[serde(default)]
    pub(crate) rule_system: String,
    #[serde(default)]
    pub(crate) without_body: Vec<String>,
    #[serde(default, rename = "code")]
    pub(crate) codes: Vec<Code>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    pub(crate) of: Vec<String>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) display: Option<String>,
    pub(crate) rule: Option<String>,
    #[serde(default)]
    pub(crate) source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Type {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) interactions: Vec<String>,
    #[serde(default)]
    pub(crate) verbs: Vec<String>,
    #[serde(default)]
    pub(crate) profiles: Vec<String>,
    #[serde(default = "server")]
    pub(crate) ids: String,
    #[serde(default)]
    pub(crate) if_match: bool,
    #[serde(default)]
    pub(crate) update_creates: bool,
    #[serde(default)]
    pub(crate) deleted: String,
    #[serde(default)]
    pub(crate) unheld_on_update: Vec<String>,
    #[serde(default)]
    pub(crate) history_by: BTreeMap<String, String>,
}

fn server() -> String {
    "server".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) presence: String,
    pub(crate) when: Option<When>,
    pub(crate) format: Option<String>,
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    pub(crate) field: String,
    pub(crate) presence: String,
    pub(crate) when: Option<When>,
    pub(crate) format: Option<String>,
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) source: String,
}

/// All that is given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct When {
    pub(crate) header: Option<String>,
    pub(crate) claim: Option<String>,
    pub(crate) kind: Vec<String>,
    pub(crate) writes: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transaction {
    pub(crate) rules: Rules,
    pub(crate) content: Vec<String>,
    pub(crate) companion: Option<String>,
    #[serde(default = "one")]
    pub(crate) min_pairs: usize,
    pub(crate) max_pairs: Option<usize>,
    #[serde(default)]
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) person: Option<String>,
    #[serde(default)]
    pub(crate) ending_profiles: Vec<String>,
    #[serde(default)]
    pub(crate) full_url: Option<String>,
    #[serde(default)]
    pub(crate) id_format: Option<String>,
    pub(crate) signature: String,
    #[serde(default)]
    pub(crate) companion_signature: Option<String>,
}

fn one() -> usize {
    1
}

/// The ids under which the checks of a transaction are told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) bundle: String,
    pub(crate) entries: String,
    pub(crate) pairs: String,
    pub(crate) target: String,
    pub(crate) profile: String,
    pub(crate) signature: String,
    #[serde(default)]
    pub(crate) companion: Option<String>,
    #[serde(default)]
    pub(crate) ending: Option<String>,
    #[serde(default)]
    pub(crate) if_match: Option<String>,
    #[serde(default)]
    pub(crate) person: Option<String>,
    #[serde(default)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Search {
    pub(crate) by_post_only: bool,
    pub(crate) rule: String,
    pub(crate) unknown_rule: Option<String>,
}

impl Default for Search {
    fn default() -> Self {
        Self { by_post_only: false, rule: "search-by-post".to_owned(), unknown_rule: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    #[serde(rename = "type")]
    pub(crate) resource_types: Names,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) history: bool,
    #[serde(default)]
    pub(crate) required: Option<String>,
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    #[serde(default)]
    pub(crate) excludes: Vec<String>,
    #[serde(default)]
    pub(crate) rule: Option<String>,
    #[serde(default)]
    pub(crate) repeats: bool,
    #[serde(default)]
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) system: Option<String>,
    #[serde(default)]
    pub(crate) overlaps: bool,
    #[serde(default, rename = "as")]
    pub(crate) becomes: Option<String>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Vec<[String; 2]>>,
    #[serde(default)]
    pub(crate) always: Option<String>,
    #[serde(default)]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) about: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(default = "bundle")]
    pub(crate) on: Names,
    pub(crate) expression: String,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) at: String,
    #[serde(default)]
    pub(crate) kind: Option<String>,
}

fn bundle() -> Names {
    Names::One("Bundle".to_owned())
}

/// A rule about what is stored before an interaction changes or ends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) on: Names,
    pub(crate) before: Vec<String>,
    pub(crate) expression: String,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) kind: Option<String>,
}

/// A type, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(name) => std::slice::from_ref(name).iter(),
            Self::Many(names) => names.iter(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unique {
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) resource_type: String,
    pub(crate) when: Option<String>,
    pub(crate) search: BTreeMap<String, String>,
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Same {
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) resource_types: Names,
    pub(crate) expressions: Vec<String>,
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    #[serde(rename = "type")]
    pub(crate) resource_type: String,
    pub(crate) organisation: Option<String>,
    pub(crate) from: String,
    pub(crate) rule: String,
}

/// A check that the server makes without being told how, named so that its cases can be counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) text: String,
}
