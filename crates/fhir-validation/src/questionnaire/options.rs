//! The options of a question: those it lists, and those of a value set.

use fhir_model::{ResourceType, ResourceView, Severity, Value};

use super::compare::{self, Typed};
use super::form::{FormItem, ItemKind, choice, extensions, text};
use super::response::ResponseItem;
use super::walk::Walk;
use crate::world::{Coded, Membership};

const EXCLUSIVE: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive";

impl<'d> Walk<'_, 'd> {
    /// The options that a question lists, each with the value that it stands for.
    pub(super) fn options(&self, item: &FormItem<'d>) -> Vec<(Value<'d>, Typed<'d>)> {
        let list = item.value.get("answerOption").into_iter().flat_map(Value::items);
        list.filter_map(|option| Some((option, choice(option, "value")?))).collect()
    }

    /// Whether an answer is among the options.
    pub(super) fn option(&mut self, item: &FormItem<'d>, typed: &Typed<'_>, place: &str) {
        let options = self.options(item);
        let is_listed =
            options.iter().any(|(_, each)| compare::is_equal(typed, each, self.asked.zone));
        if is_listed {
            return;
        }
        let is_free = item.kind == ItemKind::OpenChoice && typed.0 == "String";
        let value_set = item.value.get("answerValueSet").and_then(Value::text);
        match value_set {
            Some(value_set) if typed.0 == "Coding" => {
                self.of_value_set(item, typed.1, &value_set, place);
            }
            Some(_) | None if is_free || options.is_empty() => {}
            Some(_) | None => self.error(item, place, "the answer is none of the options"),
        }
    }

    fn of_value_set(
        &mut self,
        item: &FormItem<'_>,
        coding: Value<'_>,
        value_set: &str,
        place: &str,
    ) {
        let text = |key: &str| coding.get(key).and_then(Value::text);
        let Some(code) = text("code") else {
            self.error(item, place, "the answer has no code, and options come from a value set");
            return;
        };
        let (system, version, display) = (text("system"), text("version"), text("display"));
        let coded = Coded {
            system: system.as_deref(),
            version: version.as_deref(),
            code: &code,
            display: display.as_deref(),
        };
        let membership = match value_set.strip_prefix('#') {
            None => self.asked.world.member(value_set, &coded),
            Some(id) => self.contained(id, &coded),
        };
        match membership {
            Membership::In { wrong_display: None } => {}
            Membership::In { wrong_display: Some(_) } => {
                let text = "the display is none that the code has";
                self.told(Severity::Warning, item, format!("{place}.display"), text);
            }
            Membership::Out => {
                let text = format!("the code is not in the value set {value_set}");
                self.error(item, place, text);
            }
            Membership::Unknown(why) => {
                let text = format!("the code cannot be looked up: {why}");
                self.told(Severity::Warning, item, place, text);
            }
        }
    }

    /// Whether a code is in a ValueSet that the Questionnaire contains: what that lists is looked
    /// at here, the value sets that it includes are asked for.
    fn contained(&self, id: &str, coded: &Coded<'_>) -> Membership {
        let is_it = |each: &ResourceView<'_>| {
            each.resource_type == ResourceType::VALUE_SET
                && each.value.get("id").and_then(Value::text).as_deref() == Some(id)
        };
        let Some(value_set) = self.form.view.contained().find(is_it) else {
            return Membership::Unknown("the Questionnaire contains no such ValueSet".to_owned());
        };
        let compose = value_set.value.get("compose");
        let parts = |key: &str| compose.and_then(|compose| compose.get(key));
        let mut verdict = Membership::Out;
        for include in parts("include").into_iter().flat_map(Value::items) {
            match self.included(include, coded) {
                Membership::Out => {}
                found @ Membership::In { .. } => {
                    verdict = found;
                    break;
                }
                unknown @ Membership::Unknown(_) => verdict = unknown,
            }
        }
        let excluded = parts("exclude").into_iter().flat_map(Value::items);
        for exclude in excluded {
            match self.included(exclude, coded) {
                Membership::In { .. } => return Membership::Out,
                Membership::Unknown(why) => return Membership::Unknown(why),
                Membership::Out => {}
            }
        }
        verdict
    }

    fn included(&self, include: Value<'_>, coded: &Coded<'_>) -> Membership {
        let system = text(include, "system");
        let found = Membership::In { wrong_display: None };
        if system.is_some() && system.as_deref() != coded.system {
            return Membership::Out;
        }
        if let Some(concepts) = include.get("concept") {
            let has =
                concepts.items().any(|each| text(each, "code").as_deref() == Some(coded.code));
            if !has {
                return Membership::Out;
            }
        } else if let Some(system) = &system {
            if include.get("filter").is_some() {
                return Membership::Unknown(format!(
                    "a filter on {system} in a contained ValueSet"
                ));
            }
            let whole = format!("{system}?fhir_vs");
            let membership = self.asked.world.member(&whole, coded);
            if !matches!(membership, Membership::In { .. }) {
                return membership;
            }
        }
        for value_set in include.get("valueSet").into_iter().flat_map(Value::items) {
            let Some(url) = value_set.text() else { continue };
            let membership = self.asked.world.member(&url, coded);
            if !matches!(membership, Membership::In { .. }) {
                return membership;
            }
        }
        found
    }

    /// An option that excludes others is chosen alone.
    pub(super) fn exclusive(&mut self, item: &FormItem<'d>, given: &ResponseItem<'d>) {
        if given.answers.len() < 2 {
            return;
        }
        let is_exclusive = |option: &Value<'_>| {
            extensions(*option, EXCLUSIVE).any(|value| value.literal() == Some("true"))
        };
        let options = self.options(item);
        let alone: Vec<_> = options.iter().filter(|(option, _)| is_exclusive(option)).collect();
        let is_alone = |typed: &Typed<'_>| {
            alone.iter().any(|(_, each)| compare::is_equal(typed, each, self.asked.zone))
        };
        let place = given
            .answers
            .iter()
            .find(|answer| choice(answer.value, "value").is_some_and(|typed| is_alone(&typed)));
        if let Some(answer) = place {
            let text = "this option is chosen alone, not beside others";
            self.error(item, format!("{}.value", answer.place), text);
        }
    }
}
