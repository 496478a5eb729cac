//! Dependencies that a manifest names and no source of the crate uses.
//!
//! The same rule as cargo-machete's, so that no tool needs to be installed for it. A dependency
//! that is there only to be linked is listed in the manifest under
//! `[package.metadata.cargo-machete]` as `ignored`, as that tool has it.

use super::TrackedFile;
use super::manifest::{dependencies, package_name};

/// Every dependency without a use, among all crates in `files`.
pub(crate) fn check(files: &[TrackedFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let Some(folder) = file.path.strip_suffix("Cargo.toml") else { continue };
        let Ok(manifest) = file.text.parse::<toml::Table>() else { continue };
        if folder.is_empty() || package_name(&manifest).is_none() {
            continue;
        }
        let ignored = ignored(&manifest);
        let sources: Vec<&TrackedFile> = files
            .iter()
            .filter(|it| it.path.starts_with(folder) && it.path.ends_with(".rs"))
            .collect();
        for dependency in dependencies(&manifest) {
            let name = dependency.replace('-', "_");
            let is_used = sources.iter().any(|source| names(&source.text, &name));
            if !is_used && !ignored.contains(&dependency) {
                faults.push(format!("{}: `{dependency}` is not used", file.path));
            }
        }
    }
    faults
}

fn ignored(manifest: &toml::Table) -> Vec<String> {
    let at = ["package", "metadata", "cargo-machete", "ignored"];
    let mut value = Some(&toml::Value::Table(manifest.clone())).cloned();
    for key in at {
        value = value.and_then(|it| it.get(key).cloned());
    }
    let names = value.as_ref().and_then(toml::Value::as_array).cloned().unwrap_or_default();
    names.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// Whether a source text names a crate, as a word of its own.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|it| it.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(manifest: &str, source: &str) -> Vec<TrackedFile> {
        let file = |path: &str, text: &str| TrackedFile { path: path.into(), text: text.into() };
        let manifest = format!("[package]\nname = \"a\"\n{manifest}");
        vec![file("crates/a/Cargo.toml", &manifest), file("crates/a/src/lib.rs", source)]
    }

    #[test]
    fn a_dependency_is_used_as_a_word_of_its_own() {
        let manifest = "[dependencies]\nfhir-model = \"1\"\n";
        assert_eq!(check(&files(manifest, "use fhir_model::Id;")), Vec::<String>::new());
        assert_eq!(check(&files(manifest, "use fhir_models::Id;")).len(), 1);
        assert_eq!(check(&files(manifest, "")).len(), 1);
    }

    #[test]
    fn what_is_only_linked_is_listed() {
        let manifest = "[package.metadata.cargo-machete]\nignored = [\"pq-sys\"]\n\
                        [dependencies]\npq-sys = \"1\"\n";
        assert_eq!(check(&files(manifest, "")), Vec::<String>::new());
    }
}
