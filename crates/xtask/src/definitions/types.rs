//! Element tables from the snapshots of StructureDefinitions.

use std::collections::BTreeMap;

use fhir_definitions::{Primitive, ResourceType};
use serde_json::Value;

use super::codes::CodeSets;
use super::{Sources, is_true, items, last, text};

type Fault = Box<dyn std::error::Error>;

/// A type to write: its snapshot elements and where it stands in the list.
struct Table<'a> {
    path: String,
    kind: char,
    snapshot: &'a [Value],
}

/// One `T` line a type, followed by its `G` and `E` lines.
pub(super) fn lines(sources: &Sources, codes: &mut CodeSets) -> Result<Vec<String>, Fault> {
    let tables = tables(sources)?;
    let index: BTreeMap<&str, usize> =
        tables.iter().enumerate().map(|(at, table)| (table.path.as_str(), at)).collect();
    let mut out = Vec::new();
    for table in &tables {
        let mut writer = Writer { index: &index, codes, groups: Vec::new(), elements: Vec::new() };
        for element in children(table) {
            writer.element(table, element)?;
        }
        out.push(format!("T\t{}\t{}\t{}", table.path, table.kind, writer.elements.len()));
        out.append(&mut writer.groups);
        out.append(&mut writer.elements);
    }
    Ok(out)
}

/// Resource types at their index, then data types, then nested types.
fn tables(sources: &Sources) -> Result<Vec<Table<'_>>, Fault> {
    let mut resources = BTreeMap::new();
    let mut complex = BTreeMap::new();
    let mut nested = Vec::new();
    for definition in sources.of_type("StructureDefinition") {
        let (name, kind) = (text(definition, "name"), text(definition, "kind"));
        let is_abstract_resource = kind == "resource" && is_true(definition, "abstract");
        if text(definition, "derivation") == "constraint" || is_abstract_resource {
            continue;
        }
        let snapshot = snapshot(definition);
        match kind.as_str() {
            "resource" => resources.insert(name.clone(), snapshot),
            "complex-type" => complex.insert(name.clone(), snapshot),
            _ => continue,
        };
    }
    if !resources.keys().map(String::as_str).eq(ResourceType::all().map(ResourceType::as_str)) {
        return Err("the package's resource types are not those of the fixed list".into());
    }
    let mut tables = Vec::new();
    for (kind, list) in [('R', resources), ('C', complex)] {
        for (path, snapshot) in list {
            for element in snapshot.iter().skip(1) {
                let inner = text(element, "path");
                if snapshot.iter().any(|other| is_child(&text(other, "path"), &inner)) {
                    nested.push(Table { path: inner, kind: 'B', snapshot });
                }
            }
            tables.push(Table { path, kind, snapshot });
        }
    }
    tables.extend(nested);
    Ok(tables)
}

fn snapshot(definition: &Value) -> &[Value] {
    definition.pointer("/snapshot/element").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_child(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|rest| !rest.contains('.'))
}

fn children<'a>(table: &'a Table<'_>) -> impl Iterator<Item = &'a Value> {
    table.snapshot.iter().filter(|element| is_child(&text(element, "path"), &table.path))
}

/// What an `E` line starts with.
struct Key<'a> {
    name: &'a str,
    value: &'a str,
    min: u64,
    group: &'a str,
}

struct Writer<'a> {
    index: &'a BTreeMap<&'a str, usize>,
    codes: &'a mut CodeSets,
    groups: Vec<String>,
    elements: Vec<String>,
}

impl Writer<'_> {
    fn element(&mut self, table: &Table<'_>, element: &Value) -> Result<(), Fault> {
        let path = text(element, "path");
        let name = path.rsplit('.').next().unwrap_or_default();
        let min = element.get("min").and_then(Value::as_u64).unwrap_or(0);
        let Some(stem) = name.strip_suffix("[x]") else {
            let single = items(element, "type").next();
            let value = self.value(&path, element, single)?;
            let own = if name == "id" && table.kind == 'R' { "id".to_owned() } else { value };
            self.line(&Key { name, value: &own, min, group: "" }, element, single);
            return Ok(());
        };
        let group = self.groups.len().to_string();
        self.groups.push(format!("G\t{stem}\t{min}"));
        for choice in items(element, "type") {
            let code = text(choice, "code");
            let (first, rest) = code.split_at(1);
            let key = format!("{stem}{}{rest}", first.to_uppercase());
            let value = self.value(&path, element, Some(choice))?;
            self.line(
                &Key { name: &key, value: &value, min: 0, group: &group },
                element,
                Some(choice),
            );
        }
        Ok(())
    }

    /// The value field: a primitive's name, `@` and a type index, or `Resource`.
    fn value(&self, path: &str, element: &Value, kind: Option<&Value>) -> Result<String, Fault> {
        let reference = text(element, "contentReference");
        let code = kind.map(|kind| text(kind, "code")).unwrap_or_default();
        let name = if let Some(target) = reference.strip_prefix('#') {
            target.to_owned()
        } else if self.index.contains_key(path) {
            path.to_owned()
        } else if code.starts_with("http://hl7.org/fhirpath/") {
            kind.into_iter()
                .flat_map(|kind| items(kind, "extension"))
                .find(|each| text(each, "url").ends_with("structuredefinition-fhir-type"))
                .map(|each| text(each, "valueUrl"))
                .unwrap_or_default()
        } else {
            code
        };
        if name == "Resource" || Primitive::named(&name).is_some() {
            return Ok(name);
        }
        let index = self.index.get(name.as_str());
        index.map(|index| format!("@{index}")).ok_or_else(|| format!("{path}: type {name}").into())
    }

    fn line(&mut self, key: &Key<'_>, element: &Value, kind: Option<&Value>) {
        let Key { name, value, min, group } = key;
        let mut flags = String::new();
        let is_attribute = items(element, "representation").any(|each| each == "xmlAttr");
        for (flag, holds) in [
            ('*', text(element, "max") != "1"),
            ('s', is_true(element, "isSummary")),
            ('m', is_true(element, "isModifier")),
            ('a', is_attribute),
            ('x', *value == "xhtml"),
        ] {
            if holds {
                flags.push(flag);
            }
        }
        let targets: Vec<_> = kind
            .into_iter()
            .flat_map(|kind| items(kind, "targetProfile"))
            .filter_map(Value::as_str)
            .map(last)
            .filter(|target| *target != "Resource")
            .collect();
        let binding = element.get("binding").filter(|each| text(each, "strength") == "required");
        let codes = binding.and_then(|binding| self.codes.number(&text(binding, "valueSet")));
        self.elements.push(format!(
            "E\t{name}\t{value}\t{min}\t{flags}\t{group}\t{}\t{}",
            targets.join(" "),
            codes.map(|number| number.to_string()).unwrap_or_default()
        ));
    }
}
