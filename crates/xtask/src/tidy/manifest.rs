//! The dependency rules: who may know whom, and which library is named in which crate only.
//!
//! [`EDGES`] is the map of ARCHITECTURE.md as data. A crate may depend on what its line names and
//! on everything below that. Normal, build and dev-dependencies obey the same map: a test that
//! needs a crate from above belongs above.

use std::collections::{BTreeMap, BTreeSet};

use super::TrackedFile;

/// What each crate of the workspace may depend on, itself and everything below.
const EDGES: &[(&str, &[&str])] = &[
    ("fhir-definitions", &[]),
    ("fhir-model", &["fhir-definitions"]),
    ("fhir-path", &["fhir-model"]),
    ("fhir-patch", &["fhir-path"]),
    ("fhir-package", &["fhir-structure"]),
    ("fhir-terminology", &["fhir-model"]),
    ("fhir-structure", &["fhir-model"]),
    ("fhir-search", &["fhir-path", "fhir-package"]),
    ("fhir-validation", &["fhir-path", "fhir-package", "fhir-structure", "fhir-terminology"]),
    ("fhir-security", &["fhir-model"]),
    ("fhir-access", &["fhir-search"]),
    ("fhir-service", &["fhir-access", "fhir-path"]),
    ("fhir-store", &["fhir-search", "fhir-security"]),
    (
        "fhir-interaction",
        &[
            "fhir-access",
            "fhir-store",
            "fhir-validation",
            "fhir-terminology",
            "fhir-package",
            "fhir-patch",
        ],
    ),
    ("kanta-identifiers", &[]),
    ("kanta-rules", &["fhir-interaction", "kanta-identifiers"]),
    ("kanta-samples", &["fhir-model", "kanta-identifiers"]),
    (
        "kantele",
        &["kanta-rules", "kanta-samples", "fhir-interaction", "fhir-security", "fhir-service"],
    ),
    // Nothing that ships depends on these, so they may see everything.
    ("kantele-fuzz", &["fhir-patch", "fhir-search"]),
    ("xtask", &["kantele", "kanta-rules", "kanta-samples", "fhir-security"]),
    ("kantele-tests", &["kantele", "kanta-rules", "kanta-samples", "fhir-security"]),
];

/// Libraries (by the start of their name) with the crates that may name them, and why.
const OWNED: &[(&str, &[&str], &str)] = &[
    ("diesel", &["fhir-store"], "SQL is spoken in fhir-store only"),
    ("libsqlite3-sys", &["fhir-store"], "SQL is spoken in fhir-store only"),
    ("pq-sys", &["fhir-store"], "SQL is spoken in fhir-store only"),
    // xtask bench answers the same bytes from a bare actix route: the ceiling of the reads.
    ("actix", &["kantele", "xtask"], "HTTP is spoken in the server only"),
    // fhir-store names it only so that the built-in libpq finds its TLS library at link time.
    (
        "openssl",
        &["kantele", "fhir-security", "fhir-store"],
        "cryptography belongs to the server and fhir-security",
    ),
    ("fhirbolt", &["fhir-model"], "fhirbolt is named in fhir-model only"),
];

/// Every breach of the map in the `Cargo.toml` files among `files`.
pub(crate) fn check(files: &[TrackedFile]) -> Vec<String> {
    let allowed = closure();
    files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .flat_map(|file| check_one(file, &allowed))
        .collect()
}

fn check_one(file: &TrackedFile, allowed: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{}: not TOML: {error}", file.path)],
    };
    let package = manifest.get("package").and_then(toml::Value::as_table);
    let Some(name) = package_name(&manifest) else {
        return vec![format!("{}: has no package name", file.path)];
    };
    let Some(below) = allowed.get(name) else {
        return vec![format!("{}: `{name}` has no line in the map of crates", file.path)];
    };
    let mut faults = Vec::new();
    let inherits = |table: Option<&toml::Table>, key: &str| {
        table
            .and_then(|it| it.get(key))
            .and_then(|it| it.get("workspace").or(Some(it)))
            .and_then(toml::Value::as_bool)
            .is_some()
    };
    if !inherits(package, "publish") {
        faults.push(format!("{}: `publish.workspace = true` is missing", file.path));
    }
    let lints = manifest.get("lints").and_then(|it| it.get("workspace"));
    if lints.and_then(toml::Value::as_bool) != Some(true) {
        faults.push(format!("{}: `[lints] workspace = true` is missing", file.path));
    }
    for dependency in dependencies(&manifest) {
        let is_ours = allowed.contains_key(dependency.as_str());
        // A crate names itself to switch on a feature for its own tests.
        let is_itself = dependency == name;
        if is_ours && !is_itself && !below.contains(dependency.as_str()) {
            faults.push(format!("{}: `{name}` must not depend on `{dependency}`", file.path));
        }
        for (library, owners, reason) in OWNED {
            if belongs_to(&dependency, library) && !owners.contains(&name) {
                faults.push(format!("{}: `{name}` names `{dependency}`, but {reason}", file.path));
            }
        }
    }
    faults
}

/// The name of the package that a manifest describes.
pub(crate) fn package_name(manifest: &toml::Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// The names of all dependencies of a manifest, renamed ones under their true name.
pub(crate) fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let mut names = BTreeSet::new();
    let mut collect = |table: &toml::Table| {
        for section in SECTIONS {
            let Some(entries) = table.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (key, value) in entries {
                let renamed = value.get("package").and_then(toml::Value::as_str);
                names.insert(renamed.unwrap_or(key).to_owned());
            }
        }
    };
    collect(manifest);
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(toml::Table::values) {
        if let Some(table) = target.as_table() {
            collect(table);
        }
    }
    names
}

/// Whether `dependency` is `library` or one of its family (`diesel_migrations`, `openssl-sys`).
fn belongs_to(dependency: &str, library: &str) -> bool {
    dependency
        .strip_prefix(library)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

/// [`EDGES`] with everything below each edge added.
fn closure() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let direct: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let below = |name: &'static str| {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = direct.get(name).copied().unwrap_or_default().to_vec();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(direct.get(next).copied().unwrap_or_default());
            }
        }
        found
    };
    EDGES.iter().map(|(name, _)| (*name, below(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, rest: &str) -> Vec<TrackedFile> {
        let text = format!(
            "[package]\nname = \"{name}\"\npublish.workspace = true\n[lints]\nworkspace = true\n{rest}"
        );
        vec![TrackedFile { path: format!("crates/{name}/Cargo.toml"), text }]
    }

    #[test]
    fn an_edge_downwards_passes_and_one_upwards_does_not() {
        let down = manifest("fhir-store", "[dependencies]\nfhir-model.workspace = true\n");
        assert_eq!(check(&down), Vec::<String>::new());
        let up = manifest("fhir-search", "[dependencies]\nfhir-store.workspace = true\n");
        let faults = check(&up);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("`fhir-search` must not depend on `fhir-store`"), "{faults:?}");
    }

    #[test]
    fn an_edge_is_seen_in_every_kind_of_dependency_and_behind_a_new_name() {
        for section in [
            "[dev-dependencies]\nfhir-interaction.workspace = true",
            "[build-dependencies]\nfhir-interaction.workspace = true",
            "[target.'cfg(unix)'.dependencies]\nfhir-interaction.workspace = true",
            "[dependencies]\nharmless = { package = \"fhir-interaction\", path = \"x\" }",
        ] {
            assert_eq!(check(&manifest("fhir-model", section)).len(), 1, "{section}");
        }
    }

    #[test]
    fn a_library_outside_its_crate_is_named_with_the_reason() {
        for (name, library) in [
            ("fhir-interaction", "diesel"),
            ("kantele", "diesel_migrations"),
            ("fhir-interaction", "actix-web"),
            ("fhir-model", "openssl"),
            ("fhir-search", "fhirbolt"),
            ("kantele-tests", "openssl-sys"),
        ] {
            let faults = check(&manifest(name, &format!("[dependencies]\n{library} = \"1\"\n")));
            assert_eq!(faults.len(), 1, "{name} {library}: {faults:?}");
        }
        for (name, library) in
            [("fhir-store", "diesel"), ("xtask", "actix-web"), ("fhir-store", "openssl")]
        {
            let faults = check(&manifest(name, &format!("[dependencies]\n{library} = \"1\"\n")));
            assert_eq!(faults, Vec::<String>::new(), "{name} {library}");
        }
    }

    #[test]
    fn an_unknown_crate_and_missing_inheritance_are_faults() {
        assert_eq!(check(&manifest("fhir-unheard-of", "")).len(), 1);
        let bare = TrackedFile {
            path: "crates/fhir-path/Cargo.toml".to_owned(),
            text: "[package]\nname = \"fhir-path\"\n".to_owned(),
        };
        assert_eq!(check(&[bare]).len(), 2);
    }

    #[test]
    fn the_map_has_no_way_back() {
        for (name, below) in closure() {
            assert!(!below.contains(name), "`{name}` reaches itself");
        }
    }
}
