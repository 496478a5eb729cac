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

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("conformance/snapshot");
    let reasons = judge::reasons(&std::fs::read_to_string(folder.join("reasons.json"))?)?;
    let mut packages: Vec<(String, Package)> = Vec::new();
    for path in &arguments.packages {
        packages.push(read(path)?);
    }
    let mut rows = Vec::new();
    for (name, own) in &packages {
        let others = packages.iter().filter(|(other, _)| other != name);
        let others = others.map(|(_, other)| other).collect();
        let all = All { own, others };
        for is_type in [false, true] {
            let row = table::Row::of(name, is_type, &all, &reasons);
            if row.count() > 0 {
                println!("{}", row.line());
                row.show(arguments.show.as_deref());
                rows.push(row);
            }
        }
    }
    if arguments.write {
        std::fs::write(folder.join("compared.json"), table::json(&rows)?)?;
        std::fs::write(root.join("docs/snapshots.md"), table::document(&rows, &reasons))?;
    }
    Ok(())
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

    use super::judge;

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
