//! `cargo xtask conformance`: docs/conformance.md, made from the cases.
//!
//! Nobody types a status by hand. A case counts as passing because `cargo test` runs it and fails
//! when it does not, unless it is listed as a known gap, whose passing is a failure too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Outcome;

type Error = Box<dyn std::error::Error>;

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write docs/conformance.md instead of printing it.
    #[arg(long)]
    write: bool,
}

/// The file that the command writes, from the root of the repository.
pub(crate) const FILE: &str = "docs/conformance.md";

/// Prints or writes the status.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = status(&root)?;
    if arguments.write {
        std::fs::write(root.join(FILE), text)?;
    } else {
        print!("{text}");
    }
    Ok(())
}

/// The status as Markdown.
pub(crate) fn status(root: &Path) -> Result<String, Error> {
    let folder = root.join("conformance");
    let gaps = object(&folder.join("known-gaps.json"))?;
    let refused = object(&folder.join("refused-examples.json"))?;
    let mut out = "# Conformance\n\nMade by `cargo xtask conformance --write` from the cases in \
                   `conformance/`, which `cargo test --workspace`\nruns on SQLite and on \
                   PostgreSQL. Do not edit.\n\n## Search\n\n"
        .to_owned();
    let mut groups: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for path in files(&folder.join("search"), false)? {
        let name = name(&path);
        let group = name.split('-').next().unwrap_or_default().to_owned();
        groups.entry(group).or_default().push((name, read(&path)?));
    }
    let all: usize = groups.values().map(Vec::len).sum();
    writeln!(out, "{all} cases.")?;
    for (group, cases) in &groups {
        writeln!(out, "\n### {group}\n\n| search | what it shows | |\n|---|---|---|")?;
        for (name, case) in cases {
            let text = |key: &str| case.get(key).and_then(Value::as_str).unwrap_or_default();
            let when = text("when").replace('|', "\\|");
            let is_gap = gaps.contains_key(&format!("search/{name}.json"));
            let state = if is_gap { "known gap" } else { "passes" };
            writeln!(out, "| `{when}` | {} | {state} |", text("why").replace('|', "\\|"))?;
        }
    }
    writeln!(out, "\n## Terminology\n\n| file | what it shows | questions |\n|---|---|---|")?;
    for path in files(&folder.join("terminology"), false)? {
        let file = read(&path)?;
        let why = file.get("why").and_then(Value::as_str).unwrap_or_default().to_owned();
        let questions = file.get("cases").and_then(Value::as_array).map_or(0, Vec::len);
        writeln!(out, "| {} | {why} | {questions} |", name(&path))?;
    }
    let malformed = files(&folder.join("malformed"), true)?.len();
    writeln!(out, "\n## Malformed bodies\n")?;
    writeln!(out, "{malformed} files, each refused with a place or named as a known gap.")?;
    list(&mut out, "Known gaps", &gaps)?;
    list(&mut out, "Official examples that are refused", &refused)?;
    Ok(out)
}

fn list(out: &mut String, title: &str, entries: &BTreeMap<String, String>) -> std::fmt::Result {
    writeln!(out, "\n## {title}\n")?;
    if entries.is_empty() {
        writeln!(out, "None.")?;
    }
    for (name, reason) in entries {
        writeln!(out, "- `{name}`: {reason}")?;
    }
    Ok(())
}

fn files(folder: &Path, is_deep: bool) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let is_case = path.extension().is_some_and(|it| it == "json" || it == "xml" || it == "bin");
        match path.is_dir() {
            true if is_deep => found.extend(files(&path, true)?),
            true => {}
            false if is_case => found.push(path),
            false => {}
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Value, Error> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

fn object(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_listed_with_their_state() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("conformance/search");
        std::fs::create_dir_all(&folder).unwrap();
        let case = r#"{"when": "Patient?a=b|c", "why": "it must"}"#;
        std::fs::write(folder.join("token-a.json"), case).unwrap();
        std::fs::write(folder.join("token-b.json"), case).unwrap();
        let gaps = r#"{"search/token-b.json": "not yet"}"#;
        std::fs::write(root.path().join("conformance/known-gaps.json"), gaps).unwrap();
        std::fs::write(root.path().join("conformance/refused-examples.json"), "{}").unwrap();
        let status = status(root.path()).unwrap();
        assert!(status.contains("2 cases."), "{status}");
        assert!(status.contains("| `Patient?a=b\\|c` | it must | passes |"), "{status}");
        assert!(status.contains("| known gap |"), "{status}");
        assert!(status.contains("- `search/token-b.json`: not yet"), "{status}");
    }
}
