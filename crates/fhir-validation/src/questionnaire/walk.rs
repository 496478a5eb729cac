//! The walk over form and response at once: which items are there, in which order, how often.

use fhir_model::{Severity, Value};

use super::Asked;
use super::enable::{Enabled, Spot};
use super::form::{Form, FormItem, ItemKind};
use super::response::{Response, ResponseItem};
use crate::report::{Finding, RuleKind};

const MIN_OCCURS: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs";
const MAX_OCCURS: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs";

/// One check of one response.
pub(super) struct Walk<'w, 'd> {
    pub(super) form: &'w Form<'d>,
    pub(super) response: &'w Response<'d>,
    pub(super) asked: &'w Asked<'w>,
    /// Whether required answers must be there.
    pub(super) is_final: bool,
    pub(super) findings: &'w mut Vec<Finding>,
}

impl<'d> Walk<'_, 'd> {
    pub(super) fn run(&mut self, place: &str) {
        let (form, response) = (self.form, self.response);
        let spot = Spot { scope: None, in_answer: None, near: 0 };
        self.level(&form.roots, &response.roots, place, spot);
    }

    pub(super) fn told(
        &mut self,
        severity: Severity,
        item: &FormItem<'_>,
        place: impl Into<String>,
        text: impl Into<String>,
    ) {
        self.findings.push(Finding {
            severity,
            kind: RuleKind::Questionnaire,
            expression: place.into(),
            rule: self.form.rule(item),
            text: text.into(),
        });
    }

    pub(super) fn error(
        &mut self,
        item: &FormItem<'_>,
        place: impl Into<String>,
        text: impl Into<String>,
    ) {
        self.told(Severity::Error, item, place, text);
    }

    /// The items of one level: those of the form against those of the response.
    fn level(&mut self, wanted: &[usize], given: &[usize], place: &str, spot: Spot) {
        let (form, response) = (self.form, self.response);
        let mut found: Vec<Vec<usize>> = vec![Vec::new(); wanted.len()];
        let mut last = 0;
        for index in given {
            let Some(item) = response.item(*index) else { continue };
            let at = item.form.and_then(|form| wanted.iter().position(|each| *each == form));
            let known = item.form.and_then(|at| form.item(at));
            match (at, known) {
                (Some(at), Some(known)) => {
                    if at < last {
                        let text = "the items stand in another order than in the Questionnaire";
                        self.error(known, &item.place, text);
                    }
                    last = last.max(at);
                    if let Some(found) = found.get_mut(at) {
                        found.push(*index);
                    }
                }
                (None, Some(known)) => {
                    self.error(known, &item.place, "the item belongs in another place");
                }
                (_, None) => self.unknown(item),
            }
        }
        let mut near = spot.near;
        for (index, found) in wanted.iter().zip(&found) {
            if (self.asked.is_late)() {
                return;
            }
            let first = found.first().copied();
            let spot = Spot { near: first.unwrap_or(near), ..spot };
            self.item(*index, found, place, spot);
            let ends = found.iter().filter_map(|at| response.item(*at)).map(|item| item.end);
            near = ends.max().unwrap_or(near).max(near);
        }
    }

    fn unknown(&mut self, item: &ResponseItem<'_>) {
        self.findings.push(Finding {
            severity: Severity::Error,
            kind: RuleKind::Questionnaire,
            expression: format!("{}.linkId", item.place),
            rule: self.form.name.clone(),
            text: "the Questionnaire has no item of this linkId".to_owned(),
        });
    }

    /// One item of the form with what answers it.
    fn item(&mut self, index: usize, found: &[usize], place: &str, spot: Spot) {
        let (form, response) = (self.form, self.response);
        let Some(item) = form.item(index) else { return };
        let given: Vec<&ResponseItem<'d>> =
            found.iter().filter_map(|at| response.item(*at)).collect();
        let enabled = self.enabled(index, item, spot);
        if enabled == Enabled::No {
            for each in given.iter().filter(|each| each.has_content()) {
                self.error(item, &each.place, "the item is answered and is not enabled");
            }
            return;
        }
        self.count(item, &given, place, enabled == Enabled::Yes);
        for (each, at) in given.iter().zip(found) {
            self.one(item, each, *at);
        }
    }

    /// How often an item, or its answer, is there.
    fn count(
        &mut self,
        item: &FormItem<'_>,
        given: &[&ResponseItem<'_>],
        place: &str,
        is_enabled: bool,
    ) {
        let is_group = item.kind == ItemKind::Group;
        let count = if is_group {
            given.iter().filter(|each| each.has_content()).count()
        } else {
            given.iter().map(|each| each.values().count()).sum()
        };
        let what = if is_group { "groups" } else { "answers" };
        if count == 0 && item.is_required && self.is_final && is_enabled {
            if item.kind != ItemKind::Display {
                let at = given.first().map_or(place, |each| each.place.as_str());
                let text = format!("the item {} is required and not answered", item.link_id);
                self.error(item, at, text);
            }
        } else if let Some(least) = item.number(MIN_OCCURS)
            && count < least
            && self.is_final
            && is_enabled
            && (count > 0 || item.is_required)
        {
            let at = given.first().map_or(place, |each| each.place.as_str());
            self.error(item, at, format!("expected at least {least} {what}, found {count}"));
        }
        if let Some(most) = item.number(MAX_OCCURS)
            && count > most
        {
            let at = given.last().map_or(place, |each| each.place.as_str());
            self.error(item, at, format!("expected at most {most} {what}, found {count}"));
        }
        let Some(second) = given.get(1) else { return };
        if is_group && !item.repeats {
            self.error(item, &second.place, "the group is there twice and does not repeat");
        } else if !is_group {
            let text = "the item is there twice: a question that repeats has several answers";
            self.error(item, &second.place, text);
        }
    }

    /// One item of the response.
    fn one(&mut self, item: &FormItem<'d>, given: &ResponseItem<'d>, at: usize) {
        self.text(item, given);
        if item.kind == ItemKind::Group {
            if !given.answers.is_empty() {
                self.error(item, format!("{}.answer", given.place), "a group has no answers");
            }
            let spot = Spot { scope: Some(at), in_answer: None, near: at + 1 };
            self.level(&item.children, &given.children, &given.place, spot);
        } else if item.kind == ItemKind::Display {
            if given.has_content() {
                let text = "an item of type display has no answers and no items";
                self.error(item, &given.place, text);
            }
        } else {
            self.question(item, given, at);
        }
    }

    fn question(&mut self, item: &FormItem<'d>, given: &ResponseItem<'d>, at: usize) {
        if !given.children.is_empty() {
            let text = "the items of a question stand in its answer";
            self.error(item, format!("{}.item", given.place), text);
        }
        if let Some(second) = given.answers.get(1)
            && !item.repeats
        {
            self.error(item, &second.place, "the question takes one answer");
        }
        self.exclusive(item, given);
        let mut near = at + 1;
        for (number, answer) in given.answers.iter().enumerate() {
            self.answer(item, answer);
            let spot = Spot { scope: Some(at), in_answer: Some(number), near };
            self.level(&item.children, &answer.children, &answer.place, spot);
            let ends = answer.children.iter().filter_map(|at| self.response.item(*at));
            near = ends.map(|item| item.end).max().unwrap_or(near).max(near);
        }
    }

    fn text(&mut self, item: &FormItem<'_>, given: &ResponseItem<'_>) {
        let asked = item.value.get("text").and_then(Value::text);
        if let (Some(asked), Some(text)) = (asked, given.text())
            && asked != text
        {
            let place = format!("{}.text", given.place);
            let text = "the text is not that of the Questionnaire";
            self.told(Severity::Warning, item, place, text);
        }
    }
}
