//! Which items are enabled. Spec: <https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen>

use std::cmp::Ordering;

use fhir_model::Value;

use super::compare::{self, Typed};
use super::form::{FormItem, choice};
use super::response::ResponseItem;
use super::walk::Walk;

/// An extension that enables by an expression, which is not evaluated.
const EXPRESSION: &str =
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression";

/// Whether an item is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enabled {
    Yes,
    No,
    /// Nobody can tell.
    Unknown,
}

/// Where an item stands, or would stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The response item in which it stands.
    pub(super) scope: Option<usize>,
    /// Which answer of that one.
    pub(super) in_answer: Option<usize>,
    /// What is before this index comes before it.
    pub(super) near: usize,
}

impl Walk<'_, '_> {
    /// Whether the item of the form is enabled at a spot.
    pub(super) fn enabled(&self, index: usize, item: &FormItem<'_>, spot: Spot) -> Enabled {
        if item.value.get("extension").into_iter().flat_map(Value::items).any(|extension| {
            extension.get("url").and_then(Value::text).as_deref() == Some(EXPRESSION)
        }) {
            return Enabled::Unknown;
        }
        let conditions = item.value.get("enableWhen").into_iter().flat_map(Value::items);
        let mut verdicts = conditions.map(|condition| self.holds(index, condition, spot));
        let Some(first) = verdicts.next() else { return Enabled::Yes };
        let behavior = item.value.get("enableBehavior").and_then(Value::text);
        let decisive = if behavior.as_deref() == Some("any") { Enabled::Yes } else { Enabled::No };
        std::iter::once(first).chain(verdicts).fold(first, |before, next| {
            if before == decisive || next == decisive {
                decisive
            } else if before == Enabled::Unknown {
                before
            } else {
                next
            }
        })
    }

    fn holds(&self, index: usize, condition: Value<'_>, spot: Spot) -> Enabled {
        let text = |key: &str| condition.get(key).and_then(Value::text);
        let question = text("question").and_then(|link_id| self.form.find(&link_id));
        // A form that asks for what it doesn't have is wrong itself; the response isn't.
        let (Some(question), Some(expected)) = (question, choice(condition, "answer")) else {
            return Enabled::Unknown;
        };
        let asked = self.asked(index, question, spot);
        let answers: Vec<Typed<'_>> = asked.into_iter().flat_map(ResponseItem::values).collect();
        let any = |test: &dyn Fn(&Typed<'_>) -> bool| answers.iter().any(test);
        let ordered = |wanted: &[Ordering]| {
            any(&|answer| {
                compare::order(answer, &expected, self.asked.zone)
                    .is_some_and(|order| wanted.contains(&order))
            })
        };
        let is_met = match text("operator").as_deref() {
            Some("exists") => answers.is_empty() != (expected.1.literal() == Some("true")),
            Some("=") => any(&|answer| compare::is_equal(answer, &expected, self.asked.zone)),
            Some("!=") => any(&|answer| !compare::is_equal(answer, &expected, self.asked.zone)),
            Some(">") => ordered(&[Ordering::Greater]),
            Some("<") => ordered(&[Ordering::Less]),
            Some(">=") => ordered(&[Ordering::Greater, Ordering::Equal]),
            Some("<=") => ordered(&[Ordering::Less, Ordering::Equal]),
            _ => return Enabled::Unknown,
        };
        if is_met { Enabled::Yes } else { Enabled::No }
    }

    /// The occurrence of the question that is meant: what the item stands in, or the nearest one
    /// before it, or the nearest one after it, in the part of the response that stands for the
    /// nearest common part of the form.
    fn asked(&self, index: usize, question: usize, spot: Spot) -> Option<&ResponseItem<'_>> {
        let around: Vec<usize> = self.form.line(index).skip(1).collect();
        let common = self.form.line(question).find(|each| around.contains(each));
        let is_common = |at: &usize| {
            let form = self.response.item(*at).and_then(|item| item.form);
            form.is_some() && form == common
        };
        let scope = self.line(spot.scope).find(is_common);
        if common.is_some() && common == Some(question) {
            return scope.and_then(|at| self.response.item(at));
        }
        let (start, end) = match scope {
            Some(at) => (at + 1, self.response.item(at).map_or(at + 1, |item| item.end)),
            None => (0, self.response.items.len()),
        };
        let own = self.branch(spot, scope);
        let is_it = |at: &usize| {
            let item = self.response.item(*at);
            item.and_then(|item| item.form) == Some(question)
                && own.is_none_or(|own| self.answer_below(*at, scope) == Some(own))
        };
        let before = (start..spot.near.clamp(start, end)).rev().find(is_it);
        let found = before.or_else(|| (spot.near.clamp(start, end)..end).find(is_it));
        found.and_then(|at| self.response.item(at))
    }

    /// A response item and all that it stands in.
    fn line(&self, from: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(from, |at| self.response.item(*at)?.parent)
    }

    /// The answer of `scope` that a spot stands in.
    fn branch(&self, spot: Spot, scope: Option<usize>) -> Option<usize> {
        if spot.scope == scope {
            return spot.in_answer;
        }
        self.answer_below(spot.scope?, scope)
    }

    /// The answer of `scope` in which the item `at` stands, however deep.
    fn answer_below(&self, at: usize, scope: Option<usize>) -> Option<usize> {
        let below = self
            .line(Some(at))
            .find(|each| self.response.item(*each).is_some_and(|item| item.parent == scope));
        self.response.item(below?)?.in_answer
    }
}
