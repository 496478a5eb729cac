//! LOINC: the table of codes, the hierarchy of components and the answer lists.

use std::collections::HashMap;

use super::table::Table;
use super::{File, Given, ImportFault};
use crate::implicit::{ANSWER_LIST, LOINC};
use crate::system::{Builder, CodeSystem, Content, ValueKind};

/// The columns of `Loinc.csv` that become properties, as value sets and maps name them.
/// Spec: <https://hl7.org/fhir/R4/loinc.html>
const PROPERTIES: [&str; 12] = [
    "STATUS",
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "CLASSTYPE",
    "ORDER_OBS",
    "UNITSREQUIRED",
    "EXAMPLE_UCUM_UNITS",
];

const EXPECTED: &str = "Loinc.csv, ComponentHierarchyBySystem.csv or AnswerList.csv";

pub(super) fn read(files: &[File], given: &Given) -> Result<CodeSystem, ImportFault> {
    let url = given.url.clone().unwrap_or_else(|| LOINC.to_owned());
    let mut builder = Builder::new(url, Content::Complete);
    builder.system.name = Some("LOINC".to_owned());
    builder.system.language = Some("en".to_owned());
    builder.system.is_case_sensitive = Some(false);
    builder.system.hierarchy = Some("is-a".to_owned());
    let mut places: HashMap<String, u32> = HashMap::new();
    let (mut has_codes, mut newest) = (false, String::new());
    let mut later = Vec::new();
    for file in files {
        let table = Table::of(file);
        if table.has(&["LOINC_NUM", "LONG_COMMON_NAME"]) {
            has_codes = true;
            newest = newest.max(codes(table, &mut builder, &mut places)?);
        } else if table.has(&["IMMEDIATE_PARENT", "CODE"]) || table.has(&["AnswerListId"]) {
            later.push(table);
        } else if !file.is_of_folder {
            return Err(ImportFault::Unknown { file: file.name.clone(), expected: EXPECTED });
        }
    }
    if !has_codes {
        return Err(ImportFault::NoCodes("Loinc.csv"));
    }
    for table in later {
        if table.has(&["AnswerListId"]) {
            answers(table, &mut builder, &mut places)?;
        } else {
            hierarchy(table, &mut builder, &mut places)?;
        }
    }
    let version = given.version.clone().or(Some(newest)).filter(|version| !version.is_empty());
    builder.system.version = Some(version.ok_or(ImportFault::NoVersion)?);
    Ok(builder.finish())
}

/// Adds the codes, and gives the newest version that one was changed in.
fn codes(
    mut table: Table<'_>,
    builder: &mut Builder,
    places: &mut HashMap<String, u32>,
) -> Result<String, ImportFault> {
    let mut newest = String::new();
    while let Some(row) = table.next()? {
        let (code, status) = (row.get("LOINC_NUM"), row.get("STATUS"));
        let at = builder.concept(None, code, Some(row.get("LONG_COMMON_NAME")));
        places.insert(code.to_owned(), at);
        if status == "DEPRECATED" {
            builder.is_inactive();
        }
        for name in PROPERTIES {
            let value = row.get(name);
            if !value.is_empty() {
                builder.value(name, ValueKind::String, value);
            }
        }
        for name in ["SHORTNAME", "DisplayName"] {
            let value = row.get(name);
            if !value.is_empty() {
                builder.designation(Some("en"), None, value);
            }
        }
        let changed = row.get("VersionLastChanged");
        if compare(changed, &newest).is_gt() {
            changed.clone_into(&mut newest);
        }
    }
    Ok(newest)
}

/// `2.9` comes before `2.77`.
fn compare(one: &str, other: &str) -> std::cmp::Ordering {
    let parts =
        |text: &str| -> Vec<u32> { text.split('.').map(|it| it.parse().unwrap_or(0)).collect() };
    parts(one).cmp(&parts(other))
}

/// The hierarchy names parts that are no codes of the table: they become concepts too.
fn hierarchy(
    mut table: Table<'_>,
    builder: &mut Builder,
    places: &mut HashMap<String, u32>,
) -> Result<(), ImportFault> {
    let mut edges = Vec::new();
    while let Some(row) = table.next()? {
        let (code, parent) = (row.get("CODE"), row.get("IMMEDIATE_PARENT"));
        if !places.contains_key(code) {
            let at = builder.concept(None, code, Some(row.get("CODE_TEXT")));
            builder.is_abstract();
            places.insert(code.to_owned(), at);
        }
        edges.push((parent.to_owned(), code.to_owned()));
    }
    for (parent, code) in edges {
        if let (Some(parent), Some(code)) = (places.get(&parent), places.get(&code)) {
            builder.edge(*parent, *code);
        }
    }
    Ok(())
}

/// Answers are concepts with the lists that they are in.
fn answers(
    mut table: Table<'_>,
    builder: &mut Builder,
    places: &mut HashMap<String, u32>,
) -> Result<(), ImportFault> {
    let mut lists: Vec<(String, String, Vec<String>)> = Vec::new();
    let mut by_code: HashMap<String, usize> = HashMap::new();
    while let Some(row) = table.next()? {
        let (list, code) = (row.get("AnswerListId").to_owned(), row.get("AnswerStringId"));
        if code.is_empty() {
            continue;
        }
        match by_code.get(code).and_then(|at| lists.get_mut(*at)) {
            Some((_, _, of)) => of.push(list),
            None => {
                by_code.insert(code.to_owned(), lists.len());
                lists.push((code.to_owned(), row.get("DisplayText").to_owned(), vec![list]));
            }
        }
    }
    for (code, display, of) in lists {
        let at = builder.concept(None, &code, Some(&display));
        places.insert(code, at);
        for list in of {
            builder.value(ANSWER_LIST, ValueKind::Code, &list);
        }
    }
    Ok(())
}
