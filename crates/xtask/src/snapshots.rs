//! `cargo xtask snapshots PACKAGE…`: makes each snapshot anew from its differential and holds it
//! against the published one. `--write` puts the table into `conformance/snapshot/compared.json`
//! and `docs/snapshots.md`.

mod judge;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhir_model::{Resource, ResourceView};
use fhir_structure::{Canonical, Structures};

use crate::Outcome;

/// What `cargo xtask snapshots` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Packages, as .tgz or unpacked folders; definitions are looked for in all of them.
    #[arg(required = true)]
    packages: Vec<PathBuf>,
    /// Writes the table and the document.
    #[arg(long)]
    write: bool,
    /// Prints the differences that are explained by this reason; `-` for those by none.
    #[arg(long)]
    show: Option<String>,
}

/// The definitions of one package by URL.
type Package = BTreeMap<String, Arc<Resource>>;

/// The definitions of one package before those of the others.
struct All<'p> {
    own: &'p Package,
    others: Vec<&'p Package>,
}

impl Structures for All<'_> {
    fn find(&self, canonical: &str) -> Option<Arc<Resource>> {
        let canonical = Canonical::of(canonical);
        let takes =
            |found: &&Arc<Resource>| canonical.takes(text(found.view(), "version").as_deref());
        let mut packages = std::iter::once(self.own).chain(self.others.iter().copied());
        packages.find_map(|package| package.get(canonical.url).filter(takes)).cloned()
    }

    fn generation(&self) -> u64 {
        0
    }
}

fn text(view: ResourceView<'_>, key: &str) -> Option<String> {
    Some(view.at(&[key])?.text()?.into_owned())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let folder = root().join("conformance/snapshot");
    let reasons = judge::reasons(&std::fs::read_to_string(folder.join("reasons.json"))?)?;
    let rows = compared(&arguments.packages, &reasons)?;
    for row in &rows {
        println!("{}", row.line());
        row.show(arguments.show.as_deref());
    }
    if arguments.write {
        std::fs::write(folder.join("compared.json"), table::json(&rows)?)?;
        std::fs::write(root().join("docs/snapshots.md"), table::document(&rows, &reasons))?;
    }
    Ok(())
}

/// The rows of all packages, in their order.
fn compared(
    paths: &[PathBuf],
    reasons: &[judge::Reason],
) -> Result<Vec<table::Row>, Box<dyn std::error::Error>> {
    let packages = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for (name, own) in &packages {
        let others = packages.iter().filter(|(other, _)| other != name);
        let others = others.map(|(_, other)| other).collect();
        let all = All { own, others };
        for is_type in [false, true] {
            let row = table::Row::of(name, is_type, &all, reasons);
            if row.count() > 0 {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

/// The name of a package with its StructureDefinitions.
fn read(path: &Path) -> Result<(String, Package), Box<dyn std::error::Error>> {
    let mut package = Package::new();
    let parts = path.iter().rev().filter_map(|part| part.to_str());
    let mut parts = parts.filter(|part| *part != "package");
    let name = parts.next().unwrap_or_default().trim_end_matches(".tgz").to_owned();
    for file in fhir_package::read(path, fhir_package::Limits::default()) {
        let file = file?;
        let last = file.path.rsplit('/').next().unwrap_or_default();
        if last.starts_with("StructureDefinition-") && last.ends_with(".json") {
            let resource = Resource::trusted(file.bytes)?;
            if let Some(url) = text(resource.view(), "url") {
                package.insert(url, Arc::new(resource));
            }
        }
    }
    Ok((name, package))
}

#[cfg(test)]
mod tests {
    use fhir_structure::{differences, make_snapshot, r4};
    use serde_json::Value;

    use super::{PathBuf, compared, judge, root, table};

    fn data(path: &str) -> String {
        std::fs::read_to_string(root().join(path)).unwrap()
    }

    /// Without the packages: the document has each row of the data, and each reason as it is now.
    #[test]
    fn the_document_is_that_of_the_data() {
        let rows: Vec<Value> =
            serde_json::from_str(&data("conformance/snapshot/compared.json")).unwrap();
        let document = data("docs/snapshots.md");
        let mut used = std::collections::BTreeSet::new();
        for row in &rows {
            let number = |key: &str| row[key].as_u64().unwrap();
            let unexplained = row["reasons"].get("-").map_or(0, |it| {
                it["definitions"]
                    .as_array()
                    .map_or(it["definitions"].as_u64().unwrap_or(1), |list| list.len() as u64)
            });
            let line = format!(
                "| {} | {} | {} | {} | {} | {} | {} | {unexplained} | {} |",
                row["package"].as_str().unwrap(),
                row["of"].as_str().unwrap(),
                number("compared"),
                number("equal"),
                number("same"),
                number("words differ"),
                number("meaning differs"),
                row["faults"].as_object().unwrap().len(),
            );
            assert!(document.contains(&line), "docs/snapshots.md lacks {line}");
            used.extend(row["reasons"].as_object().unwrap().keys().cloned());
        }
        for reason in judge::reasons(&data("conformance/snapshot/reasons.json")).unwrap() {
            let words = reason.words.replace('|', "\\|");
            let line = format!("| {} | {} | {words} |", reason.name, reason.verdict);
            assert_eq!(document.contains(&line), used.contains(&reason.name), "{line}");
        }
    }

    /// With the packages, whose archives lie in the folder `KANTELE_TEST_PACKAGES`: table and
    /// document are what is made from them now.
    #[test]
    fn the_table_is_current() {
        let Some(folder) = std::env::var_os("KANTELE_TEST_PACKAGES").map(PathBuf::from) else {
            println!("KANTELE_TEST_PACKAGES names no folder: skipped");
            return;
        };
        let written = data("conformance/snapshot/compared.json");
        let rows: Vec<Value> = serde_json::from_str(&written).unwrap();
        let mut paths: Vec<PathBuf> = Vec::new();
        for row in &rows {
            let path = folder.join(format!("{}.tgz", row["package"].as_str().unwrap()));
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let reasons = judge::reasons(&data("conformance/snapshot/reasons.json")).unwrap();
        let rows = compared(&paths, &reasons).unwrap();
        let renew = "`cargo xtask snapshots --write` renews it";
        assert!(table::json(&rows).unwrap() == written, "compared.json is out of date; {renew}");
        let document = table::document(&rows, &reasons);
        assert!(document == data("docs/snapshots.md"), "docs/snapshots.md is out of date; {renew}");
    }

    /// Every profile and extension that R4 publishes, in what validation asks of its snapshot: what
    /// differs has a reason in the file.
    #[test]
    fn snapshots_of_r4_are_as_published() {
        let text = include_str!("../../../conformance/snapshot/reasons.json");
        let reasons = judge::reasons(text).unwrap();
        let (mut count, mut unexplained) = (0, Vec::new());
        for head in r4().heads().into_iter().filter(|head| head.derivation == "constraint") {
            let published = r4().find(head.url).unwrap();
            if published.view().at(&["snapshot"]).is_none() {
                continue;
            }
            count += 1;
            let made = make_snapshot(&published, r4()).definition.unwrap();
            for each in differences(made.view(), published.view()) {
                let is_explained = reasons.iter().any(|reason| reason.explains(head.url, &each));
                if each.is_meaning() && !is_explained {
                    unexplained.push(format!("{}: {each:?}", head.url));
                }
            }
        }
        assert_eq!(count, 439);
        assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    }
}
