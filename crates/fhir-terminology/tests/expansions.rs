//! Our expansions of all embedded value sets beside those of the official package
//! `hl7.fhir.r4.expansions` 4.0.1, whose folder `KANTELE_TEST_EXPANSIONS` names.
//!
//! Abstract codes may be missing there: its expansions are flat, and flat ones go without.
//! Every value set whose answer is another one than the package's stands in
//! `expansions/differences.json` with the reason; one that isn't there, or that is there and
//! agrees, fails the test. Without the variable only the form of that file is checked.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fhir_terminology::{Code, NothingStored, Problem, Terminology};
use serde_json::Value;

type Differences = BTreeMap<String, String>;

#[test]
fn expansions_are_those_of_the_official_package_but_for_known_differences() {
    let known: Differences =
        serde_json::from_str(include_str!("expansions/differences.json")).unwrap();
    let terminology = Terminology::embedded();
    let embedded: BTreeSet<_> = terminology.embedded_value_sets().into_iter().collect();
    assert!(known.keys().all(|url| embedded.contains(url.as_str())));
    let Ok(folder) = std::env::var("KANTELE_TEST_EXPANSIONS") else { return };
    let official = official(Path::new(&folder));
    let (mut equal, mut ours_only, mut refused) = (0, 0, 0);
    let mut faults = Vec::new();
    for url in embedded {
        let ours = ours(&terminology, url);
        let Some(wanted) = official.get(url) else {
            match ours {
                Ok(_) => ours_only += 1,
                Err(_) => refused += 1,
            }
            continue;
        };
        let difference = match &ours {
            Ok(ours) if ours.all == *wanted || ours.usable == *wanted => None,
            Ok(ours) => Some(format!("{} codes, expected {}", ours.usable.len(), wanted.len())),
            Err(fault) => Some(format!("expected {} codes: {fault}", wanted.len())),
        };
        match (difference, known.get(url)) {
            (None, None) => equal += 1,
            (Some(_), Some(_)) => {}
            (None, Some(_)) => faults.push(format!("{url}: agrees now")),
            (Some(difference), None) => faults.push(format!("{url}: {difference}")),
        }
    }
    println!(
        "{equal} equal, {} known to differ, not in the package: {ours_only} expanded and \
         {refused} refused",
        known.len()
    );
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
}

type Set = BTreeSet<(String, String)>;

struct Ours {
    all: Set,
    /// Without abstract ones.
    usable: Set,
}

fn ours(terminology: &Terminology, url: &str) -> Result<Ours, String> {
    let codes = match terminology.expand(&mut NothingStored, url) {
        Ok(codes) => codes,
        Err(Problem::Fault(fault)) => return Err(fault.to_string()),
        Err(Problem::Stored(never)) => match never {},
    };
    let pairs = |is_wanted: &dyn Fn(&Code) -> bool| {
        let wanted = codes.as_slice().iter().filter(|code| is_wanted(code));
        wanted.map(|code| (code.system.clone(), code.code.clone())).collect()
    };
    Ok(Ours { all: pairs(&|_| true), usable: pairs(&|code| !code.is_abstract) })
}

fn official(folder: &Path) -> BTreeMap<String, Set> {
    let mut found = BTreeMap::new();
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|it| it == "json")) {
        let set: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        if set["resourceType"] == "ValueSet" && set.get("expansion").is_some() {
            let mut codes = Set::new();
            add(&set["expansion"], &mut codes);
            found.insert(set["url"].as_str().unwrap().to_owned(), codes);
        }
    }
    assert!(found.len() > 500, "{} expansions", found.len());
    found
}

fn add(owner: &Value, codes: &mut Set) {
    for entry in owner["contains"].as_array().into_iter().flatten() {
        if let (Some(system), Some(code)) = (entry["system"].as_str(), entry["code"].as_str()) {
            codes.insert((system.to_owned(), code.to_owned()));
        }
        add(entry, codes);
    }
}
