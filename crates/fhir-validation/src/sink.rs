//! Where findings go while a validation runs.

use fhir_model::Severity;

use crate::report::{Finding, Report, RuleKind};

/// So many errors are told of one resource, and as many findings that are none.
pub(crate) const MAX_FINDINGS: usize = 100;

/// Findings with their places in the document.
#[derive(Default)]
pub(crate) struct Sink {
    findings: Vec<(usize, Finding)>,
    errors: usize,
    others: usize,
    /// How many findings there was no more room for.
    left_out: usize,
}

impl Sink {
    /// Whether an error was found, told or not.
    pub(crate) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The first error that was kept.
    pub(crate) fn first_error(&self) -> Option<&Finding> {
        let mut findings = self.findings.iter().map(|(_, finding)| finding);
        findings.find(|each| matches!(each.severity, Severity::Error | Severity::Fatal))
    }

    /// Keeps a finding, unless the very same was found before. `offset` is its place in bytes.
    pub(crate) fn push(&mut self, offset: usize, finding: Finding) {
        let is_known = |(_, known): &(usize, Finding)| {
            known.kind == finding.kind
                && known.expression == finding.expression
                && known.text == finding.text
        };
        if self.findings.iter().any(is_known) {
            return;
        }
        let is_error = matches!(finding.severity, Severity::Error | Severity::Fatal);
        let told = if is_error { &mut self.errors } else { &mut self.others };
        *told += 1;
        if *told > MAX_FINDINGS {
            self.left_out += 1;
        } else {
            self.findings.push((offset, finding));
        }
    }

    /// The findings in document order, with a note where there are more.
    pub(crate) fn report(mut self) -> Report {
        self.findings.sort_by_key(|(offset, _)| *offset);
        let mut findings: Vec<_> = self.findings.into_iter().map(|(_, each)| each).collect();
        if self.left_out > 0 {
            findings.push(Finding {
                severity: Severity::Information,
                kind: RuleKind::Budget,
                expression: String::new(),
                rule: "number of findings".to_owned(),
                text: format!("{} more findings are not told", self.left_out),
            });
        }
        Report { findings }
    }
}
