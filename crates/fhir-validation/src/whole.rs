//! Rules about whole resources that no profile says: Bundles, QuestionnaireResponses, narrative.

use fhir_model::{ResourceType, ResourceView, Value};

use crate::inquiry::Inquiry;
use crate::sink::{MAX_FINDINGS, Sink};
use crate::{bundle, narrative, place, questionnaire};

/// Looks at a document and at the resources of its entries, also of a Bundle in a Bundle. Where
/// the budget of the inquiry is used up, what is left is not looked at.
pub(crate) fn check(inquiry: &Inquiry<'_>, sink: &mut Sink) {
    let (document, zone) = (inquiry.document, &inquiry.options.zone);
    let place = document.resource_type.to_string();
    let mut findings = Vec::new();
    below(document, &place, &mut |view, place| {
        inquiry.look();
        if inquiry.was_late() {
            return false;
        }
        let is_late = || inquiry.is_late();
        bundle::check(view, place, &mut findings);
        narrative::check(view, place, &mut findings);
        let asked =
            questionnaire::Asked { root: document, world: inquiry.world, zone, is_late: &is_late };
        questionnaire::check(view, place, &asked, &mut findings);
        true
    });
    for (count, finding) in findings.into_iter().enumerate() {
        // What comes after so many is hardly told, and need not be looked for.
        let offset = if count < 2 * MAX_FINDINGS {
            place::find(document.value, &finding.expression).offset()
        } else {
            usize::MAX
        };
        sink.push(offset, finding);
    }
}

/// Ends where the check says false.
fn below<'a>(
    view: ResourceView<'a>,
    place: &str,
    check: &mut dyn FnMut(ResourceView<'a>, &str) -> bool,
) {
    if !check(view, place) {
        return;
    }
    if view.resource_type != ResourceType::BUNDLE {
        return;
    }
    let entries = view.value.get("entry").into_iter().flat_map(Value::items).enumerate();
    for (at, entry) in entries {
        if let Some(view) = entry.get("resource").and_then(ResourceView::of) {
            below(view, &format!("{place}.entry[{at}].resource"), check);
        }
    }
}
