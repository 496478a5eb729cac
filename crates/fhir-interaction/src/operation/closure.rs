//! `$closure`: a named table of what subsumes what among the codes that a client uses, kept in the
//! database and told piece by piece.
//! Spec: <https://hl7.org/fhir/R4/conceptmap-operation-closure.html>
//!
//! A call with a name alone begins the table anew. A call with concepts adds them and answers with
//! the new entries; one with a version answers with all entries since then.

use fhir_model::{Failure, FailureKind, Value, write};
use fhir_store::{KeptKind, NewKept};
use fhir_terminology::Subsumption;

use super::Invocation;
use super::coded::{self, GivenCode, refused};
use crate::request::Answer;
use crate::sight::Sight;
use crate::terminology::Codes;

/// Another writer may come between as often as this.
const TRIES: usize = 5;
/// The most concepts of one table: their pairs are compared.
const MAX_CONCEPTS: usize = 10_000;
/// The longest name.
const MAX_NAME: usize = 200;

/// Begins a table, adds to it, or tells what is new in it.
///
/// # Errors
/// `InvalidParameter` for parameters that don't go together, `NotFound` for a table that was not
/// begun and for codes that are not here.
pub(super) async fn closure(call: Invocation<'_>) -> Result<Answer, Failure> {
    let arguments = &call.arguments;
    let name = arguments.text("name").unwrap_or_default();
    if name.len() > MAX_NAME {
        return Err(refused(
            format!("`name` has at most {MAX_NAME} bytes"),
            "Parameters.parameter",
        ));
    }
    let since = arguments.text("version").map(|text| text.parse::<u64>());
    let since = since.transpose().map_err(|_told| {
        refused("`version` takes a version that this server gave", "Parameters.parameter")
    })?;
    let mut concepts = Vec::new();
    for given in arguments.given("concept") {
        let coding = given.value("Coding").and_then(GivenCode::of_coding);
        let coding = coding.filter(|coding| coding.system.is_some());
        let Some(coding) = coding else {
            return Err(refused("`concept` takes a system and a code", "Parameters.parameter"));
        };
        concepts.push((coding.system.unwrap_or_default(), coding.code));
    }
    if since.is_some() && !concepts.is_empty() {
        let text = "expected either `concept` or `version`: adding and catching up are two calls";
        return Err(refused(text, "Parameters.parameter"));
    }
    for _ in 0..TRIES {
        let found = call.app.kept(KeptKind::Closure, &name)?;
        let revision = found.as_ref().map_or(0, |(revision, _)| *revision);
        let table = found.map(|(_, body)| Table::read(&body));
        let begins = since.is_none() && concepts.is_empty();
        let (table, from) = match table {
            _ if begins => (Table::default(), 0),
            None => {
                let text = "no closure table of this name: begin it by a call with the name alone";
                return Err(Failure::new(FailureKind::NotFound, text));
            }
            Some(table) => match since {
                Some(since) => return Ok(Answer::ok(table.written(&name, since))),
                None => (table.clone(), table.version),
            },
        };
        let table = if begins { table } else { extended(&call, table, concepts.clone()).await? };
        if !begins && table.version == from {
            return Ok(Answer::ok(table.written(&name, from)));
        }
        let new = NewKept {
            kind: KeptKind::Closure,
            name: name.clone(),
            after: revision,
            about: table.version.to_string(),
            body: table.bytes(),
        };
        if call.app.keep(new)? {
            return Ok(Answer::ok(table.written(&name, from)));
        }
    }
    Err(Failure::new(FailureKind::Conflict, "others write to this table all the time: try again"))
}

/// The table with more concepts, and entries for what they have to do with the others.
async fn extended(
    call: &Invocation<'_>,
    mut table: Table,
    concepts: Vec<(String, String)>,
) -> Result<Table, Failure> {
    let (app, base) = (call.app.clone(), call.request.base.clone());
    let work = move |sight: &mut Sight<'_>| {
        let mut codes = Codes::new(&app, sight, &base);
        let terminology = codes.terminology().clone();
        let next = table.version + 1;
        for concept in concepts {
            if table.concepts.contains(&concept) {
                continue;
            }
            if table.concepts.len() >= MAX_CONCEPTS {
                let text = format!("a closure table has at most {MAX_CONCEPTS} concepts");
                return Err(Failure::new(FailureKind::TooCostly, text).into());
            }
            let (system, code) = &concept;
            // An unknown code is told also where it is the first of its system.
            let itself = terminology.subsumes(&mut codes, (system, None), code, code);
            itself.map_err(coded::failure)?;
            for (of, other) in table.concepts.iter().filter(|(of, _)| of == system) {
                let found = terminology.subsumes(&mut codes, (of, None), code, other);
                let (source, target) = match found.map_err(coded::failure)? {
                    Subsumption::Subsumes => (other, code),
                    Subsumption::SubsumedBy => (code, other),
                    Subsumption::Equivalent | Subsumption::NotSubsumed => continue,
                };
                let (system, source, target) = (of.clone(), source.clone(), target.clone());
                table.entries.push(Entry { version: next, system, source, target });
            }
            table.concepts.push(concept);
            table.version = next;
        }
        Ok(table)
    };
    call.app.read(&call.permit, work).await
}

/// A closure table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    version: u64,
    concepts: Vec<(String, String)>,
    entries: Vec<Entry>,
}

/// The target subsumes the source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The version of the table that it came with.
    version: u64,
    system: String,
    source: String,
    target: String,
}

impl Table {
    /// Lines of fields between tabs, which no code and no URL has.
    fn bytes(&self) -> Vec<u8> {
        let mut out = format!("v\t{}\n", self.version);
        for (system, code) in &self.concepts {
            out.push_str(&format!("c\t{system}\t{code}\n"));
        }
        for Entry { version, system, source, target } in &self.entries {
            out.push_str(&format!("e\t{version}\t{system}\t{source}\t{target}\n"));
        }
        out.into_bytes()
    }

    fn read(bytes: &[u8]) -> Self {
        let mut table = Self::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["v", version] => table.version = version.parse().unwrap_or(0),
                ["c", system, code] => {
                    table.concepts.push(((*system).to_owned(), (*code).to_owned()));
                }
                ["e", version, system, source, target] => table.entries.push(Entry {
                    version: version.parse().unwrap_or(0),
                    system: (*system).to_owned(),
                    source: (*source).to_owned(),
                    target: (*target).to_owned(),
                }),
                _ => {}
            }
        }
        table
    }

    /// A ConceptMap of the entries after a version.
    fn written(&self, name: &str, after: u64) -> Vec<u8> {
        let mut out = b"{\"resourceType\":\"ConceptMap\",\"version\":".to_vec();
        write::string(&self.version.to_string(), &mut out);
        out.extend_from_slice(b",\"name\":");
        write::string(name, &mut out);
        out.extend_from_slice(b",\"status\":\"active\",\"experimental\":true");
        let new: Vec<&Entry> = self.entries.iter().filter(|entry| entry.version > after).collect();
        let mut systems: Vec<&str> = new.iter().map(|entry| entry.system.as_str()).collect();
        systems.sort_unstable();
        systems.dedup();
        for (at, system) in systems.iter().enumerate() {
            out.extend_from_slice(if at == 0 {
                b",\"group\":[{\"source\":"
            } else {
                b",{\"source\":"
            });
            write::string(system, &mut out);
            out.extend_from_slice(b",\"target\":");
            write::string(system, &mut out);
            let mut of: Vec<&&Entry> = new.iter().filter(|entry| entry.system == *system).collect();
            of.sort_by(|one, other| one.source.cmp(&other.source));
            let mut last: Option<&str> = None;
            for entry in of {
                if last == Some(entry.source.as_str()) {
                    out.push(b',');
                } else {
                    let start: &[u8] =
                        if last.is_none() { b",\"element\":[{\"code\":" } else { b"]},{\"code\":" };
                    out.extend_from_slice(start);
                    write::string(&entry.source, &mut out);
                    out.extend_from_slice(b",\"target\":[");
                }
                last = Some(&entry.source);
                out.extend_from_slice(b"{\"code\":");
                write::string(&entry.target, &mut out);
                out.extend_from_slice(b",\"equivalence\":\"subsumes\"}");
            }
            out.extend_from_slice(b"]}]}");
        }
        if !systems.is_empty() {
            out.push(b']');
        }
        out.push(b'}');
        out
    }
}

impl<'a> super::input::Given<'a> {
    /// The value, where it is of this data type.
    fn value(&self, kind: &str) -> Option<Value<'a>> {
        match self {
            Self::Element(element) => element.get(&format!("value{kind}")),
            Self::Text(_) | Self::Body(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let entry = |version, source: &str| Entry {
            version,
            system: "urn:x".to_owned(),
            source: source.to_owned(),
            target: "top".to_owned(),
        };
        let table = Table {
            version: 3,
            concepts: vec![("urn:x".to_owned(), "a".to_owned())],
            entries: vec![entry(2, "a"), entry(3, "b")],
        };
        assert_eq!(Table::read(&table.bytes()), table);
        let new = String::from_utf8(table.written("n", 2)).unwrap();
        assert!(new.contains("\"b\"") && !new.contains("\"a\""), "{new}");
        assert!(serde_json::from_slice::<serde_json::Value>(&table.written("n", 0)).is_ok());
        assert!(serde_json::from_slice::<serde_json::Value>(&table.written("n", 3)).is_ok());
    }
}
