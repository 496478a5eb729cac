//! ICD-10: ClaML, the XML form of classifications, or a table with a header.
//!
//! Tables are known by the names of their columns: a code, a name, perhaps the code above and
//! names in Finnish and Swedish, as national code servers give them out.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::table::Table;
use super::{File, Given, ImportFault};
use crate::system::{Builder, CodeSystem, Content, ValueKind};

const WHO: &str = "http://hl7.org/fhir/sid/icd-10";
const CODES: [&str; 5] = ["code", "CodeId", "koodi", "tunniste", "kod"];
const NAMES: [&str; 6] = ["display", "LongName", "name", "title", "nimi", "benämning"];
const PARENTS: [&str; 4] = ["parent", "ParentId", "superclass", "ylätaso"];
/// Columns with names in a language end so: `LongName_sv`, `nimi:sv`.
const LANGUAGES: [&str; 3] = ["fi", "sv", "en"];
const EXPECTED: &str = "ClaML, or a table with the columns code and display";

/// A code as it is found: the codes above come later, or not at all.
#[derive(Default)]
struct Found {
    code: String,
    display: String,
    parent: Option<String>,
    kind: String,
    names: Vec<(String, String)>,
}

pub(super) fn read(files: &[File], given: &Given) -> Result<CodeSystem, ImportFault> {
    let mut found = Vec::new();
    let mut version = None;
    for file in files {
        if file.text.trim_start().starts_with('<') {
            version = version.or(claml(file, &mut found)?);
        } else {
            table(file, &mut found)?;
        }
    }
    if found.is_empty() {
        return Err(ImportFault::NoCodes(EXPECTED));
    }
    let mut builder =
        Builder::new(given.url.clone().unwrap_or_else(|| WHO.to_owned()), Content::Complete);
    builder.system.name = Some("ICD10".to_owned());
    builder.system.is_case_sensitive = Some(true);
    builder.system.hierarchy = Some("is-a".to_owned());
    let version = given.version.clone().or(version).ok_or(ImportFault::NoVersion)?;
    builder.system.version = Some(version);
    let mut places = HashMap::new();
    for each in &found {
        let display = Some(each.display.as_str()).filter(|text| !text.is_empty());
        places.insert(each.code.as_str(), builder.concept(None, &each.code, display));
        if !each.kind.is_empty() {
            builder.value("kind", ValueKind::Code, &each.kind);
            if matches!(each.kind.as_str(), "chapter" | "block") {
                builder.is_abstract();
            }
        }
        for (language, name) in &each.names {
            builder.designation(Some(language), None, name);
        }
    }
    for each in &found {
        let parent = each.parent.as_deref().and_then(|parent| places.get(parent));
        if let (Some(parent), Some(at)) = (parent, places.get(each.code.as_str())) {
            builder.edge(*parent, *at);
        }
    }
    Ok(builder.finish())
}

fn table(file: &File, found: &mut Vec<Found>) -> Result<(), ImportFault> {
    let mut table = Table::of(file);
    let owned = |name: Option<&str>| name.map(str::to_owned);
    let (code, display) = (owned(table.column(&CODES)), owned(table.column(&NAMES)));
    let parent = owned(table.column(&PARENTS));
    let mut languages = Vec::new();
    for column in table.columns() {
        let ending = column.rsplit(['_', ':', '-']).next().unwrap_or_default().to_lowercase();
        if ending.len() < column.len() && LANGUAGES.contains(&ending.as_str()) {
            languages.push((column.clone(), ending));
        }
    }
    let display = display.or_else(|| languages.first().map(|(column, _)| column.clone()));
    let (Some(code), Some(display)) = (code, display) else {
        if file.is_of_folder {
            return Ok(());
        }
        return Err(ImportFault::Unknown { file: file.name.clone(), expected: EXPECTED });
    };
    while let Some(row) = table.next()? {
        let field = |column: &str| Some(row.get(column).to_owned()).filter(|it| !it.is_empty());
        let Some(code) = field(&code) else { continue };
        let names = languages.iter();
        found.push(Found {
            code,
            display: row.get(&display).to_owned(),
            parent: parent.as_deref().and_then(field),
            kind: String::new(),
            names: names.filter_map(|(column, of)| Some((of.clone(), field(column)?))).collect(),
        });
    }
    Ok(())
}

/// Adds the classes, and gives the version that the title has.
/// Spec: ISO 13120 (ClaML 2 and 3)
fn claml(file: &File, found: &mut Vec<Found>) -> Result<Option<String>, ImportFault> {
    let mut reader = Reader::from_str(&file.text);
    let fault = |reason: String, reader: &Reader<&[u8]>| {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let before = file.text.get(..at).unwrap_or_default();
        ImportFault::Line {
            file: file.name.clone(),
            line: before.matches('\n').count() + 1,
            reason,
        }
    };
    let mut version = None;
    let mut class: Option<Found> = None;
    let (mut rubric, mut language, mut label) = (String::new(), String::new(), None);
    loop {
        let event = reader.read_event().map_err(|error| fault(error.to_string(), &reader))?;
        match event {
            Event::Start(start) | Event::Empty(start) => {
                let name = start.local_name();
                match name.as_ref() {
                    "Title" => version = attribute(&start, "version").or(version),
                    "Class" => {
                        class = Some(Found {
                            code: attribute(&start, "code").unwrap_or_default(),
                            kind: attribute(&start, "kind").unwrap_or_default(),
                            ..Found::default()
                        });
                    }
                    "SuperClass" => {
                        if let Some(class) = &mut class {
                            class.parent = attribute(&start, "code");
                        }
                    }
                    "Rubric" => rubric = attribute(&start, "kind").unwrap_or_default(),
                    "Label" => {
                        language = attribute(&start, "xml:lang").unwrap_or_default();
                        label = Some(String::new());
                    }
                    _ => {}
                }
            }
            Event::Text(text) => {
                if let Some(label) = &mut label {
                    label.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(entity) => {
                if let Some(label) = &mut label {
                    let resolved = quick_xml::escape::resolve_predefined_entity(&entity);
                    let number = entity.resolve_char_ref().ok().flatten();
                    label.extend(number);
                    label.push_str(resolved.unwrap_or_default());
                }
            }
            Event::End(end) => match end.local_name().as_ref() {
                "Label" => {
                    let text = label.take().unwrap_or_default();
                    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    if let Some(class) = &mut class {
                        class.named(&rubric, &language, text);
                    }
                }
                "Class" => found.extend(class.take().filter(|class| !class.code.is_empty())),
                _ => {}
            },
            Event::Eof => return Ok(version),
            Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

impl Found {
    /// The preferred name is the display; in further languages it is a designation.
    fn named(&mut self, rubric: &str, language: &str, text: String) {
        if rubric != "preferred" || text.is_empty() {
            return;
        }
        if self.display.is_empty() {
            self.display.clone_from(&text);
        }
        if !language.is_empty() {
            self.names.push((language.to_owned(), text));
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.try_get_attribute(name).ok()??;
    Some(found.value.into_owned()).filter(|text| !text.is_empty())
}
