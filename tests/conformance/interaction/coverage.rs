//! Interaction x condition x format: coverage.json lists the cells that must not be empty.

use std::collections::{BTreeMap, BTreeSet};

use kantele_tests::repository;
use serde::Deserialize;

use super::case::{Format, load};

/// The least number of cases, so that they cannot vanish unseen.
const AT_LEAST: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coverage {
    /// Each interaction and what belongs to it.
    interactions: BTreeMap<String, String>,
    /// Each condition and what it means.
    conditions: BTreeMap<String, String>,
    /// Interaction to the conditions that have a case in each format.
    required: BTreeMap<String, BTreeSet<String>>,
    /// Cells `interaction/condition` that one format is enough for, with the reason.
    one_format: BTreeMap<String, String>,
}

#[test]
fn no_required_cell_is_empty() {
    let text = std::fs::read_to_string(repository("conformance/interaction/coverage.json"));
    let coverage: Coverage = serde_json::from_str(&text.unwrap()).unwrap();
    let cases = load();
    let mut wrong = Vec::new();
    let mut cells: BTreeMap<(String, String), BTreeSet<Format>> = BTreeMap::new();
    for (name, case) in &cases {
        if !coverage.interactions.contains_key(&case.interaction) {
            wrong.push(format!("{name}: `{}` is no interaction", case.interaction));
        }
        if !coverage.conditions.contains_key(&case.condition) {
            wrong.push(format!("{name}: `{}` is no condition", case.condition));
        }
        let cell = (case.interaction.clone(), case.condition.clone());
        cells.entry(cell).or_default().extend(&case.formats);
    }
    for (interaction, conditions) in &coverage.required {
        for condition in conditions {
            let cell = (interaction.clone(), condition.clone());
            let formats = cells.get(&cell).map_or(0, BTreeSet::len);
            let name = format!("{interaction}/{condition}");
            let needed = if coverage.one_format.contains_key(&name) { 1 } else { 2 };
            if formats < needed {
                wrong.push(format!("{name}: cases in {formats} of {needed} formats"));
            }
        }
    }
    let required: usize = coverage.required.values().map(BTreeSet::len).sum();
    println!("{} cases in {} cells, {required} required", cases.len(), cells.len());
    if cases.len() < AT_LEAST {
        wrong.push(format!("{} cases, {AT_LEAST} are needed", cases.len()));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
