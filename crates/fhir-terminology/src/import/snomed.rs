//! SNOMED CT in release format 2: snapshots of concepts, descriptions, relationships and
//! reference sets.
//! Spec: <https://hl7.org/fhir/R4/snomedct.html>

use std::collections::{BTreeMap, HashMap, HashSet};

use super::table::Table;
use super::{File, Given, ImportFault};
use crate::implicit::{REFSET, SNOMED};
use crate::system::{Builder, CodeSystem, Content, Use, ValueKind};

const IS_A: &str = "116680003";
const FULLY_SPECIFIED: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";
const DEFINITION: &str = "900000000000550004";
const PREFERRED: &str = "900000000000548007";
const DEFINED: &str = "900000000000073002";
/// The core module: the international edition.
const CORE: &str = "900000000000207008";
const EXPECTED: &str = "snapshots of concepts, descriptions, relationships and reference sets";

/// What is gathered of the descriptions and reference sets before concepts are made.
#[derive(Default)]
struct Gathered {
    /// Id, language, type and text of each description, by concept.
    descriptions: HashMap<String, Vec<(String, String, String, String)>>,
    /// Ids of descriptions that are preferred in some language reference set.
    preferred: HashSet<String>,
    /// Reference sets, by member.
    refsets: BTreeMap<String, Vec<String>>,
    /// Concepts that have members.
    with_members: HashSet<String>,
    /// Source, type and target.
    relationships: Vec<(String, String, String)>,
}

pub(super) fn read(files: &[File], given: &Given) -> Result<CodeSystem, ImportFault> {
    let mut gathered = Gathered::default();
    let mut concepts = Vec::new();
    for file in files {
        let table = Table::of(file);
        if table.has(&["definitionStatusId"]) {
            concepts.push(table);
        } else if table.has(&["conceptId", "typeId", "term"]) {
            gathered.descriptions(table)?;
        } else if table.has(&["sourceId", "destinationId", "typeId"]) {
            gathered.relationships(table)?;
        } else if table.has(&["refsetId", "referencedComponentId"]) {
            gathered.refset(table)?;
        } else if !file.is_of_folder {
            return Err(ImportFault::Unknown { file: file.name.clone(), expected: EXPECTED });
        }
    }
    if concepts.is_empty() {
        return Err(ImportFault::NoCodes("sct2_Concept_Snapshot"));
    }
    let url = given.url.clone().unwrap_or_else(|| SNOMED.to_owned());
    let mut builder = Builder::new(url, Content::Complete);
    builder.system.name = Some("SNOMED_CT".to_owned());
    builder.system.language = Some("en".to_owned());
    builder.system.is_case_sensitive = Some(true);
    builder.system.hierarchy = Some("is-a".to_owned());
    builder.system.value_set = Some(format!("{SNOMED}?fhir_vs"));
    let mut places = HashMap::new();
    let (mut newest, mut modules) = (String::new(), HashSet::new());
    // A concept's attributes must be said while it is the last one.
    let relationships = std::mem::take(&mut gathered.relationships);
    let mut attributes: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for (source, kind, target) in relationships.iter().filter(|(_, kind, _)| kind != IS_A) {
        attributes.entry(source).or_default().push((kind, target));
    }
    for mut table in concepts {
        while let Some(row) = table.next()? {
            let code = row.get("id");
            let display = gathered.display(code);
            places.insert(code.to_owned(), builder.concept(None, code, display));
            if row.get("active") == "0" {
                builder.is_inactive();
            }
            let is_defined = row.get("definitionStatusId") == DEFINED;
            let defined = if is_defined { "true" } else { "false" };
            builder.value("sufficientlyDefined", ValueKind::Boolean, defined);
            builder.value("moduleId", ValueKind::Code, row.get("moduleId"));
            builder.value("effectiveTime", ValueKind::String, row.get("effectiveTime"));
            for (kind, target) in attributes.get(code).into_iter().flatten() {
                builder.value(kind, ValueKind::Code, target);
            }
            gathered.add(code, &mut builder);
            if row.get("effectiveTime") > newest.as_str() {
                row.get("effectiveTime").clone_into(&mut newest);
            }
            modules.insert(row.get("moduleId").to_owned());
        }
    }
    for (child, _, parent) in relationships.iter().filter(|(_, kind, _)| kind == IS_A) {
        if let (Some(parent), Some(child)) = (places.get(parent), places.get(child)) {
            builder.edge(*parent, *child);
        }
    }
    let edition = || {
        let is_core = modules.is_empty() || modules.contains(CORE);
        (is_core && !newest.is_empty()).then(|| format!("{SNOMED}/{CORE}/version/{newest}"))
    };
    let version = given.version.clone().or_else(edition);
    builder.system.version = Some(version.ok_or(ImportFault::NoVersion)?);
    Ok(builder.finish())
}

impl Gathered {
    fn descriptions(&mut self, mut table: Table<'_>) -> Result<(), ImportFault> {
        while let Some(row) = table.next()? {
            if row.get("active") != "1" {
                continue;
            }
            let field = |name: &str| row.get(name).to_owned();
            let description = (field("id"), field("languageCode"), field("typeId"), field("term"));
            self.descriptions.entry(field("conceptId")).or_default().push(description);
        }
        Ok(())
    }

    fn relationships(&mut self, mut table: Table<'_>) -> Result<(), ImportFault> {
        while let Some(row) = table.next()? {
            if row.get("active") == "1" {
                let field = |name: &str| row.get(name).to_owned();
                self.relationships.push((
                    field("sourceId"),
                    field("typeId"),
                    field("destinationId"),
                ));
            }
        }
        Ok(())
    }

    fn refset(&mut self, mut table: Table<'_>) -> Result<(), ImportFault> {
        let is_of_language = table.has(&["acceptabilityId"]);
        while let Some(row) = table.next()? {
            if row.get("active") != "1" {
                continue;
            }
            let member = row.get("referencedComponentId").to_owned();
            if is_of_language {
                if row.get("acceptabilityId") == PREFERRED {
                    self.preferred.insert(member);
                }
                continue;
            }
            self.with_members.insert(row.get("refsetId").to_owned());
            self.refsets.entry(member).or_default().push(row.get("refsetId").to_owned());
        }
        Ok(())
    }

    /// The preferred English name, or some English one, or the fully specified one.
    fn display(&self, code: &str) -> Option<&str> {
        let all = self.descriptions.get(code)?;
        let rank = |(id, language, kind, _): &&(String, String, String, String)| {
            let is_name = kind == SYNONYM;
            (language == "en", is_name && self.preferred.contains(id), is_name)
        };
        all.iter().filter(|each| each.2 != DEFINITION).max_by_key(rank).map(|each| each.3.as_str())
    }

    /// Says all names and reference sets of the concept that was added last.
    fn add(&self, code: &str, builder: &mut Builder) {
        for (_, language, kind, term) in self.descriptions.get(code).into_iter().flatten() {
            let display = match kind.as_str() {
                FULLY_SPECIFIED => "Fully specified name",
                SYNONYM => "Synonym",
                DEFINITION => "Definition",
                _ => "",
            };
            let (system, display) = (SNOMED.to_owned(), display.to_owned());
            let usage = Use { system, code: kind.clone(), display };
            builder.designation(Some(language), Some(usage), term);
        }
        for refset in self.refsets.get(code).into_iter().flatten() {
            builder.value(REFSET, ValueKind::Code, refset);
        }
        if self.with_members.contains(code) {
            builder.value("refset-id", ValueKind::Boolean, "true");
        }
    }
}
