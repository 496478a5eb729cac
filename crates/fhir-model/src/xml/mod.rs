//! FHIR XML: read into JSON in schema order, written from the span tape.
//!
//! XML is the guest here: what comes in becomes the JSON that everything else works with, with
//! a map back to line and column for faults; what goes out is written from the stored JSON.
//! Decimals and narrative keep their text. Comments and prefixes of FHIR elements are dropped.
//! There are no document type declarations and no entities but the five of XML itself, so
//! nothing expands.
//!
//! Spec: <https://hl7.org/fhir/R4/xml.html>

mod narrative;
mod position;
mod primitive;
mod read;
mod tag;
mod text;
mod tree;
mod write;

pub use narrative::{InvalidNarrative, check_narrative};
pub use position::Positions;
pub use read::{XmlResource, read};
pub use write::write;

use crate::check::MAX_FAULTS;
use crate::failure::{Failure, FailureKind};
use crate::json::Limits;
use crate::resource::Resource;

/// The namespace of all elements but those of the narrative.
const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of the narrative.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

impl Resource {
    /// Parses XML and checks it against the element table as [`Resource::from_json`] does; lines
    /// and columns are those of the XML.
    ///
    /// # Errors
    /// `MalformedBody` with all faults: the first that makes it no XML at all, or else those of
    /// its form as FHIR XML together with those of its content. `TooLarge` where the body is over
    /// the limit.
    pub fn from_xml(source: &[u8], limits: &Limits) -> Result<Self, Failure> {
        let refused = |issues| Failure::with_issues(FailureKind::MalformedBody, issues);
        if source.len() > limits.max_bytes {
            let told = format!("expected at most {} bytes", limits.max_bytes);
            return Err(Failure::new(FailureKind::TooLarge, told));
        }
        let read = read(source, limits).map_err(refused)?;
        // JSON escapes may be longer than what XML wrote.
        let limits = Limits { max_bytes: limits.max_bytes.saturating_mul(2), ..*limits };
        let XmlResource { json, positions, mut faults } = read;
        let checked = match Self::from_json(json.clone(), &limits) {
            Ok(resource) if faults.is_empty() => return Ok(resource),
            Ok(_) => Vec::new(),
            Err(failure) => failure.issues,
        };
        // What is wrong with the XML is told with its own words only.
        let told: Vec<_> = faults.iter().map(|fault| fault.expression.clone()).collect();
        let more = checked.into_iter().filter(|issue| !told.contains(&issue.expression));
        faults.extend(positions.relocate(more.collect(), &json));
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults.truncate(MAX_FAULTS);
        Err(refused(faults))
    }
}

/// A fault with its place in the XML.
#[derive(Debug)]
struct Fault {
    offset: usize,
    rule: &'static str,
    told: String,
}

impl Fault {
    fn new(offset: usize, rule: &'static str, told: impl Into<String>) -> Self {
        Self { offset, rule, told: told.into() }
    }
}

/// A name as it is shown in faults: never long, whatever was sent.
fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(64).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
