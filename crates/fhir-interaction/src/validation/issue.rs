//! Findings as issues of an OperationOutcome.

use fhir_model::{Issue, IssueType};
use fhir_validation::{Finding, Report, RuleKind};

/// All findings in their order.
pub(crate) fn issues(report: &Report) -> Vec<Issue> {
    report.findings.iter().map(issue).collect()
}

fn issue(finding: &Finding) -> Issue {
    let Finding { severity, kind, expression, rule, text } = finding;
    let told = Issue { severity: *severity, ..Issue::error(code(*kind), text.clone()) };
    told.at(expression.clone()).rule(rule.clone())
}

/// The issue type of a kind of rule. No wildcard arm: a new kind does not compile without one.
const fn code(kind: RuleKind) -> IssueType {
    match kind {
        RuleKind::Cardinality | RuleKind::Type | RuleKind::Slicing => IssueType::Structure,
        RuleKind::Primitive | RuleKind::Fixed | RuleKind::Pattern | RuleKind::Bounds => {
            IssueType::Value
        }
        RuleKind::Binding => IssueType::CodeInvalid,
        RuleKind::Invariant => IssueType::Invariant,
        RuleKind::Reference | RuleKind::Bundle => IssueType::Invalid,
        RuleKind::Extension => IssueType::Extension,
        RuleKind::Questionnaire => IssueType::BusinessRule,
        RuleKind::Profile => IssueType::NotFound,
        RuleKind::Budget => IssueType::TooCostly,
    }
}
