//! Every check has a case that passes and one that fails.

use std::collections::BTreeSet;

use kantele_tests::repository;

use crate::case;

#[test]
fn every_check_has_a_passing_and_a_failing_case() {
    let mut missing = Vec::new();
    for file in case::all() {
        let path = repository("").join("services").join(format!("{}.toml", file.service));
        let service = fhir_service::read(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut ids: BTreeSet<&str> = service.checks().map(|(id, _)| id).collect();
        ids.extend(file.facts.iter().map(String::as_str));
        for id in &ids {
            for passes in [true, false] {
                let is_about = |case: &case::Case| {
                    case.passes == passes && case.rules.iter().any(|rule| rule == id)
                };
                if !file.cases.iter().any(is_about) {
                    missing
                        .push(format!("{}: {id} has no case with passes = {passes}", file.service));
                }
            }
        }
        for case in &file.cases {
            for rule in case.rules.iter().filter(|rule| !ids.contains(rule.as_str())) {
                missing.push(format!("{}: {}: nobody knows {rule}", file.service, case.name));
            }
            let refuses =
                case.steps.iter().any(|step| step.expect.status.is_some_and(|it| it >= 400));
            if refuses == case.passes {
                missing.push(format!("{}: {}: passes says otherwise", file.service, case.name));
            }
        }
        let mut names: Vec<&str> = file.cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}: two cases have one name", file.service);
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
