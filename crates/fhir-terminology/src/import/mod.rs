//! Large code systems from the files that their publishers give out: LOINC, SNOMED CT (RF2) and
//! ICD-10. None of their content is here; whoever imports it needs a licence, which is named.

mod icd10;
mod loinc;
mod snomed;
mod table;

use std::path::Path;

use crate::system::CodeSystem;

/// A code system whose files can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// `Loinc.csv`, `ComponentHierarchyBySystem.csv`, `AnswerList.csv`.
    Loinc,
    /// Snapshots of RF2: concepts, descriptions, relationships, reference sets.
    Snomed,
    /// ClaML, or a table with a header.
    Icd10,
}

/// What is not in the files.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// URL of the code system; the one that everybody uses where none is given.
    pub url: Option<String>,
    /// Its version; as the files have it where none is given.
    pub version: Option<String>,
}

/// Why files were not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportFault {
    /// A file that can't be read.
    #[error("{file}: {source}")]
    Io {
        /// Its name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is none of those that are known.
    #[error("{file} is none of the files of this code system: {expected}")]
    Unknown {
        /// Its name.
        file: String,
        /// What is known.
        expected: &'static str,
    },
    /// A line that is not as its header says, or XML that is none.
    #[error("{file}, line {line}: {reason}")]
    Line {
        /// Its name.
        file: String,
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of the codes is missing.
    #[error("none of the files has the codes: expected {0}")]
    NoCodes(&'static str),
    /// The version is not in the files.
    #[error("the version is not in the files: give it")]
    NoVersion,
}

impl Import {
    /// What whoever uses the content has to agree to.
    #[must_use]
    pub const fn licence(self) -> &'static str {
        match self {
            Self::Loinc => {
                "LOINC (https://loinc.org) is copyright Regenstrief Institute, Inc. and the LOINC \
                 Committee. It is free of charge under https://loinc.org/license; its notice must \
                 be kept, and its codes and names must not be changed."
            }
            Self::Snomed => {
                "SNOMED CT is copyright SNOMED International (https://www.snomed.org). Its use \
                 needs a licence: in member countries that of the national release centre, \
                 elsewhere the affiliate licence (https://www.snomed.org/get-snomed)."
            }
            Self::Icd10 => {
                "ICD-10 is copyright World Health Organization; national versions belong to who \
                 publishes them. See https://icd.who.int/en/docs/icd10-licence.pdf or the terms \
                 of your edition."
            }
        }
    }

    /// Reads files, and folders with all their files, into one code system.
    ///
    /// # Errors
    /// A fault that names the file, and the line where it is about one.
    pub fn read(
        self,
        paths: &[impl AsRef<Path>],
        given: &Given,
    ) -> Result<CodeSystem, ImportFault> {
        let mut files = Vec::new();
        for path in paths {
            gather(path.as_ref(), self, &mut files)?;
        }
        match self {
            Self::Loinc => loinc::read(&files, given),
            Self::Snomed => snomed::read(&files, given),
            Self::Icd10 => icd10::read(&files, given),
        }
    }
}

/// A file with its text.
struct File {
    name: String,
    text: String,
    /// Whether it was found in a folder: then it may be one that is not needed.
    is_of_folder: bool,
}

fn gather(path: &Path, import: Import, files: &mut Vec<File>) -> Result<(), ImportFault> {
    let name = path.display().to_string();
    let io = |source| ImportFault::Io { file: name.clone(), source };
    if !path.is_dir() {
        let text = read_text(path).map_err(io)?;
        files.push(File { name, text, is_of_folder: false });
        return Ok(());
    }
    let mut entries: Vec<_> = path
        .read_dir()
        .map_err(io)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for entry in entries {
        let file = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_wanted = match import {
            Import::Loinc => ["Loinc.csv", "ComponentHierarchyBySystem.csv", "AnswerList.csv"]
                .contains(&file.as_str()),
            Import::Snomed => file.contains("Snapshot") && file.ends_with(".txt"),
            Import::Icd10 => [".xml", ".txt", ".csv", ".tsv"].iter().any(|end| file.ends_with(end)),
        };
        if entry.is_dir() {
            gather(&entry, import, files)?;
        } else if is_wanted {
            let name = entry.display().to_string();
            let text = read_text(&entry)
                .map_err(|source| ImportFault::Io { file: name.clone(), source })?;
            files.push(File { name, text, is_of_folder: true });
        }
    }
    Ok(())
}

/// UTF-8 with or without its mark, or else Latin-1.
fn read_text(path: &Path) -> std::io::Result<String> {
    let bytes = std::fs::read(path)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
        Err(other) => other.into_bytes().into_iter().map(char::from).collect(),
    })
}
