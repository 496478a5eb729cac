//! Cases that are known to fail, each with its reason.

use std::collections::BTreeMap;

use kantele_tests::repository;

/// Fails when a case failed that is not listed as a gap, or passed although it is.
///
/// `results` holds each case's name (its path from conformance/) and what was wrong, if anything.
pub(crate) fn judge(folder: &str, results: &[(String, Option<String>)]) {
    let text = std::fs::read_to_string(repository("conformance/known-gaps.json")).unwrap();
    let gaps: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    let mut wrong: Vec<String> = Vec::new();
    let mut passed = 0;
    for (name, failure) in results {
        match (failure, gaps.get(name)) {
            (None, None) => passed += 1,
            (Some(failure), None) => wrong.push(format!("{name}: {failure}")),
            (None, Some(_)) => wrong.push(format!("{name}: passes, so it is no gap any more")),
            (Some(_), Some(reason)) => println!("known gap {name}: {reason}"),
        }
    }
    for name in gaps.keys().filter(|name| name.starts_with(&format!("{folder}/"))) {
        if !results.iter().any(|(case, _)| case == name) {
            wrong.push(format!("{name}: is listed as a gap but is no case"));
        }
    }
    println!("conformance/{folder}: {passed} of {} cases pass", results.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
