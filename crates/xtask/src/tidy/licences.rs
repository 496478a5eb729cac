//! Licences and sources of every package in the lock file, against deny.toml.
//!
//! cargo-deny reads the same file and checks more (advisories, for which it fetches a database).
//! This part needs nothing but cargo, so it runs everywhere and always.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Every package whose licence or source deny.toml does not allow.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let deny: toml::Table = std::fs::read_to_string(root.join("deny.toml"))?.parse()?;
    let allowed = texts(&deny, &["licenses", "allow"]);
    let registries = texts(&deny, &["sources", "allow-registry"]);
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let mut faults = Vec::new();
    for package in packages.into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        if !is_allowed(text("license"), &allowed) {
            faults.push(format!("deny.toml: {name} has the licence `{}`", text("license")));
        }
        let source = text("source");
        let is_known = registries.iter().any(|it| source == format!("registry+{it}"));
        if !source.is_empty() && !is_known {
            faults.push(format!("deny.toml: {name} comes from {source}"));
        }
    }
    Ok(faults)
}

fn texts(table: &toml::Table, path: &[&str]) -> Vec<String> {
    let mut value = Some(toml::Value::Table(table.clone()));
    for key in path {
        value = value.and_then(|it| it.get(key).cloned());
    }
    let items = value.as_ref().and_then(toml::Value::as_array).cloned().unwrap_or_default();
    items.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// Whether a licence expression can be met: one side of every `OR`, both sides of every `AND`.
/// The old form `MIT/Apache-2.0` means `OR`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let words = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at, allowed);
    met && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        let other = both(words, at, allowed);
        met = met || other;
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        let other = one(words, at, allowed);
        met = met && other;
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = either(words, at, allowed);
        *at += 1;
        return met;
    }
    let mut licence = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&licence)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions_are_read_as_they_are_meant() {
        let allowed: Vec<String> =
            ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).to_vec();
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(GPL-3.0 OR MIT) AND Zlib",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "MIT Zlib"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
