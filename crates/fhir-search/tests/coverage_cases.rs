//! Every cell of parameter type x modifier x prefix, and of `_filter` operator x type, has a case
//! in `conformance/search`: a legal one a case that finds or not, an illegal one a refusal.
//!
//! What is legal is said here by the specification's words, apart from the crate's own tables.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fhir_definitions::ResourceType;
use fhir_search::{ParameterId, ParameterKind, Registry};
use serde_json::Value;

const KINDS: [&str; 9] =
    ["number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"];

/// Modifiers with the types that take them; `[type]` stands for all names of types.
const MODIFIERS: [(&str, &[&str]); 12] = [
    // "For all parameters (except combination): :missing".
    ("missing", &["number", "date", "string", "token", "reference", "quantity", "uri", "special"]),
    // "For string: :exact … or :contains", and "An additional modifier :text can be used".
    ("exact", &["string"]),
    ("contains", &["string"]),
    // "For token: :text … Other defined modifiers are :in, :below, :above and :not-in", with
    // :not and :of-type in the table of tokens.
    ("text", &["string", "token"]),
    ("not", &["token"]),
    ("in", &["token"]),
    ("not-in", &["token"]),
    ("of-type", &["token"]),
    // "For reference: :[type] …, :identifier, and, for some parameters, :above and :below";
    // "For uri: :below, :above".
    ("above", &["token", "reference", "uri"]),
    ("below", &["token", "reference", "uri"]),
    ("identifier", &["reference"]),
    ("[type]", &["reference"]),
];

/// "For the ordered parameter types of number, date, and quantity, a prefix to the parameter
/// value may be used"; composites have them in their components. The empty one is none.
const PREFIXES: [&str; 10] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
const PREFIXED: [&str; 4] = ["number", "date", "quantity", "composite"];

/// The table of <https://hl7.org/fhir/R4/search_filter.html#ops>; strings' order, `co` of numbers
/// and dates are left out by the decision of `query/filter`, URIs take what tokens take.
const OPERATORS: [(&str, &[&str]); 7] = [
    ("string", &["eq", "ne", "co", "sw", "ew", "pr"]),
    ("number", &["eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr"]),
    ("quantity", &["eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr"]),
    ("date", &["eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "po", "pr"]),
    ("token", &["eq", "ne", "ss", "sb", "in", "ni", "pr"]),
    ("reference", &["re", "pr"]),
    ("uri", &["eq", "ne", "ss", "sb", "pr"]),
];

/// A type, a modifier (empty: none), a prefix, and whether the case is refused.
type Cell = (String, String, String, bool);

struct Cases {
    registry: Registry,
    cells: BTreeMap<Cell, usize>,
    filters: BTreeSet<(String, String)>,
    count: usize,
}

impl Cases {
    fn load() -> Self {
        let mut next = 0;
        let registry = Registry::r4(&mut |_, _, _| {
            next += 1;
            ParameterId(next)
        });
        let mut cases =
            Self { registry, cells: BTreeMap::new(), filters: BTreeSet::new(), count: 0 };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/search");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                cases.count += 1;
                cases.add(case["when"].as_str().unwrap(), case["refused"].is_number());
            }
        }
        cases
    }

    fn add(&mut self, when: &str, is_refused: bool) {
        let (name, query) = when.split_once('?').unwrap_or((when, ""));
        let Some(base) = ResourceType::named(name) else { return };
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if name == "_filter" && !is_refused {
                self.filter(base, value);
            }
            let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
            let Some(kind) = self.registry.get(base, code).map(|found| found.kind) else {
                continue;
            };
            let is_type = ResourceType::named(modifier).is_some();
            let modifier = if is_type { "[type]" } else { modifier }.to_owned();
            for value in value.split(',') {
                let prefix = prefix(kind, value);
                let cell = (kind.as_str().to_owned(), modifier.clone(), prefix, is_refused);
                *self.cells.entry(cell).or_default() += 1;
            }
        }
    }

    /// Names, operators and values stand between spaces.
    fn filter(&mut self, base: ResourceType, text: &str) {
        let words: Vec<&str> = text.split("%20").collect();
        for pair in words.windows(2) {
            if let Some(found) = self.registry.get(base, pair[0].trim_start_matches('(')) {
                self.filters.insert((found.kind.as_str().to_owned(), pair[1].to_owned()));
            }
        }
    }
}

/// The prefix of a value where its type has any.
fn prefix(kind: ParameterKind, value: &str) -> String {
    if !PREFIXED.contains(&kind.as_str()) {
        return String::new();
    }
    let last = value.rsplit('$').next().unwrap();
    PREFIXES[1..].iter().find(|each| last.starts_with(**each)).unwrap_or(&"").to_string()
}

#[test]
fn every_cell_has_a_case() {
    let cases = Cases::load();
    let mut empty = Vec::new();
    for kind in KINDS {
        let mut wanted = |modifier: &str, prefix: &str, is_refused: bool| {
            let cell = (kind.to_owned(), modifier.to_owned(), prefix.to_owned(), is_refused);
            if !cases.cells.contains_key(&cell) {
                empty.push(format!("{kind} :{modifier} prefix {prefix:?} refused: {is_refused}"));
            }
        };
        for prefix in PREFIXES.iter().filter(|each| each.is_empty() || PREFIXED.contains(&kind)) {
            wanted("", prefix, false);
        }
        for (modifier, kinds) in MODIFIERS {
            wanted(modifier, "", !kinds.contains(&kind));
        }
    }
    for (kind, operators) in OPERATORS {
        for operator in operators {
            if !cases.filters.contains(&(kind.to_owned(), (*operator).to_owned())) {
                empty.push(format!("_filter {kind} {operator}"));
            }
        }
    }
    println!("{} cases in {} cells", cases.count, cases.cells.len());
    assert!(empty.is_empty(), "{} cells have no case:\n{}", empty.len(), empty.join("\n"));
    assert!(cases.count >= 400, "only {} cases", cases.count);
}

#[test]
fn no_cell_is_both_legal_and_refused_by_its_modifier() {
    let cases = Cases::load();
    let wrong: Vec<String> = cases
        .cells
        .keys()
        .filter(|(kind, modifier, _, is_refused)| {
            let legal = MODIFIERS.iter().find(|(name, _)| name == modifier);
            !is_refused && legal.is_some_and(|(_, kinds)| !kinds.contains(&kind.as_str()))
        })
        .map(|cell| format!("{cell:?}"))
        .collect();
    assert!(wrong.is_empty(), "answered although illegal:\n{}", wrong.join("\n"));
}
