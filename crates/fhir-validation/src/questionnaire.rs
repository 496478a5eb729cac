//! QuestionnaireResponses held to their Questionnaire: which items there are, in which order, who
//! must answer, and with what.
//!
//! Spec: <https://hl7.org/fhir/R4/questionnaireresponse.html>
//!
//! Decisions where the specification leaves room:
//! - Only a response that is `completed` or `amended` must have its required answers.
//! - The questions of `enableWhen` are looked up in the nearest common part of the form, so that
//!   a repeated group asks its own occurrence.
//! - What an expression enables (an extension of Structured Data Capture) may be there or not.
//! - A text that differs is a warning: it may be a translation.

mod answer;
mod compare;
mod enable;
mod extent;
mod form;
mod options;
mod response;
mod walk;

use std::sync::Arc;

use fhir_model::date::Zone;
use fhir_model::{Resource, ResourceType, ResourceView, Severity, Value};

use self::form::Form;
use self::response::Response;
use crate::report::{Finding, RuleKind};
use crate::world::{Found, World};

/// What is around a response.
pub(crate) struct Asked<'q> {
    /// The document, in whose entries the Questionnaire is looked for before the world is asked.
    pub(crate) root: ResourceView<'q>,
    pub(crate) world: &'q dyn World,
    pub(crate) zone: &'q Zone,
    /// Counts a step; whether the time of the validation is used up.
    pub(crate) is_late: &'q dyn Fn() -> bool,
}

/// Holds a QuestionnaireResponse to the Questionnaire that it names; nothing for other types.
///
/// `place` is the expression of the response in the document.
pub(crate) fn check(
    view: ResourceView<'_>,
    place: &str,
    asked: &Asked<'_>,
    findings: &mut Vec<Finding>,
) {
    if view.resource_type != ResourceType::QUESTIONNAIRE_RESPONSE {
        return;
    }
    let Some(canonical) = view.value.get("questionnaire").and_then(Value::text) else {
        let text = "the response names no Questionnaire, so that its answers are held to none";
        findings.push(Finding {
            severity: Severity::Information,
            kind: RuleKind::Questionnaire,
            expression: place.to_owned(),
            rule: "QuestionnaireResponse.questionnaire".to_owned(),
            text: text.to_owned(),
        });
        return;
    };
    let mut told = |severity: Severity, text: String| {
        findings.push(Finding {
            severity,
            kind: RuleKind::Questionnaire,
            expression: format!("{place}.questionnaire"),
            rule: "QuestionnaireResponse.questionnaire".to_owned(),
            text,
        });
    };
    let owned: Arc<Resource>;
    let questionnaire = match find(view, asked.root, &canonical, asked.world) {
        Lead::Inside(view) => view,
        Lead::Outside(resource) => {
            owned = resource;
            owned.view()
        }
        Lead::Nowhere(severity, text) => {
            told(severity, text);
            return;
        }
    };
    if questionnaire.resource_type != ResourceType::QUESTIONNAIRE {
        let text = format!("expected a Questionnaire, found {}", questionnaire.resource_type);
        told(Severity::Error, text);
        return;
    }
    let form = Form::read(questionnaire);
    let response = Response::read(view, place, &form);
    let status = view.value.get("status").and_then(Value::text);
    let is_final = matches!(status.as_deref(), Some("completed" | "amended"));
    walk::Walk { form: &form, response: &response, asked, is_final, findings }.run(place);
}

/// Where the Questionnaire is.
enum Lead<'a> {
    /// In the document.
    Inside(ResourceView<'a>),
    /// In the world.
    Outside(Arc<Resource>),
    /// It cannot be had.
    Nowhere(Severity, String),
}

fn find<'a>(
    view: ResourceView<'a>,
    root: ResourceView<'a>,
    canonical: &str,
    world: &dyn World,
) -> Lead<'a> {
    if let Some(id) = canonical.strip_prefix('#') {
        let holders = [view, root].into_iter().flat_map(ResourceView::contained);
        let is_it = |each: &ResourceView<'_>| {
            each.value.get("id").and_then(Value::text).as_deref() == Some(id)
        };
        return holders.into_iter().find(is_it).map_or_else(
            || Lead::Nowhere(Severity::Error, "no contained resource has this id".to_owned()),
            Lead::Inside,
        );
    }
    let whole = canonical.split('#').next().unwrap_or_default();
    if let Some(found) = in_entries(root, whole) {
        return Lead::Inside(found);
    }
    let is_reference = whole.starts_with("Questionnaire/");
    let found = if is_reference {
        world.resolve(whole)
    } else {
        world.canonical(ResourceType::QUESTIONNAIRE, whole)
    };
    let text = match found {
        Found::Resource(resource) => return Lead::Outside(resource),
        Found::Type(found) if found != ResourceType::QUESTIONNAIRE => {
            let text = format!("expected a Questionnaire, found {found}");
            return Lead::Nowhere(Severity::Error, text);
        }
        Found::Missing if is_reference => {
            return Lead::Nowhere(Severity::Error, "there is no such Questionnaire".to_owned());
        }
        Found::Missing => "the Questionnaire is not here",
        Found::Type(_) | Found::Unread => "the Questionnaire was not looked for",
    };
    let text = format!("{text}, so that the answers are not held to it");
    Lead::Nowhere(Severity::Warning, text)
}

/// The Questionnaire of this canonical among the entries of a Bundle.
fn in_entries<'a>(root: ResourceView<'a>, canonical: &str) -> Option<ResourceView<'a>> {
    if root.resource_type != ResourceType::BUNDLE {
        return None;
    }
    let (url, version) =
        canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let has = |view: &ResourceView<'_>, key: &str, wanted: &str| {
        view.value.get(key).and_then(Value::text).as_deref() == Some(wanted)
    };
    let entries = root.value.get("entry").into_iter().flat_map(Value::items);
    let resources = entries.filter_map(|entry| ResourceView::of(entry.get("resource")?));
    let mut found = resources.filter(|view| {
        view.resource_type == ResourceType::QUESTIONNAIRE
            && has(view, "url", url)
            && version.is_none_or(|version| has(view, "version", version))
    });
    found.next()
}
