//! Rules of Bundles that no invariant says: identity of entries, requests, and references inside.
//!
//! Spec: <https://hl7.org/fhir/R4/bundle.html>
//!
//! Decisions where the specification leaves room:
//! - Entries of a transaction or batch, and their responses, need no `fullUrl`; others with a
//!   resource do. In `searchset` and `history` its lack is a warning.
//! - What a Composition refers to must be in its document, but for `relatesTo`. Entries of a
//!   document or message that nothing leads to are warnings.
//! - A `urn:` leads nowhere outside of its Bundle.

mod entry;
mod graph;
mod reference;
mod request;

use fhir_model::{ResourceView, Severity, Value};

use crate::report::{Finding, RuleKind};

/// Type of a Bundle. Spec: <https://hl7.org/fhir/R4/valueset-bundle-type.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BundleType {
    Document,
    Message,
    Transaction,
    TransactionResponse,
    Batch,
    BatchResponse,
    History,
    Searchset,
    Collection,
}

impl BundleType {
    fn named(code: &str) -> Option<Self> {
        Some(match code {
            "document" => Self::Document,
            "message" => Self::Message,
            "transaction" => Self::Transaction,
            "transaction-response" => Self::TransactionResponse,
            "batch" => Self::Batch,
            "batch-response" => Self::BatchResponse,
            "history" => Self::History,
            "searchset" => Self::Searchset,
            "collection" => Self::Collection,
            _ => return None,
        })
    }

    const fn has_requests(self) -> bool {
        matches!(self, Self::Transaction | Self::Batch)
    }

    const fn is_response(self) -> bool {
        matches!(self, Self::TransactionResponse | Self::BatchResponse)
    }
}

/// One entry.
struct Entry<'a> {
    value: Value<'a>,
    place: String,
    full_url: Option<String>,
    view: Option<ResourceView<'a>>,
}

/// One check of one Bundle.
struct Check<'f> {
    of: BundleType,
    findings: &'f mut Vec<Finding>,
}

impl Check<'_> {
    fn told(&mut self, severity: Severity, rule: &str, place: String, text: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            kind: RuleKind::Bundle,
            expression: place,
            rule: rule.to_owned(),
            text: text.into(),
        });
    }

    fn error(&mut self, rule: &str, place: String, text: impl Into<String>) {
        self.told(Severity::Error, rule, place, text);
    }
}

/// Holds a Bundle to its rules; nothing for other types. `place` is its expression.
pub(crate) fn check(view: ResourceView<'_>, place: &str, findings: &mut Vec<Finding>) {
    if view.resource_type != fhir_model::ResourceType::BUNDLE {
        return;
    }
    let of = view.value.get("type").and_then(Value::text);
    let Some(of) = of.and_then(|code| BundleType::named(&code)) else { return };
    let list = view.value.get("entry").into_iter().flat_map(Value::items).enumerate();
    let entries: Vec<Entry<'_>> = list
        .map(|(at, value)| Entry {
            value,
            place: format!("{place}.entry[{at}]"),
            full_url: value.get("fullUrl").and_then(Value::text).map(|text| text.into_owned()),
            view: value.get("resource").and_then(ResourceView::of),
        })
        .collect();
    let mut check = Check { of, findings };
    check.links(view, place);
    for entry in &entries {
        check.full_url(entry);
        check.search(entry);
    }
    if of.has_requests() {
        check.requests(&entries);
    }
    let links = check.references(&entries);
    check.graph(&entries, &links);
}
