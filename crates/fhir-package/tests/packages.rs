//! Packages that are read whole: the cases of `conformance/packages`, digests, registries.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test support: a failure here fails the test"
)]

use std::fs;
use std::path::Path;

use fhir_model::ResourceType;
use fhir_package::{INSTALL_LIMITS, Limits, Package, PackageError, PackageId, Registry, digest};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

/// An archive of entries as a case has them: also of such as no tool would write.
fn archive(entries: &[Value]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in entries {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let number = |key: &str| entry.get(key).and_then(Value::as_u64);
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let path = text("path").unwrap().as_bytes();
        header.as_gnu_mut().unwrap().name.get_mut(..path.len()).unwrap().copy_from_slice(path);
        let nested = number("nested").map(|depth| "[".repeat(usize::try_from(depth).unwrap()));
        let zeros = number("zeros").map(|length| "0".repeat(usize::try_from(length).unwrap()));
        let link = text("link").map(|to| (to, tar::EntryType::Symlink));
        let link = link.or(text("hard_link").map(|to| (to, tar::EntryType::Link)));
        if let Some((to, kind)) = link {
            header.set_entry_type(kind);
            header.set_link_name(to).unwrap();
        }
        let text = nested.or(zeros).unwrap_or_else(|| text("text").unwrap_or_default().to_owned());
        header.set_size(text.len() as u64);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn list(case: &Value, key: &str) -> Option<Vec<Value>> {
    case.get(key).map(|list| list.as_array().unwrap().clone())
}

/// What is wrong with a case, if anything.
fn check(case: &Value) -> Option<String> {
    let mut bytes = match case.get("raw").and_then(Value::as_str) {
        Some(raw) => raw.as_bytes().to_vec(),
        None => archive(&list(case, "entries").unwrap()),
    };
    if let Some(cut) = case.get("cut").and_then(Value::as_u64) {
        bytes.truncate(bytes.len() - usize::try_from(cut).unwrap());
    }
    let limit = |key: &str, default: u64| case.get(key).and_then(Value::as_u64).unwrap_or(default);
    let limits = Limits {
        max_archive_bytes: limit("max_archive_bytes", INSTALL_LIMITS.max_archive_bytes),
        max_archive_entries: limit("max_archive_entries", INSTALL_LIMITS.max_archive_entries),
        max_document_bytes: limit("max_document_bytes", INSTALL_LIMITS.max_document_bytes),
        ..INSTALL_LIMITS
    };
    let read = Package::from_archive("x.tgz", bytes.as_slice(), limits);
    let package = match (read, case.get("refused").and_then(Value::as_str)) {
        (Err(fault), Some(expected)) => {
            let fault = fault.to_string();
            let fits = fault.contains(expected) && fault.starts_with("x.tgz");
            return (!fits).then_some(fault);
        }
        (Ok(_), Some(_)) => return Some("it was taken".to_owned()),
        (Err(fault), None) => return Some(fault.to_string()),
        (Ok(package), None) => package,
    };
    let kept = package.resources.iter().map(|one| {
        format!("{} {}", one.entry.resource_type, one.entry.id.as_deref().unwrap_or_default())
    });
    let kept: Vec<String> = kept.collect();
    if Some(kept.iter().map(|text| text.as_str().into()).collect()) != list(case, "kept") {
        return Some(format!("kept {kept:?}"));
    }
    let left_out = serde_json::to_value(&package.left_out).unwrap();
    if left_out != *case.get("left_out").unwrap_or(&serde_json::json!({})) {
        return Some(format!("left out {left_out}"));
    }
    let expected = list(case, "faults").unwrap_or_default();
    let told: Vec<String> = package
        .faults
        .iter()
        .map(|fault| {
            let kept = if fault.is_kept { "kept" } else { "out" };
            format!("{} {kept} {}", fault.file, fault.reason)
        })
        .collect();
    let fits = expected.len() == told.len()
        && expected.iter().zip(&told).all(|(part, told)| {
            let (file, words) = part.as_str().unwrap().split_once(' ').unwrap();
            let (kept, words) = words.split_once(' ').unwrap();
            told.starts_with(&format!("{file} {kept}")) && told.contains(words)
        });
    (!fits).then(|| format!("faults {told:?}"))
}

#[test]
fn archives_are_taken_or_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/packages/refusals.json");
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case.get("why")?, check(case)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 30);
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn value_set(id: &str, version: &str, status: &str) -> String {
    format!(
        r#"{{ "resourceType": "ValueSet", "id": "{id}", "url": "http://x.org/{id}",
              "version": "{version}", "status": "{status}" }}"#
    )
}

#[test]
fn a_folder_is_a_package_and_its_digest_tells_changes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(matches!(Package::read(root, INSTALL_LIMITS), Err(PackageError::Manifest { .. })));
    write(root, "package.json", r#"{"name":"a.b","version":"1.0.0"}"#);
    write(root, "ValueSet-a.json", &value_set("a", "1", "active"));
    write(root, "sets/ValueSet-b.json", &value_set("b", "1", "active"));
    write(root, "examples/ValueSet-c.json", &value_set("c", "1", "active"));
    write(root, "old.tgz", "no archive");
    let package = Package::read(root, INSTALL_LIMITS).unwrap();
    assert_eq!((package.resources.len(), package.left_out.get("ValueSet")), (2, Some(&1)));
    assert_eq!(package.digest, digest(root, INSTALL_LIMITS).unwrap());
    write(root, "sets/ValueSet-b.json", &value_set("b", "2", "active"));
    assert_ne!(package.digest, digest(root, INSTALL_LIMITS).unwrap());
    write(root, "sets/ValueSet-b.json", &value_set("b", "1", "active"));
    assert_eq!(package.digest, digest(root, INSTALL_LIMITS).unwrap());
    write(root, "package.json", r#"{"name":"a.b","version":"1.0.1"}"#);
    assert_ne!(package.digest, digest(root, INSTALL_LIMITS).unwrap());
}

/// A package in memory: its dependencies, and value sets as `id version status`.
fn package(id: &str, needs: &str, sets: &[&str]) -> Package {
    let (name, version) = id.split_once('#').unwrap();
    let needs = needs.split_once('@').map(|(name, wish)| format!(r#""{name}":"{wish}""#));
    let manifest = format!(
        r#"{{"name":"{name}","version":"{version}","dependencies":{{{}}}}}"#,
        needs.unwrap_or_default()
    );
    let entry = |path: String, text: String| serde_json::json!({ "path": path, "text": text });
    let mut entries = vec![entry("package/package.json".to_owned(), manifest)];
    for (at, set) in sets.iter().enumerate() {
        let parts: Vec<&str> = set.split(' ').collect();
        let [id, version, status] = parts.as_slice() else { unreachable!() };
        entries.push(entry(format!("package/{at}.json"), value_set(id, version, status)));
    }
    Package::from_archive("x.tgz", archive(&entries).as_slice(), INSTALL_LIMITS).expect(id)
}

#[test]
fn a_canonical_means_the_newest_unless_it_says_which() {
    let registry = Registry::new(vec![
        package("a#1.0.0", "base@1.0.0", &["own 1.0.0 active", "s 1.9.0 active"]).installed(),
        package("base#1.0.0", "", &["s 1.10.0 active", "d 2.0.0 draft"]).installed(),
        package("base#2.0.0", "", &["s 2.0.0 active", "d 1.0.0 active", "r 1 retired"]).installed(),
    ]);
    let types = [ResourceType::VALUE_SET];
    let version = |found: Option<std::sync::Arc<fhir_model::Resource>>| {
        let found = found?;
        let version = found.view().value.get("version")?.text()?;
        Some(version.into_owned())
    };
    for (canonical, expected) in [
        ("http://x.org/s", Some("2.0.0")),
        ("http://x.org/s|1.9.0", Some("1.9.0")),
        ("http://x.org/s|1.10", Some("1.10.0")),
        ("http://x.org/s|1.1", None),
        ("http://x.org/d", Some("1.0.0")),
        ("http://x.org/d|2.0.0", Some("2.0.0")),
        ("http://x.org/r", Some("1")),
        ("http://x.org/none", None),
    ] {
        assert_eq!(version(registry.find(&types, canonical)).as_deref(), expected, "{canonical}");
    }
    assert!(registry.find(&[ResourceType::CODE_SYSTEM], "http://x.org/s").is_none());
    let all = registry.all(ResourceType::VALUE_SET, "http://x.org/s", None);
    let all: Vec<_> = all.into_iter().map(|one| version(Some(one)).unwrap()).collect();
    assert_eq!(all, ["2.0.0", "1.10.0", "1.9.0"]);

    let a = PackageId::new("a", "1.0.0");
    let near = registry.of_package(&a);
    assert_eq!(version(near.find(&types, "http://x.org/s")).as_deref(), Some("1.10.0"));
    assert_eq!(version(near.find(&types, "http://x.org/d")).as_deref(), Some("2.0.0"));
    assert_eq!(version(near.find(&types, "http://x.org/r")).as_deref(), Some("1"));
    let of = registry.package_of(&types, "http://x.org/s").unwrap();
    assert_eq!(of.to_string(), "base#2.0.0");
    let (of, found) = registry.by_id(ResourceType::VALUE_SET, "s").unwrap();
    assert_eq!(of.to_string(), "base#2.0.0");
    assert_eq!(version(Some(found)).as_deref(), Some("2.0.0"));

    let before = registry.generation();
    registry.replace(vec![package("base#1.0.0", "", &["s 1.10.0 active"]).installed()]);
    assert!(registry.generation() > before);
    assert_eq!(version(registry.find(&types, "http://x.org/s")).as_deref(), Some("1.10.0"));
}
