//! Which extensions of an element the elements that stand on it have as well.

use super::element::Element;
use super::json::Json;

const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";
const TOOLS: &str = "http://hl7.org/fhir/tools/StructureDefinition/";

/// Said of one definition alone: its maturity, its owner, the name of its type.
const NOT_INHERITED: [&str; 11] = [
    "elementdefinition-isCommonBinding",
    "structuredefinition-category",
    "structuredefinition-explicit-type-name",
    "structuredefinition-fmm",
    "structuredefinition-implements",
    "structuredefinition-normative-version",
    "structuredefinition-security-category",
    "structuredefinition-standards-status",
    "structuredefinition-standards-status-reason",
    "structuredefinition-summary",
    "structuredefinition-wg",
];

const NOT_INHERITED_TOOLS: [&str; 3] = ["binding-definition", "no-binding", "obligation-profile"];

/// A profile cannot change them.
const KEPT: [&str; 2] = ["elementdefinition-translatable", "elementdefinition-defaulttype"];

/// A profile's value replaces the base's; all others stand beside it.
const REPLACED: [&str; 8] = [
    "designNote",
    "elementdefinition-allowedUnits",
    "elementdefinition-question",
    "entryFormat",
    "maxDecimalPlaces",
    "maxSize",
    "minLength",
    "structuredefinition-display-hint",
];

/// On types: what the base says holds for the same type in the profile.
const OF_TYPE: [&str; 3] =
    ["elementdefinition-pattern", "elementdefinition-type-must-support", "obligation"];

fn url(extension: &Json) -> &str {
    extension.text_at("url").unwrap_or_default()
}

fn is_one_of(url: &str, names: &[&str]) -> bool {
    url.strip_prefix(CORE).is_some_and(|name| names.contains(&name))
}

fn is_inherited(url: &str) -> bool {
    let is_of_tools =
        url.strip_prefix(TOOLS).is_some_and(|name| NOT_INHERITED_TOOLS.contains(&name));
    !is_of_tools && !is_one_of(url, &NOT_INHERITED)
}

/// Removes from an element what those standing on it do not have.
pub(super) fn thin(element: &mut Element) {
    let is_clean = |extension: &Json| is_inherited(url(extension));
    if !element.items("extension").iter().all(is_clean) {
        let kept: Vec<Json> =
            element.items("extension").iter().filter(|each| is_clean(each)).cloned().collect();
        if kept.is_empty() {
            element.remove("extension");
        } else {
            element.set("extension", Json::List(kept));
        }
    }
    thin_binding(element);
}

/// The same for what stands on the binding.
pub(super) fn thin_binding(element: &mut Element) {
    let is_clean = |extension: &Json| is_inherited(url(extension));
    let Some(binding) = element.get("binding") else { return };
    if binding.items_at("extension").iter().all(is_clean) {
        return;
    }
    element.change("binding", |binding| {
        let kept: Vec<Json> =
            binding.items_at("extension").iter().filter(|each| is_clean(each)).cloned().collect();
        if kept.is_empty() {
            binding.remove("extension");
        } else {
            binding.set("extension", Json::List(kept));
        }
    });
}

/// Adds the extensions of what is said.
pub(super) fn inherit(element: &mut Element, words: &Element) {
    for extension in words.items("extension") {
        let url = url(extension);
        let is_there = element.items("extension").iter().any(|old| self::url(old) == url);
        if is_there && is_one_of(url, &KEPT) {
            continue;
        }
        if is_there && is_one_of(url, &REPLACED) {
            element.change("extension", |list| {
                if let Json::List(items) = list {
                    for old in items.iter_mut().filter(|old| self::url(old) == url) {
                        *old = extension.clone();
                    }
                }
            });
        } else if !element.items("extension").contains(extension) {
            element.push("extension", extension.clone());
        }
    }
}

/// Adds to a type what the base says of the same type.
pub(super) fn inherit_of_type(kind: &mut Json, old: &Json) {
    for extension in old.items_at("extension") {
        let is_there = kind.items_at("extension").iter().any(|each| url(each) == url(extension));
        if is_there || !is_one_of(url(extension), &OF_TYPE) {
            continue;
        }
        let mut all = kind.items_at("extension").to_vec();
        all.push(extension.clone());
        kind.set("extension", Json::List(all));
    }
}
