//! Failures as clients see them: the one table from a kind of failure to its HTTP status and
//! issue code, and the OperationOutcome that tells them.
//!
//! Client faults are told precisely; what a server fault holds back is the caller's affair.

use std::borrow::Cow;
use std::fmt;

use crate::write;

/// What went wrong, in the words of the interface. [`FailureKind::answer`] gives each its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The body is not JSON or XML, or breaks structure, cardinality or primitive forms.
    MalformedBody,
    /// A search parameter that the type does not have.
    UnknownParameter,
    /// A parameter, header or path part with a value that cannot be read.
    InvalidParameter,
    /// A modifier that the parameter does not take.
    UnsupportedModifier,
    /// The request body comes in a form that nobody reads here.
    UnsupportedMediaType,
    /// The client takes no form that can be written here.
    NotAcceptable,
    /// No such resource, version or route.
    NotFound,
    /// The path names a type that R4 does not have.
    UnknownResourceType,
    /// The path names an operation that is not offered.
    UnknownOperation,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The resource was here and has been deleted.
    Deleted,
    /// `If-Match` names another version than the current one.
    VersionMismatch,
    /// `If-Match` is required and missing.
    VersionRequired,
    /// A condition matches more than one resource.
    MultipleMatches,
    /// A condition that must be met is not (`If-None-Match: *`, a conditional reference).
    PreconditionFailed,
    /// The request collides with another or with itself.
    Conflict,
    /// Profile, binding, invariant or reference is broken.
    InvalidResource,
    /// The request is well formed, and what it asks for cannot be done to this resource: a patch
    /// whose path leads nowhere.
    Unprocessable,
    /// A rule of the service is broken.
    BusinessRule,
    /// The request would cost more than the server grants.
    TooCostly,
    /// The body or an answer is larger than allowed.
    TooLarge,
    /// The URL is longer than allowed.
    UrlTooLong,
    /// The headers together are longer than allowed.
    HeadersTooLong,
    /// The request was not finished in time by its client.
    Timeout,
    /// The server found no answer in the time that one request is given.
    OutOfTime,
    /// The client asks more often than it may; `retry_after_s` says when to come again.
    TooManyRequests,
    /// The server is overloaded or stopping; `retry_after_s` says when to come again.
    Unavailable,
    /// Nobody is known to make this request.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The specification has it, this server does not.
    NotSupported,
    /// A fault of the server itself.
    Bug,
}

impl FailureKind {
    /// HTTP status and issue code. No wildcard arm: a new kind does not compile without a row.
    #[must_use]
    pub const fn answer(self) -> (u16, IssueType) {
        use FailureKind as K;
        match self {
            K::MalformedBody => (400, IssueType::Structure),
            K::UnknownParameter | K::UnsupportedModifier | K::NotSupported => {
                (400, IssueType::NotSupported)
            }
            K::InvalidParameter => (400, IssueType::Value),
            K::UnsupportedMediaType => (415, IssueType::NotSupported),
            K::NotAcceptable => (406, IssueType::NotSupported),
            K::NotFound => (404, IssueType::NotFound),
            K::UnknownResourceType | K::UnknownOperation => (404, IssueType::NotSupported),
            K::MethodNotAllowed => (405, IssueType::NotSupported),
            K::Deleted => (410, IssueType::Deleted),
            K::VersionMismatch => (412, IssueType::Conflict),
            K::VersionRequired => (428, IssueType::Required),
            K::MultipleMatches => (412, IssueType::MultipleMatches),
            K::PreconditionFailed => (412, IssueType::Conflict),
            K::Conflict => (409, IssueType::Conflict),
            K::InvalidResource => (422, IssueType::Invariant),
            K::Unprocessable => (422, IssueType::Processing),
            K::BusinessRule => (422, IssueType::BusinessRule),
            K::TooCostly => (400, IssueType::TooCostly),
            K::TooLarge => (413, IssueType::TooLong),
            K::UrlTooLong => (414, IssueType::TooLong),
            K::HeadersTooLong => (431, IssueType::TooLong),
            K::Timeout => (408, IssueType::Timeout),
            K::OutOfTime => (503, IssueType::Timeout),
            K::TooManyRequests => (429, IssueType::Throttled),
            K::Unavailable => (503, IssueType::Transient),
            K::Unauthenticated => (401, IssueType::Login),
            K::Forbidden => (403, IssueType::Forbidden),
            K::Bug => (500, IssueType::Exception),
        }
    }
}

/// Severity of an issue. Spec: <https://hl7.org/fhir/R4/valueset-issue-severity.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Severity {
    Fatal,
    Error,
    Warning,
    Information,
}

impl Severity {
    /// The code of the specification.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

macro_rules! issue_types {
    ($($name:ident = $code:literal),* $(,)?) => {
        /// Code of an issue. Spec: <https://hl7.org/fhir/R4/valueset-issue-type.html>
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of the specification")]
        pub enum IssueType { $($name),* }

        impl IssueType {
            /// The code of the specification.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

issue_types! {
    Invalid = "invalid", Structure = "structure", Required = "required", Value = "value",
    Invariant = "invariant", Security = "security", Login = "login", Unknown = "unknown",
    Expired = "expired", Forbidden = "forbidden", Suppressed = "suppressed",
    Processing = "processing", NotSupported = "not-supported", Duplicate = "duplicate",
    MultipleMatches = "multiple-matches", NotFound = "not-found", Deleted = "deleted",
    TooLong = "too-long", CodeInvalid = "code-invalid", Extension = "extension",
    TooCostly = "too-costly", BusinessRule = "business-rule", Conflict = "conflict",
    Transient = "transient", LockError = "lock-error", NoStore = "no-store",
    Exception = "exception", Timeout = "timeout", Incomplete = "incomplete",
    Throttled = "throttled", Informational = "informational",
}

/// One thing to tell: `OperationOutcome.issue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: IssueType,
    /// FHIRPath of the place, such as `Patient.name[0].given[1]`, or `http.If-Match` for a header.
    pub expression: Option<String>,
    /// The rule that is broken, in a few words or as an invariant key; written as `details.text`.
    pub rule: Option<Cow<'static, str>>,
    /// What was expected and what stood there.
    pub diagnostics: String,
    /// Line in the request body, from 1.
    pub line: Option<u32>,
    /// Column in the request body in characters, from 1.
    pub column: Option<u32>,
}

impl Issue {
    /// An issue of severity `error`.
    pub fn error(code: IssueType, diagnostics: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            expression: None,
            rule: None,
            diagnostics: diagnostics.into(),
            line: None,
            column: None,
        }
    }

    /// An issue of severity `warning`.
    pub fn warning(code: IssueType, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, diagnostics) }
    }

    /// An issue of severity `information`.
    pub fn information(code: IssueType, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Information, ..Self::error(code, diagnostics) }
    }

    /// The same issue at this FHIRPath expression.
    #[must_use]
    pub fn at(self, expression: impl Into<String>) -> Self {
        Self { expression: Some(expression.into()), ..self }
    }

    /// The same issue with the rule that is broken.
    #[must_use]
    pub fn rule(self, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { rule: Some(rule.into()), ..self }
    }

    /// The same issue at this line and column, both from 1.
    #[must_use]
    pub fn position(self, line: u32, column: u32) -> Self {
        Self { line: Some(line), column: Some(column), ..self }
    }

    /// Writes the issue as an element of `OperationOutcome.issue`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"severity\":");
        write::string(self.severity.code(), out);
        out.extend_from_slice(b",\"code\":");
        write::string(self.code.code(), out);
        if let Some(rule) = &self.rule {
            out.extend_from_slice(b",\"details\":{\"text\":");
            told(rule, out);
            out.push(b'}');
        }
        out.extend_from_slice(b",\"diagnostics\":");
        match (self.line, self.column) {
            (Some(line), Some(column)) => {
                told(&format!("{} (line {line}, column {column})", self.diagnostics), out)
            }
            _ => told(&self.diagnostics, out),
        }
        if let Some(expression) = &self.expression {
            out.extend_from_slice(b",\"expression\":[");
            told(expression, out);
            out.push(b']');
        }
        out.push(b'}');
    }
}

/// Writes a text that may quote what a client sent: what XML cannot carry becomes U+FFFD.
fn told(text: &str, out: &mut Vec<u8>) {
    let is_foreign = |character: char| {
        (character < ' ' && !matches!(character, '\t' | '\n' | '\r'))
            || matches!(character, '\u{FFFE}' | '\u{FFFF}')
    };
    if text.contains(is_foreign) {
        write::string(&text.replace(is_foreign, "\u{FFFD}"), out);
    } else {
        write::string(text, out);
    }
}

/// A refused or failed request: its kind and everything there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Gives status and issue code.
    pub kind: FailureKind,
    /// At least one issue.
    pub issues: Vec<Issue>,
    /// After how many seconds a new attempt makes sense.
    pub retry_after_s: Option<u32>,
}

impl Failure {
    /// A failure with one issue.
    pub fn new(kind: FailureKind, diagnostics: impl Into<String>) -> Self {
        Self::with_issues(kind, vec![Issue::error(kind.answer().1, diagnostics)])
    }

    /// A failure with issues that were found before.
    #[must_use]
    pub fn with_issues(kind: FailureKind, issues: Vec<Issue>) -> Self {
        Self { kind, issues, retry_after_s: None }
    }

    /// The same failure, its first issue at this expression.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        if let Some(first) = self.issues.first_mut() {
            first.expression = Some(expression.into());
        }
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.kind.answer().0
    }

    /// The OperationOutcome that tells the failure, minified.
    #[must_use]
    pub fn outcome_json(&self) -> Vec<u8> {
        outcome_json(&self.issues)
    }
}

/// An OperationOutcome with these issues, minified. An empty list gives one informational
/// issue, since `OperationOutcome.issue` must not be empty.
#[must_use]
pub fn outcome_json(issues: &[Issue]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + issues.len() * 192);
    out.extend_from_slice(b"{\"resourceType\":\"OperationOutcome\",\"issue\":[");
    if issues.is_empty() {
        Issue::information(IssueType::Informational, "All OK").write_json(&mut out);
    }
    for (position, issue) in issues.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        issue.write_json(&mut out);
    }
    out.extend_from_slice(b"]}");
    out
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, issue) in self.issues.iter().enumerate() {
            if position > 0 {
                out.write_str("; ")?;
            }
            if let Some(expression) = &issue.expression {
                write!(out, "{expression}: ")?;
            }
            if let Some(rule) = &issue.rule {
                write!(out, "{rule}: ")?;
            }
            out.write_str(&issue.diagnostics)?;
            if let (Some(line), Some(column)) = (issue.line, issue.column) {
                write!(out, " (line {line}, column {column})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_tells_place_rule_and_position() {
        let issue = Issue::error(IssueType::Value, "expected a date, found \"x\"")
            .at("Patient.birthDate")
            .rule("date")
            .position(2, 7);
        let outcome = Failure::with_issues(FailureKind::MalformedBody, vec![issue]).outcome_json();
        assert_eq!(
            String::from_utf8(outcome).unwrap(),
            concat!(
                r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","#,
                r#""details":{"text":"date"},"diagnostics":"#,
                r#""expected a date, found \"x\" (line 2, column 7)","#,
                r#""expression":["Patient.birthDate"]}]}"#
            )
        );
    }
}
