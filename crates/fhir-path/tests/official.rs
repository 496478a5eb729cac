//! The expressions of the official package: all are parsed, and the invariants hold for the
//! official examples.
//!
//! The examples of `conformance/examples` are always read. `KANTELE_TEST_EXAMPLES` may name a
//! folder with more, such as the unpacked `hl7.fhir.r4.examples`.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fhir_model::{Limits, Resource, ResourceView};
use fhir_path::{Environment, Expression, Item, Node};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

fn data(name: &str) -> Value {
    let path = folder().join("fhirpath/official").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn list<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    value[key].as_array().unwrap().iter().collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

#[test]
fn all_expressions_of_search_parameters_are_parsed() {
    let file = data("search-parameters.json");
    let expressions = list(&file, "expressions");
    let failures: Vec<String> = expressions
        .iter()
        .filter_map(|expression| {
            let text = expression.as_str().unwrap();
            Expression::parse(text).err().map(|error| format!("{error}: {text}"))
        })
        .collect();
    assert!(expressions.len() > 1300);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

struct Invariant {
    key: String,
    /// Else a resource may break it: `warning`.
    is_error: bool,
    /// The child to which it belongs, of the type under which it stands.
    child: Option<Expression>,
    expression: Expression,
}

/// By the name of the type.
fn invariants() -> BTreeMap<String, Vec<Invariant>> {
    let file = data("invariants.json");
    let mut by_type: BTreeMap<String, Vec<Invariant>> = BTreeMap::new();
    for invariant in list(&file, "invariants") {
        let parse = || Expression::parse(text(invariant, "expression")).unwrap();
        parse();
        for path in list(invariant, "on") {
            let path = path.as_str().unwrap();
            let is_type = |name: &str| {
                let abstracts = ["Element", "BackboneElement", "Resource", "DomainResource"];
                abstracts.contains(&name) || fhir_definitions::r4().type_named(name).is_some()
            };
            let (owner, child) = match path.rsplit_once('.') {
                Some((owner, child)) if !is_type(path) => {
                    let child = child.trim_end_matches("[x]");
                    (owner, Some(Expression::parse(&format!("`{child}`")).unwrap()))
                }
                _ => (path, None),
            };
            let key = text(invariant, "key").to_owned();
            let is_error = text(invariant, "severity") == "error";
            let invariant = Invariant { key, is_error, child, expression: parse() };
            by_type.entry(owner.to_owned()).or_default().push(invariant);
        }
    }
    by_type
}

/// Checks one resource and those inside it.
struct Check<'t> {
    invariants: &'t BTreeMap<String, Vec<Invariant>>,
    children: Expression,
    /// The names under which a type has invariants.
    names: BTreeMap<&'static str, Vec<&'t String>>,
    checked: usize,
    /// Key of the invariant and place.
    broken: Vec<(String, String)>,
}

impl Check<'_> {
    fn resource<'a>(&mut self, view: ResourceView<'a>, root: ResourceView<'a>) {
        let environment = Environment::new(view).contained(view, root);
        let mut waiting = vec![Item::resource(view)];
        while let Some(item) = waiting.pop() {
            self.item(&environment, &item);
            for child in self.children.evaluate(&environment, &[item]).unwrap() {
                match child.node().and_then(Node::as_resource) {
                    Some(inner) => {
                        let is_contained = view
                            .contained()
                            .any(|contained| contained.value.offset() == inner.value.offset());
                        self.resource(inner, if is_contained { root } else { inner });
                    }
                    None => waiting.push(child),
                }
            }
        }
    }

    fn item<'a>(&mut self, environment: &Environment<'a>, item: &Item<'a>) {
        let Some(kind) = item.type_of() else { return };
        let invariants = self.invariants;
        let names = self.names.entry(kind.name()).or_insert_with(|| {
            let is_kind = |name: &str| {
                let test = Expression::parse(&format!("$this is {name}"));
                test.is_ok_and(|test| {
                    test.holds(environment, std::slice::from_ref(item)) == Ok(Some(true))
                })
            };
            invariants.keys().filter(|name| kind.name() == *name || is_kind(name)).collect()
        });
        for name in names.clone() {
            for invariant in &invariants[name] {
                let focuses = match &invariant.child {
                    Some(child) => child.evaluate(environment, std::slice::from_ref(item)).unwrap(),
                    None => vec![item.clone()],
                };
                for focus in focuses {
                    self.checked += 1;
                    let held =
                        invariant.expression.holds(environment, std::slice::from_ref(&focus));
                    let told = match held {
                        Ok(Some(false)) if invariant.is_error => "false".to_owned(),
                        Err(error) => error.to_string(),
                        Ok(_) => continue,
                    };
                    let place = focus.node().and_then(Node::location).unwrap_or_default();
                    self.broken.push((invariant.key.clone(), format!("{place} {told}")));
                }
            }
        }
    }
}

fn examples() -> Vec<PathBuf> {
    let mut folders = vec![folder().join("examples")];
    folders.extend(std::env::var_os("KANTELE_TEST_EXAMPLES").map(PathBuf::from));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

#[test]
fn the_invariants_hold_for_the_examples() {
    let known = data("broken-examples.json");
    let known: BTreeSet<(String, String)> = list(&known, "broken")
        .into_iter()
        .map(|each| (text(each, "example").to_owned(), text(each, "invariant").to_owned()))
        .collect();
    let invariants = invariants();
    let children = Expression::parse("children()").unwrap();
    let mut check = Check {
        invariants: &invariants,
        children,
        names: BTreeMap::new(),
        checked: 0,
        broken: Vec::new(),
    };
    let mut failures = Vec::new();
    let mut found = BTreeSet::new();
    let mut read = BTreeSet::new();
    for path in examples() {
        let Ok(resource) = Resource::from_json(fs::read(&path).unwrap(), &Limits::NONE) else {
            continue; // conformance/refused-examples.json tells which and why.
        };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        read.insert(name.clone());
        check.resource(resource.view(), resource.view());
        for (key, place) in check.broken.drain(..) {
            if !known.contains(&(name.clone(), key.clone())) {
                failures.push(format!("{name}: {key} at {place}"));
            }
            found.insert((name.clone(), key));
        }
    }
    let whole: Vec<_> =
        known.iter().filter(|each| read.contains(&each.0) && !found.contains(each)).collect();
    println!(
        "{} examples, {} checks, {} known to be broken",
        read.len(),
        check.checked,
        found.len()
    );
    assert!(check.checked > 5_000, "only {} checks", check.checked);
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    assert!(whole.is_empty(), "these hold now: {whole:?}");
}
