//! Terms of others: NOTICE names what is here, and content that needs a licence is not.

use std::collections::BTreeSet;

use serde_json::Value;

use super::TrackedFile;

/// Systems whose content needs a licence.
const LICENSED: [&str; 3] =
    ["http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10"];

/// Codes of such a system in one file above which it is content, not an example.
const MAX_CODES: usize = 40;

/// Files in the publishers' formats begin so; those here are our own, invented and short.
const PUBLISHERS: [&str; 4] = ["sct2_", "der2_", "Loinc", "AnswerList"];

/// Lines of such a file above which nobody would call it an example.
const MAX_LINES: usize = 60;

/// What NOTICE must name beside the packages: what is embedded, and what operators bring.
const NAMED: [&str; 8] =
    ["HL7 FHIR R4", "UCUM", "ISO 3166", "ISO 4217", "BCP 47", "SNOMED CT", "LOINC", "ICD-10"];

/// Every breach in `files`.
pub(crate) fn check(files: &[TrackedFile]) -> Vec<String> {
    let mut faults: Vec<String> = files.iter().flat_map(content).collect();
    if let Some(notice) = files.iter().find(|file| file.path == "NOTICE") {
        faults.extend(unnamed(&notice.text, files));
    }
    faults
}

/// Packages and works of others that NOTICE forgets.
fn unnamed(notice: &str, files: &[TrackedFile]) -> Vec<String> {
    let packages = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("profiles/")?.strip_suffix("/package.json"));
    let forgotten = packages.chain(NAMED).filter(|name| !notice.contains(name));
    forgotten.map(|name| format!("NOTICE: does not name {name}")).collect()
}

/// What a file holds that needs a licence.
fn content(file: &TrackedFile) -> Vec<String> {
    let path = file.path.as_str();
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut faults = Vec::new();
    let lines = file.text.lines().count();
    if PUBLISHERS.iter().any(|part| name.starts_with(part)) && lines > MAX_LINES {
        faults.push(format!("{path}: {lines} lines in a publisher's format, at most {MAX_LINES}"));
    }
    // Most files name no such system, and need not be parsed.
    if !path.ends_with(".json") || !LICENSED.iter().any(|system| file.text.contains(system)) {
        return faults;
    }
    let Ok(json) = serde_json::from_str::<Value>(&file.text) else { return faults };
    for system in LICENSED {
        let mut codes = BTreeSet::new();
        collect(&json, system, false, &mut codes);
        if codes.len() > MAX_CODES {
            let count = codes.len();
            faults.push(format!("{path}: {count} codes of {system}, at most {MAX_CODES}"));
        }
    }
    faults
}

/// The codes of a system below a value: of codings, of value sets, of expansions, of the system.
fn collect<'v>(value: &'v Value, system: &str, inside: bool, codes: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            let is_system = text("resourceType") == Some("CodeSystem");
            let said = text(if is_system { "url" } else { "system" });
            // Concepts below an include or a code system have the system from above.
            let inside = said.map_or(inside, |said| said == system);
            if inside {
                codes.extend(text("code"));
            }
            for (key, value) in members {
                let hands_down = matches!(key.as_str(), "concept" | "contains");
                collect(value, system, inside && hands_down, codes);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, system, inside, codes)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(path: &str, text: &str) -> TrackedFile {
        TrackedFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn concepts(count: usize) -> Value {
        (0..count).map(|code| json!({ "code": code.to_string() })).collect()
    }

    #[test]
    fn lists_of_licensed_codes_are_refused_however_they_are_written() {
        for count in [MAX_CODES, MAX_CODES + 1] {
            let of = |system: &str| {
                [
                    json!({ "resourceType": "CodeSystem", "url": system, "concept": concepts(count) }),
                    json!({ "compose": { "include": [ { "system": system,
                        "concept": concepts(count) } ] } }),
                    json!({ "resourceType": "CodeSystem", "url": system,
                        "concept": [ { "code": "0", "concept": concepts(count) } ] }),
                ]
            };
            for json in LICENSED.iter().flat_map(|system| of(system)) {
                let faults = check(&[file("a.json", &json.to_string())]);
                assert_eq!(faults.is_empty(), count <= MAX_CODES, "{faults:?}");
            }
            let open = of("http://example.org/codes");
            for json in open {
                assert_eq!(check(&[file("a.json", &json.to_string())]), [""; 0]);
            }
        }
        let expansion: Value = (0..=MAX_CODES)
            .map(|n| json!({ "system": LICENSED[0], "code": n.to_string() }))
            .collect();
        let text = json!({ "expansion": { "contains": expansion } }).to_string();
        assert_eq!(check(&[file("a.json", &text)]).len(), 1);
    }

    #[test]
    fn a_publishers_file_is_refused_where_it_is_long() {
        let text = "1\tx\n".repeat(MAX_LINES + 1);
        assert_eq!(check(&[file("b/sct2_Concept_Full.txt", &text)]).len(), 1);
        assert_eq!(check(&[file("b/sct2_Concept_Full.txt", "1\tx\n")]), [""; 0]);
        assert_eq!(check(&[file("b/own.txt", &text)]), [""; 0]);
    }

    #[test]
    fn notice_names_each_package_and_each_owner() {
        let package = file("profiles/a.b/package.json", "{}");
        let whole = NAMED.join(", ") + ", a.b";
        assert_eq!(check(&[package, file("NOTICE", &whole)]), [""; 0]);
        let other = file("profiles/c.d/package.json", "{}");
        assert_eq!(check(&[other, file("NOTICE", &whole)]), ["NOTICE: does not name c.d"]);
        assert_eq!(check(&[file("NOTICE", "")]).len(), NAMED.len());
    }
}
