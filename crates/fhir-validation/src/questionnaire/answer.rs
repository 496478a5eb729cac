//! One answer: its type, its options, its extent.

use fhir_model::Severity;

use super::compare::Typed;
use super::form::{FormItem, ItemKind, choice};
use super::response::Answer;
use super::walk::Walk;

impl<'d> Walk<'_, 'd> {
    /// Holds one answer to its question.
    pub(super) fn answer(&mut self, item: &FormItem<'d>, answer: &Answer<'d>) {
        let Some(typed) = choice(answer.value, "value") else {
            let text = "the answer has no value";
            self.told(Severity::Warning, item, &answer.place, text);
            return;
        };
        let place = format!("{}.value", answer.place);
        if let Some(expected) = self.wrong_type(item, &typed) {
            let text = format!("expected {expected}, found value{}", typed.0);
            self.error(item, place, text);
            return;
        }
        let is_choice = matches!(item.kind, ItemKind::Choice | ItemKind::OpenChoice);
        if is_choice || item.value.get("answerOption").is_some() {
            self.option(item, &typed, &place);
        }
        self.extent(item, &typed, &place);
    }

    /// What the question takes, where the answer is of another type.
    fn wrong_type(&self, item: &FormItem<'_>, (found, _): &Typed<'_>) -> Option<String> {
        let takes: &[&str] = match item.kind {
            ItemKind::Boolean => &["Boolean"],
            ItemKind::Decimal => &["Decimal"],
            ItemKind::Integer => &["Integer"],
            ItemKind::Date => &["Date"],
            ItemKind::DateTime => &["DateTime"],
            ItemKind::Time => &["Time"],
            ItemKind::String | ItemKind::Text => &["String"],
            ItemKind::Url => &["Uri"],
            ItemKind::Attachment => &["Attachment"],
            ItemKind::Reference => &["Reference"],
            ItemKind::Quantity => &["Quantity"],
            ItemKind::Choice | ItemKind::OpenChoice => return self.wrong_choice(item, found),
            ItemKind::Group | ItemKind::Display | ItemKind::Unknown => return None,
        };
        let fits = takes.contains(&found.as_str());
        (!fits).then(|| format!("value{}", takes.concat()))
    }

    /// A choice takes what its options are, codes where there are none; an open one texts too.
    fn wrong_choice(&self, item: &FormItem<'_>, found: &str) -> Option<String> {
        let mut takes: Vec<String> =
            self.options(item).into_iter().map(|(_, (kind, _))| kind).collect();
        if takes.is_empty() || item.value.get("answerValueSet").is_some() {
            takes.push("Coding".to_owned());
        }
        if item.kind == ItemKind::OpenChoice {
            takes.push("String".to_owned());
        }
        takes.sort_unstable();
        takes.dedup();
        let fits = takes.iter().any(|takes| takes == found);
        (!fits).then(|| format!("value{}", takes.join(" or value")))
    }
}
