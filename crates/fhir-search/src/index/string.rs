//! Strings, and the parts of names and addresses.

use fhir_model::Value;

use super::builder::Builder;
use super::extract::text_at;
use crate::fold;
use crate::rows::StringRow;

const NAME_PARTS: [&str; 5] = ["text", "family", "given", "prefix", "suffix"];
pub(super) const ADDRESS_PARTS: [&str; 7] =
    ["text", "line", "city", "district", "state", "postalCode", "country"];

impl Builder<'_> {
    pub(super) fn string(&mut self, p: i32, text: &str) {
        let folded = fold::string(text);
        if !folded.is_empty() {
            let exact = self.hasher.exact(text);
            self.rows.string.push(StringRow { p, folded, exact });
        }
    }

    pub(super) fn name(&mut self, p: i32, value: Value<'_>) {
        self.parts(p, value, &NAME_PARTS);
        if let Some(family) = text_at(value, "family") {
            self.family_words(p, &family);
        }
    }

    /// The words of a family name after the first, by white space and hyphens.
    pub(super) fn family_words(&mut self, p: i32, family: &str) {
        let is_gap = |letter: char| letter.is_whitespace() || letter == '-';
        for word in family.split(is_gap).skip(1) {
            let folded = fold::string(word);
            if !folded.is_empty() {
                self.rows.string.push(StringRow { p, folded, exact: 0 });
            }
        }
    }

    pub(super) fn parts(&mut self, p: i32, value: Value<'_>, parts: &[&str]) {
        for part in parts.iter().filter_map(|part| value.get(part)).flat_map(Value::items) {
            if let Some(text) = part.text() {
                self.string(p, &text);
            }
        }
    }

    pub(super) fn concept_text(&mut self, p: i32, value: Value<'_>) {
        self.parts(p, value, &["text"]);
        for coding in value.get("coding").into_iter().flat_map(Value::items) {
            self.parts(p, coding, &["display"]);
        }
    }
}
