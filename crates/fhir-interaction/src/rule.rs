//! Rules that no profile can say, run on every resource that is about to be written.
//!
//! A rule is a value in a list that the server hands to [`crate::App::new`]. It sees one
//! resource, before ids and versions are given, and says what is wrong with it.

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, Issue, ResourceView, Severity};

/// One rule.
pub trait Rule: Send + Sync {
    /// A short stable name, given in `OperationOutcome.issue`.
    fn id(&self) -> &'static str;

    /// Whether the rule has something to say about resources of this type.
    fn applies_to(&self, resource_type: ResourceType) -> bool;

    /// What is wrong. Errors refuse the write; warnings and information let it pass.
    ///
    /// An issue names where (`expression`) and why, and never repeats a value that identifies a
    /// person.
    fn check(&self, view: ResourceView<'_>) -> Vec<Issue>;
}

/// Runs all rules that apply to the resource.
///
/// # Errors
/// [`FailureKind::BusinessRule`] with the findings of all rules, where at least one is an error.
pub(crate) fn check_all(
    rules: &[&dyn Rule],
    view: ResourceView<'_>,
) -> Result<Vec<Issue>, Failure> {
    let mut issues = Vec::new();
    for rule in rules.iter().filter(|rule| rule.applies_to(view.resource_type)) {
        issues.extend(rule.check(view));
    }
    let refused =
        issues.iter().any(|issue| matches!(issue.severity, Severity::Error | Severity::Fatal));
    if refused {
        return Err(Failure { kind: FailureKind::BusinessRule, issues, retry_after_s: None });
    }
    Ok(issues)
}
