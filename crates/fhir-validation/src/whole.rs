//! Rules about whole resources that no profile says: Bundles, QuestionnaireResponses, narrative.

use fhir_model::{ResourceType, ResourceView, Value};

use crate::options::Options;
use crate::report::Finding;
use crate::world::World;
use crate::{bundle, narrative, questionnaire};

/// Looks at a document and at the resources of its entries, also of a Bundle in a Bundle.
pub(crate) fn check(
    document: ResourceView<'_>,
    world: &dyn World,
    options: &Options,
    findings: &mut Vec<Finding>,
) {
    let place = document.resource_type.to_string();
    below(document, &place, &mut |view, place| {
        bundle::check(view, place, findings);
        narrative::check(view, place, findings);
        questionnaire::check(view, place, document, world, &options.zone, findings);
    });
}

fn below<'a>(view: ResourceView<'a>, place: &str, check: &mut dyn FnMut(ResourceView<'a>, &str)) {
    check(view, place);
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
