//! What a case expects, held against a report.

use fhir_validation::{Finding, Report};
use serde::Deserialize;

use crate::is_error;

/// `"valid"`, `"clean"` or the findings that must come.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Then {
    Word(Word),
    Findings(Vec<Expected>),
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    /// No error.
    Valid,
    /// No error and no warning.
    Clean,
}

/// One finding; what is left out may be anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    #[serde(default = "error")]
    severity: String,
    kind: String,
    expression: String,
    rule: Option<String>,
    /// A part of the text.
    says: Option<String>,
}

fn error() -> String {
    "error".to_owned()
}

impl Expected {
    fn is(&self, finding: &Finding) -> bool {
        finding.severity.code() == self.severity
            && finding.kind.code() == self.kind
            && finding.expression == self.expression
            && self.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
            && self.says.as_ref().is_none_or(|part| finding.text.contains(part))
    }

    fn is_error(&self) -> bool {
        matches!(self.severity.as_str(), "error" | "fatal")
    }

    fn shown(&self) -> String {
        let rule = self.rule.as_deref().unwrap_or("*");
        format!("{} {} {} ({rule})", self.severity, self.kind, self.expression)
    }
}

fn shown(finding: &Finding) -> String {
    let Finding { severity, kind, expression, rule, text } = finding;
    format!("{} {} {expression} ({rule}): {text}", severity.code(), kind.code())
}

impl Then {
    /// Whether no error is expected.
    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Self::Word(_) => true,
            Self::Findings(findings) => !findings.iter().any(Expected::is_error),
        }
    }

    /// Whether the case shows rules that are kept.
    pub(crate) fn is_word(&self) -> bool {
        matches!(self, Self::Word(_))
    }

    /// The kinds of the findings that are expected.
    pub(crate) fn kinds(&self) -> Vec<String> {
        match self {
            Self::Word(_) => Vec::new(),
            Self::Findings(findings) => findings.iter().map(|each| each.kind.clone()).collect(),
        }
    }

    /// The rules that the findings name.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &str> {
        let findings = match self {
            Self::Word(_) => &[][..],
            Self::Findings(findings) => findings,
        };
        findings.iter().filter_map(|each| each.rule.as_deref())
    }

    /// What is missing and what is too much. Errors must be those that are written; of warnings
    /// and information there may be more.
    pub(crate) fn faults(&self, report: &Report) -> Vec<String> {
        let wanted: &[Expected] = match self {
            Self::Word(_) => &[],
            Self::Findings(findings) => findings,
        };
        let mut left: Vec<&Finding> = report.findings.iter().collect();
        let mut faults = Vec::new();
        for expected in wanted {
            match left.iter().position(|finding| expected.is(finding)) {
                Some(at) => {
                    left.remove(at);
                }
                None => faults.push(format!("missing {}", expected.shown())),
            }
        }
        let is_clean = matches!(self, Self::Word(Word::Clean));
        let counts = |finding: &Finding| {
            is_error(finding.severity)
                || (is_clean && finding.severity == fhir_model::Severity::Warning)
        };
        let more = left.into_iter().filter(|finding| counts(finding));
        faults.extend(more.map(|finding| format!("found {}", shown(finding))));
        faults
    }
}
