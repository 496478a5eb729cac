//! How slices are told apart.

use super::element::Element;
use super::json::Json;
use super::make::Maker;
use super::tree::Said;

/// What extensions are told apart by.
pub(super) fn by_url() -> Json {
    told_by("value", "url", "open")
}

/// What the types of a choice are told apart by; whether it is open is found out later.
pub(super) fn by_type() -> Json {
    told_by("type", "$this", "closed")
}

fn told_by(kind: &str, path: &str, rules: &str) -> Json {
    let discriminator =
        Json::object([("type", Json::text_of(kind)), ("path", Json::text_of(path))]);
    Json::object([
        ("discriminator", Json::List(vec![discriminator])),
        ("ordered", Json::flag(false)),
        ("rules", Json::text_of(rules)),
    ])
}

pub(super) fn is_closed(element: &Element) -> bool {
    element.get("slicing").and_then(|slicing| slicing.text_at("rules")) == Some("closed")
}

/// Whether it is sliced by type alone.
pub(super) fn is_by_type(element: &Element) -> bool {
    let Some(slicing) = element.get("slicing") else { return false };
    let is_type =
        |each: &Json| each.text_at("type") == Some("type") && each.text_at("path") == Some("$this");
    slicing.items_at("discriminator").iter().all(is_type)
}

impl Maker<'_> {
    /// Lays the slicing of a differential over that of the base: discriminators are added, rules
    /// become stricter, order is only asked for.
    pub(super) fn slicing(&mut self, element: &mut Element, said: &Said) {
        let Some(words) = said.element.get("slicing") else { return };
        let Some(old) = element.get("slicing") else {
            element.set("slicing", words.clone());
            return;
        };
        let mut slicing = old.clone();
        let is_ordered =
            |slicing: &Json| slicing.get("ordered").and_then(Json::literal) == Some("true");
        if is_ordered(old) && words.get("ordered").is_some() && !is_ordered(words) {
            self.fault(said, "slicing", "the base asks for order".to_owned());
        }
        let rank = |slicing: &Json| match slicing.text_at("rules") {
            Some("closed") => 2,
            Some("openAtEnd") => 1,
            Some(_) | None => 0,
        };
        let is_looser = words.text_at("rules").is_some() && rank(words) < rank(old);
        if is_looser && !is_by_type(element) {
            self.fault(said, "slicing", "the rules of the base are stricter".to_owned());
        }
        let mut discriminators = old.items_at("discriminator").to_vec();
        let same_first = words.items_at("discriminator").iter().zip(&discriminators);
        if same_first.clone().any(|(new, old)| new != old) {
            let text = "the base tells slices apart by something else".to_owned();
            self.fault(said, "slicing", text);
        }
        for each in words.items_at("discriminator") {
            if !discriminators.contains(each) {
                discriminators.push(each.clone());
            }
        }
        if !discriminators.is_empty() {
            slicing.set("discriminator", Json::List(discriminators));
        }
        for key in ["ordered", "rules"] {
            if let Some(value) = words.get(key) {
                slicing.set(key, value.clone());
            }
        }
        element.set("slicing", slicing);
    }
}
