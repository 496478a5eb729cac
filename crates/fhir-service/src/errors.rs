//! How faults are told: the status, the code of the service's own system, and what has no body.

use fhir_model::{Failure, FailureKind, Issue};
use serde_json::{Value, json};

use crate::kinds::kind_name;
use crate::service::Service;

/// The table of a service file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errors {
    /// The code system of the codes.
    pub(crate) system: String,
    /// The system under which broken rules are named; empty: they are told in the text.
    pub(crate) rule_system: String,
    /// Failures that are answered by their status alone.
    pub(crate) without_body: Vec<FailureKind>,
    pub(crate) codes: Vec<Code>,
}

/// What a failure is called in the service's words.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// Rule ids and kinds of failures; `*` is everything else.
    pub(crate) of: Vec<String>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<(String, String)>,
    /// The rule that such a kind breaks.
    pub(crate) rule: Option<String>,
}

/// A failure as a service tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The HTTP status.
    pub status: u16,
    /// The OperationOutcome; none where the status is all there is to say.
    pub body: Option<Vec<u8>>,
}

impl Service {
    /// What is told of a failure.
    #[must_use]
    pub fn told(&self, failure: &Failure) -> Told {
        let kind = kind_name(failure.kind);
        let first = failure.issues.first();
        let broken = first.and_then(|issue| self.rule_of(issue, failure.kind));
        let row = broken.as_deref().and_then(|rule| self.errors.row(rule));
        let row = row.filter(|row| row.status.is_some()).or_else(|| self.errors.row(kind));
        let status = row.and_then(|row| row.status).unwrap_or_else(|| failure.status());
        if self.errors.without_body.contains(&failure.kind) {
            return Told { status, body: None };
        }
        let issues: Vec<Value> =
            failure.issues.iter().map(|issue| self.issue(issue, failure.kind)).collect();
        // By hand, so that the type comes first, as readers expect it.
        let issues = Value::Array(issues);
        let outcome = format!("{{\"resourceType\":\"OperationOutcome\",\"issue\":{issues}}}");
        Told { status, body: Some(outcome.into_bytes()) }
    }

    /// The id of the rule that an issue tells of.
    fn rule_of(&self, issue: &Issue, kind: FailureKind) -> Option<String> {
        let named = issue.rule.as_deref().filter(|rule| self.checks().any(|(id, _)| id == *rule));
        let by_kind = || self.errors.row(kind_name(kind)).and_then(|row| row.rule.clone());
        named.map(str::to_owned).or_else(by_kind)
    }

    fn issue(&self, issue: &Issue, kind: FailureKind) -> Value {
        let rule = self.rule_of(issue, kind);
        let row = rule.as_deref().and_then(|rule| self.errors.row(rule));
        let row = row.filter(|row| row.code.is_some());
        let row = row.or_else(|| self.errors.row(kind_name(kind))).filter(|row| row.code.is_some());
        let row = row.or_else(|| self.errors.row("*"));
        let mut coding = Vec::new();
        if let Some((code, display)) = row.and_then(|row| row.code.as_ref()) {
            let mut own = json!({"system": self.errors.system, "code": code});
            if let (false, Some(members)) = (display.is_empty(), own.as_object_mut()) {
                members.insert("display".to_owned(), Value::String(display.clone()));
            }
            coding.push(own);
        }
        let is_foreign = issue.rule.is_some() && issue.rule.as_deref() != rule.as_deref();
        let mut diagnostics = issue.diagnostics.clone();
        if let (true, Some(rule)) = (is_foreign, &issue.rule) {
            diagnostics = format!("{rule}: {diagnostics}");
        }
        match &rule {
            Some(rule) if !self.errors.rule_system.is_empty() => {
                coding.push(json!({"system": self.errors.rule_system, "code": rule}));
            }
            Some(rule) => diagnostics = format!("{rule}: {diagnostics}"),
            None => {}
        }
        if let (Some(line), Some(column)) = (issue.line, issue.column) {
            diagnostics = format!("{diagnostics} (line {line}, column {column})");
        }
        let mut told = json!({
            "severity": issue.severity.code(),
            "code": issue.code.code(),
        });
        if let Some(members) = told.as_object_mut() {
            if !coding.is_empty() {
                members.insert("details".to_owned(), json!({"coding": coding}));
            }
            members.insert("diagnostics".to_owned(), Value::String(plain(&diagnostics)));
            if let Some(expression) = &issue.expression {
                members.insert("expression".to_owned(), json!([plain(expression)]));
            }
        }
        told
    }
}

/// What XML cannot carry becomes U+FFFD.
fn plain(text: &str) -> String {
    let is_foreign = |character: char| {
        (character < ' ' && !matches!(character, '\t' | '\n' | '\r'))
            || matches!(character, '\u{FFFE}' | '\u{FFFF}')
    };
    text.replace(is_foreign, "\u{FFFD}")
}

impl Errors {
    fn row(&self, of: &str) -> Option<&Code> {
        self.codes.iter().find(|row| row.of.iter().any(|each| each == of))
    }
}
