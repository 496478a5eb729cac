//! Elements of several types: `value[x]`, said as `valueQuantity` or sliced by type.

use super::element::Element;
use super::group::SaidSlice;
use super::json::Json;
use super::make::Maker;
use super::merge::code_of;
use super::slicing;
use super::tree::{Node, Said};
use crate::model::Max;

/// Whether a name in a differential means this element: `valueQuantity` means `value[x]`.
pub(super) fn is_name_of(said: &str, name: &str) -> bool {
    said == name
        || name.strip_suffix("[x]").is_some_and(|stem| {
            said.strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        })
}

/// Leaves an element only one type.
pub(super) fn keep_type(element: &mut Element, code: &str) {
    let kept: Vec<Json> =
        element.items("type").iter().filter(|kind| code_of(kind) == code).cloned().collect();
    let kept =
        if kept.is_empty() { vec![Json::object([("code", Json::text_of(code))])] } else { kept };
    element.set("type", Json::List(kept));
}

impl Maker<'_> {
    /// The type that a name tells: `Quantity` for `valueQuantity`, `dateTime` for `valueDateTime`;
    /// `None` where the name is the element's own.
    pub(super) fn type_in_name(&mut self, main: &Node, name: &str) -> Option<String> {
        if *name == *main.name {
            return None;
        }
        let suffix = name.strip_prefix(main.name.strip_suffix("[x]")?)?;
        let is_it = |code: &str| capital(code) == suffix;
        if let Some(kind) = main.element.items("type").iter().find(|kind| is_it(code_of(kind))) {
            return Some(code_of(kind).to_owned());
        }
        // A profiled type, such as SimpleQuantity, or one that the base does not allow.
        let definition = self.definition_of_type(suffix);
        Some(
            definition.map_or_else(|| uncapital(suffix), |definition| definition.type_name.clone()),
        )
    }

    /// What the slices mean for the element that they slice.
    pub(super) fn after_slices(
        &mut self,
        base: &Node,
        of_main: Option<&Said>,
        of_slices: &[SaidSlice<'_>],
        group: &mut [Node],
    ) {
        let Some((main, slices)) = group.split_first_mut() else { return };
        if base.name.ends_with("[x]") {
            if !of_slices.is_empty() && slicing::is_by_type(&main.element) {
                let slicing = of_main.and_then(|said| said.element.get("slicing"));
                let is_closed = slicing.and_then(|said| said.text_at("rules")) == Some("closed");
                self.close_types(main, slices, of_slices, is_closed);
            }
        } else if of_main.is_none() && !of_slices.is_empty() {
            // Nobody said how often: as often as the slices ask.
            let least = slices.iter().filter_map(|slice| slice.element.min());
            let least = least.fold(0, u32::saturating_add);
            if main.element.min().is_some_and(|min| min < least) {
                main.element.set("min", Json::count(least));
            }
        }
    }

    /// A choice sliced by type: one slice that must be there leaves no other type, and the slicing
    /// is closed where every type has its slice. Where the differential says `closed`, a type
    /// without a slice may not come, whatever the base allows.
    fn close_types(
        &mut self,
        main: &mut Node,
        slices: &mut [Node],
        of_slices: &[SaidSlice<'_>],
        is_closed: bool,
    ) {
        let is_required = |slice: &&Node| slice.element.min().is_some_and(|min| min > 0);
        let mut required = slices.iter().filter(is_required);
        if let Some(one) = required.next() {
            if let (Some(_), Some(said)) = (required.next(), of_slices.first()) {
                let text = "two types cannot both have to be there".to_owned();
                self.fault(said.said, "min", text);
            }
            main.element.set("min", Json::count(1));
            if let Some(code) = one.element.items("type").first().map(code_of).map(str::to_owned) {
                keep_type(&mut main.element, &code);
            }
        }
        let is_out = |slice: &&Node| slice.element.max() == Some(Max::Times(0));
        let codes = |slices: &[Node], of: &dyn Fn(&&Node) -> bool| -> Vec<String> {
            let of_them = slices.iter().filter(|each| of(each));
            of_them
                .flat_map(|each| each.element.items("type"))
                .map(code_of)
                .map(str::to_owned)
                .collect()
        };
        let out = codes(slices, &is_out);
        let all = codes(slices, &|_| true);
        let has = |codes: &[String], kind: &Json| codes.iter().any(|code| code == code_of(kind));
        // `valueQuantity` alone has always meant that there is no other type.
        let is_shortcut = of_slices.iter().all(|each| each.type_code.is_some());
        let types = main.element.items("type");
        let is_meant = |kind: &&Json| !(is_shortcut || is_closed) || has(&all, kind);
        let meant: Vec<Json> = types.iter().filter(is_meant).cloned().collect();
        let mut left: Vec<Json> = meant.iter().filter(|kind| !has(&out, kind)).cloned().collect();
        if left.is_empty() {
            left = meant;
        }
        let is_covered = left.iter().all(|kind| has(&all, kind));
        if left.len() < types.len() && !left.is_empty() {
            main.element.set("type", Json::List(left));
        }
        let mut by_type = slicing::by_type();
        by_type.set("rules", Json::text_of(if is_covered { "closed" } else { "open" }));
        main.element.set("slicing", by_type);
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn uncapital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}
