//! docs/threat-model.md names tests: each of them is there.

use kantele_tests::repository;

#[test]
fn every_threat_names_tests_that_are_there() {
    let page = std::fs::read_to_string(repository("docs/threat-model.md")).unwrap();
    let mut faults = Vec::new();
    let mut named = 0;
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    for row in rows {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            faults.push(format!("no test: {row}"));
        }
        for name in names {
            named += 1;
            let (file, function) = name.split_once('#').unwrap_or((name, "test"));
            let text = std::fs::read_to_string(repository(file)).unwrap_or_default();
            let is_there = match name.contains('#') {
                true => text.contains(&format!("fn {function}(")),
                false => !text.is_empty(),
            };
            if !is_there {
                faults.push(format!("there is no {name}"));
            }
        }
    }
    assert!(named >= 40, "{named} tests are named");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
