//! What a differential says of one element, laid over what the element is.
//!
//! Numbers, fixed values, patterns and types replace; texts that start with `...` are added to;
//! constraints, conditions, aliases, codes, examples and mappings accumulate.

use fhir_model::{Issue, IssueType};

use super::element::Element;
use super::extensions;
use super::json::Json;
use super::make::Maker;
use super::tree::Said;
use crate::model::{Max, Strength};

/// What replaces whatever was there.
const REPLACED: [&str; 5] =
    ["short", "isSummary", "maxLength", "sliceIsConstraining", "orderMeaning"];
/// The same, with a type in the name.
const REPLACED_TYPED: [&str; 4] = ["fixed", "pattern", "minValue", "maxValue"];
/// Markdown that `...` adds to.
const TEXTS: [&str; 4] = ["definition", "comment", "label", "requirements"];
/// Lists that grow, each with the member by which its items are told apart (empty: by all).
const GROWING: [(&str, &str); 5] =
    [("alias", ""), ("code", ""), ("example", ""), ("condition", ""), ("constraint", "key")];
/// The types that a binding means something for.
const BINDABLE: [&str; 6] = ["Coding", "CodeableConcept", "Quantity", "uri", "string", "code"];

impl Maker<'_> {
    /// Lays what is said over an element. `name` is the last name of its path in the base.
    pub(super) fn constrain(&mut self, element: &mut Element, said: &Said, name: &str) {
        if !said.is_entry {
            return;
        }
        let words = &said.element;
        let is_extension = matches!(name, "Extension" | "extension" | "modifierExtension");
        if is_extension {
            reset_words(element);
        }
        extensions::inherit(element, words);
        self.words_of_profile(element, words);
        for key in REPLACED {
            element.take(key, words);
        }
        for key in TEXTS {
            append(element, words, key);
        }
        self.numbers(element, said);
        for start in REPLACED_TYPED {
            if let Some(key) = words.typed_key(start) {
                element.remove_typed(start);
                element.take(key.strip_prefix('_').unwrap_or(key), words);
            }
        }
        for (key, told_by) in GROWING {
            grow(element, words, key, told_by);
        }
        grow_mappings(element, words);
        self.flags(element, said, is_extension);
        self.types(element, said);
        self.binding(element, said);
    }

    /// What an extension or a resource is called where it is used: the words of its own root.
    fn words_of_profile(&mut self, element: &mut Element, words: &Element) {
        let [kind] = words.items("type") else { return };
        let Some(profile) = kind.items_at("profile").first().and_then(Json::text) else { return };
        let Some(definition) = self.definition(profile) else { return };
        if definition.type_name != "Extension" && definition.kind != "resource" {
            return;
        }
        let root = &definition.root.element;
        for key in ["definition", "short", "comment", "requirements"] {
            element.take(key, root);
        }
        for key in ["alias", "mapping"] {
            element.remove(key);
            element.take(key, root);
        }
    }

    fn numbers(&mut self, element: &mut Element, said: &Said) {
        let words = &said.element;
        if let (Some(old), Some(new)) = (element.min(), words.min())
            && new < old
            && said.slice.is_none()
        {
            self.fault(said, "min", format!("the base asks for at least {old}, not {new}"));
        }
        if let (Some(old), Some(new)) = (element.max(), words.max())
            && new > old
        {
            self.fault(said, "max", format!("the base allows at most {old}, not {new}"));
        }
        element.take("min", words);
        element.take("max", words);
        if let (Some(min), Some(Max::Times(max))) = (element.min(), element.max())
            && min > max
        {
            let text = format!("at least {min} and at most {max} cannot both be");
            self.fault(said, if words.has("min") { "min" } else { "max" }, text);
        }
    }

    fn flags(&mut self, element: &mut Element, said: &Said, is_extension: bool) {
        let words = &said.element;
        let is_true =
            |element: &Element, key: &str| element.get(key).and_then(Json::literal) == Some("true");
        if is_true(element, "mustSupport")
            && words.has("mustSupport")
            && !is_true(words, "mustSupport")
        {
            self.fault(said, "mustSupport", "the base says true".to_owned());
        }
        element.take("mustSupport", words);
        // A profile cannot make something a modifier that was none; an extension says it of
        // itself.
        if is_extension {
            element.take("isModifier", words);
            element.take("isModifierReason", words);
        }
    }

    fn types(&mut self, element: &mut Element, said: &Said) {
        let words = &said.element;
        if !words.has("type") {
            return;
        }
        for kind in words.items("type").iter().filter(|_| element.has("type")) {
            let code = work_code(kind);
            let mut old = element.items("type").iter();
            if !old.any(|old| self.is_kind_of(code, work_code(old))) {
                let text = format!("{code} is none of the types that the base allows");
                self.fault(said, "type", text);
            }
        }
        let old: Vec<Json> = element.items("type").to_vec();
        element.take("type", words);
        element.change("type", |types| {
            let Json::List(types) = types else { return };
            for kind in types {
                if let Some(old) = old.iter().find(|old| code_of(old) == code_of(kind)) {
                    extensions::inherit_of_type(kind, old);
                }
            }
        });
    }

    fn binding(&mut self, element: &mut Element, said: &Said) {
        let strength = |element: &Element| {
            element.get("binding")?.text_at("strength").and_then(Strength::named)
        };
        if let Some(words) = said.element.get("binding") {
            if strength(element) == Some(Strength::Required)
                && strength(&said.element).is_some_and(|strength| strength != Strength::Required)
            {
                self.fault(said, "binding", "the base binds with strength required".to_owned());
            }
            let mut binding = element.get("binding").cloned().unwrap_or(Json::Object(Vec::new()));
            if binding != *words {
                binding.remove("extension");
                binding.remove("description");
                for (key, value) in words.members() {
                    binding.set(key, value.clone());
                }
                element.set("binding", binding);
            }
        } else {
            extensions::thin_binding(element);
        }
        let mut types = element.items("type").iter().map(code_of);
        if element.has("binding")
            && element.has("type")
            && !types.any(|code| BINDABLE.contains(&code))
        {
            element.remove("binding");
        }
    }

    pub(super) fn fault(&mut self, said: &Said, member: &str, text: String) {
        let place = format!("StructureDefinition.differential.element[{}].{member}", said.index);
        self.faults.push(Issue::error(IssueType::BusinessRule, text).at(place));
    }
}

/// The code of a type.
pub(super) fn code_of(kind: &Json) -> &str {
    kind.text_at("code").unwrap_or_default()
}

/// The FHIR type of a type: what an extension says beside a `System` code, else the code.
pub(super) fn work_code(kind: &Json) -> &str {
    let url = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
    let mut extensions = kind.items_at("extension").iter();
    let extension = extensions.find(|each| each.text_at("url") == Some(url));
    let said =
        extension.and_then(|each| each.text_at("valueUrl").or_else(|| each.text_at("valueUri")));
    said.unwrap_or_else(|| code_of(kind))
}

/// What any extension is called before its own definition is heard.
pub(super) fn reset_words(element: &mut Element) {
    for key in ["short", "definition", "comment", "requirements", "alias", "mapping"] {
        element.remove(key);
    }
    element.set("short", Json::text_of("Extension"));
    element.set("definition", Json::text_of("An Extension"));
}

fn append(element: &mut Element, words: &Element, key: &str) {
    let added = words.text(key).and_then(|text| text.strip_prefix("..."));
    match (added, element.text(key)) {
        (Some(added), Some(old)) => {
            let text = format!("{old}\r\n{added}");
            element.set(key, Json::text_of(&text));
        }
        (Some(added), None) => element.set(key, Json::text_of(added)),
        (None, _) => element.take(key, words),
    }
}

fn grow(element: &mut Element, words: &Element, key: &str, told_by: &str) {
    for item in words.items(key) {
        let is_same = |old: &Json| {
            if told_by.is_empty() { old == item } else { old.get(told_by) == item.get(told_by) }
        };
        if !element.items(key).iter().any(is_same) {
            element.push(key, item.clone());
        }
    }
}

/// A mapping that says the same for the same target is there once.
fn grow_mappings(element: &mut Element, words: &Element) {
    for item in words.items("mapping") {
        let is_same = |old: &Json| {
            let text = |mapping: &Json| mapping.text_at("map").map(|text| text.trim().to_owned());
            old.get("identity") == item.get("identity") && text(old) == text(item)
        };
        if !element.items("mapping").iter().any(is_same) {
            element.push("mapping", item.clone());
        }
    }
}
