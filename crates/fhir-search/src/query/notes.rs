//! What is to be said about the pairs of a query, each word at its place.

use fhir_model::{FailureKind, Issue, IssueType};

use super::result::shown;

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FailureKind,
    pub(crate) issue: Issue,
}

impl Fault {
    pub(crate) fn new(kind: FailureKind, name: &str, text: String) -> Self {
        let (_, code) = kind.answer();
        Self { kind, issue: Issue::error(code, text).at(place(name)) }
    }
}

/// Faults and warnings, in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Issue>,
    /// Chains that were followed: a chain without types multiplies at every point.
    pub(crate) chains: usize,
}

impl Notes {
    pub(crate) fn fault(&mut self, kind: FailureKind, name: &str, text: String) {
        self.faults.push(Fault::new(kind, name, text));
    }

    /// A value that is not as it has to be.
    pub(crate) fn invalid(&mut self, name: &str, text: impl Into<String>) {
        self.fault(FailureKind::InvalidParameter, name, text.into());
    }

    pub(crate) fn warn(&mut self, name: &str, text: String) {
        let issue = Issue::warning(IssueType::Informational, text).at(place(name));
        if !self.warnings.contains(&issue) {
            self.warnings.push(issue);
        }
    }
}

/// `http.birthdate`; a name that is none is shown by its shape.
fn place(name: &str) -> String {
    format!("http.{}", shown(name).trim_matches('"'))
}
