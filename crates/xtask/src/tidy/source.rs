//! Rules about single files: length, opening sentence, words that have no place.

use super::TrackedFile;

/// Lines of a Rust file, its unit tests not counted, above which it must be split.
const MAX_LINES: usize = 800;

/// Rust files that may be longer: tables and generated code.
const LONG_FILES: &[&str] = &[];

/// Words that belong to one machine or to one sitting of work, never to the project. Each is
/// written in two halves, so that this file does not hold it.
const TRACES: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("ses", "sion"),
    ("index.cra", "tes.io"),
    ("static.cra", "tes.io"),
    ("registry.npm", "js.org"),
    ("py", "pi.org"),
    ("pythonhos", "ted.org"),
    ("proxy.gol", "ang.org"),
    ("repo.maven.apa", "che.org"),
    ("deb.deb", "ian.org"),
];

/// Names of OpenSSL that hold such a word.
const LIBRARY_NAMES: &[(&str, &str)] =
    &[("sslses", "sioncachemode"), ("set_ses", "sion_cache_mode")];

/// Endings of files that people write. Data (the examples are full of such words) is left out.
const WRITTEN: &[&str] = &["rs", "toml", "md", "sql", "sh", "yml", "yaml", "py", "js", "mjs"];

/// Every breach in one file.
pub(crate) fn check(file: &TrackedFile) -> Vec<String> {
    let mut faults = Vec::new();
    let path = file.path.as_str();
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ending == "rs" {
        if !file.text.starts_with("//!") {
            faults.push(format!("{path}:1: does not open with `//!` and what it is for"));
        }
        let lines = lines_without_tests(&file.text);
        if lines > MAX_LINES && !LONG_FILES.contains(&path) {
            faults.push(format!("{path}: {lines} lines without tests, at most {MAX_LINES}"));
        }
    }
    let is_generic = path.starts_with("crates/fhir-");
    let is_written = WRITTEN.contains(&ending) || path.starts_with(".ci/");
    for (number, line) in file.text.lines().enumerate() {
        let number = number + 1;
        let folded = line.to_lowercase();
        if is_generic && is_written && folded.contains("kanta") {
            faults.push(format!("{path}:{number}: a generic crate names Kanta"));
        }
        if is_written && let Some(word) = trace(&folded) {
            faults.push(format!("{path}:{number}: `{word}` has no place in the project"));
        }
    }
    faults
}

/// The first of [`TRACES`] in a line of lower-case text.
fn trace(line: &str) -> Option<String> {
    let whole = |(left, right): &(&str, &str)| format!("{left}{right}");
    let names = LIBRARY_NAMES.iter().map(whole);
    let line = names.fold(line.to_owned(), |line, name| line.replace(&name, ""));
    TRACES.iter().map(whole).find(|word| line.contains(word))
}

/// Lines before the unit tests, which stand last in a file.
fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TrackedFile {
        TrackedFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        assert_eq!(check(&file("crates/a/src/b.rs", "//! Reads.\n")).len(), 0);
        assert_eq!(check(&file("crates/a/src/b.rs", "use std::fmt;\n")).len(), 1);
        assert_eq!(check(&file("crates/a/src/b.rs", "")).len(), 1);
    }

    #[test]
    fn length_is_counted_without_unit_tests() {
        let body = "//! Long.\n".to_owned() + &"fn a() {}\n".repeat(MAX_LINES - 1);
        assert_eq!(check(&file("a.rs", &body)).len(), 0);
        let tested = body.clone() + "#[cfg(test)]\nmod tests {}\n";
        assert_eq!(check(&file("a.rs", &tested)).len(), 0);
        assert_eq!(check(&file("a.rs", &(body + "fn b() {}\n"))).len(), 1);
    }

    #[test]
    fn generic_crates_do_not_know_the_nation_but_may_know_the_server() {
        let text = "//! Kantele is the server.\n";
        assert_eq!(check(&file("crates/fhir-model/src/lib.rs", text)).len(), 0);
        let text = "//! Rules of Kanta.\n";
        assert_eq!(check(&file("crates/fhir-model/src/lib.rs", text)).len(), 1);
        assert_eq!(check(&file("crates/kanta-rules/src/lib.rs", text)).len(), 0);
    }

    #[test]
    fn traces_of_a_machine_are_found_where_people_write() {
        for (left, right) in TRACES {
            let text = format!("//! See {left}{right} for more.\n");
            assert_eq!(check(&file("crates/a/src/b.rs", &text)).len(), 1, "{text}");
            assert_eq!(check(&file("README.md", &text)).len(), 1, "{text}");
            assert_eq!(check(&file("conformance/examples/a.json", &text)).len(), 0, "{text}");
        }
    }
}
