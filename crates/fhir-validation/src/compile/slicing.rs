//! Slicings: discriminators, slices and re-slices.

use fhir_model::{Kind, Value};
use fhir_path::Type;

use super::element::text;
use super::{Builder, Place, checks};
use crate::program::{
    Discriminator, DiscriminatorKind, Openness, Rule, Slice, Slicing, Step, check,
};
use std::sync::OnceLock;

impl<'l> Builder<'l> {
    /// Reads `ElementDefinition.slicing` into a rule.
    pub(super) fn slicing_of(&mut self, element: Value<'_>, rule: &mut Rule, path: &str) {
        let Some(slicing) = element.get("slicing") else { return };
        let mut discriminators = Vec::new();
        for each in slicing.get("discriminator").into_iter().flat_map(Value::items) {
            let kind = match text(each, "type").as_deref() {
                Some("value" | "pattern") => DiscriminatorKind::Value,
                Some("exists") => DiscriminatorKind::Exists,
                Some("type") => DiscriminatorKind::Type,
                Some("profile") => DiscriminatorKind::Profile,
                _ => {
                    self.fault(path, "a discriminator of a kind that R4 does not have");
                    continue;
                }
            };
            let discriminated = text(each, "path").unwrap_or_default();
            let Some(steps) = steps(&discriminated) else {
                self.fault(path, "the path of a discriminator cannot be read");
                continue;
            };
            discriminators.push(Discriminator { kind, path: (*discriminated).into(), steps });
        }
        rule.slicing = Some(Box::new(Slicing {
            openness: match text(slicing, "rules").as_deref() {
                Some("closed") => Openness::Closed,
                Some("openAtEnd") => Openness::OpenAtEnd,
                _ => Openness::Open,
            },
            is_ordered: slicing.get("ordered").is_some_and(|value| value.kind() == Kind::True),
            discriminators,
            slices: Vec::new(),
        }));
    }

    /// Reads a slice of the list that `head` is the rule of.
    pub(super) fn slice(&mut self, element: Value<'_>, path: &str, name: &str, head: Place<'l>) {
        let mut rule = self.read(element, path);
        let types: Vec<Type> = rule.types.iter().filter_map(|each| each.code).collect();
        let definition = match types.as_slice() {
            [only] => super::definition_of(*only).filter(|_| {
                // A nested type has a name of its own that no profile writes.
                !matches!(only, Type::BackboneElement | Type::Element)
            }),
            _ => None,
        };
        let list = self.rule(head.head).map(|rule| rule.types.len());
        let definition = definition.or_else(|| self.slice_definition(head));
        rule.constraints = self.own_constraints(element, definition, head.base, Some(head.head));
        self.slicing_of(element, &mut rule, path);
        let base = head.base.and_then(|(program, index)| program.rule(index));
        rule.checks = checks(&rule, base, self.is_base) & !check::COUNT;
        if list.is_none_or(|count| count == rule.types.len()) {
            rule.checks &= !check::TYPES;
        }
        let is_extension = matches!(&*rule.name, "extension" | "modifierExtension");
        let is_choice = path.ends_with("[x]");
        let index = self.push(rule);
        let Some(whole) = self.rule_mut(head.head) else { return };
        let slicing = whole.slicing.get_or_insert_default();
        if slicing.discriminators.is_empty() {
            // Extensions and choices are told apart in one way only; some snapshots leave it out.
            let implied = if is_extension {
                Some((DiscriminatorKind::Value, "url", vec![Step::Member("url".into())]))
            } else {
                is_choice.then(|| (DiscriminatorKind::Type, "$this", Vec::new()))
            };
            slicing.discriminators.extend(implied.map(|(kind, path, steps)| Discriminator {
                kind,
                path: path.into(),
                steps,
            }));
        }
        let within = name
            .rsplit_once('/')
            .and_then(|(outer, _)| slicing.slices.iter().position(|slice| &*slice.name == outer));
        slicing.slices.push(Slice {
            name: name.into(),
            rule: index,
            within: within.and_then(|within| u16::try_from(within).ok()),
            matchers: OnceLock::new(),
        });
        self.open.push(Place { rule: index, head: head.head, definition, base: head.base });
    }

    /// The type of a slice that names none: that of the list.
    fn slice_definition(&self, head: Place<'l>) -> Option<fhir_definitions::TypeIndex> {
        head.definition
    }
}

/// Reads the path of a discriminator: names, `resolve()`, `extension(url)` and `ofType(type)`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let end = end_of_step(rest);
        let (step, after) = rest.split_at_checked(end)?;
        rest = after.strip_prefix('.').unwrap_or(after);
        let argument = |name: &str| {
            let inner = step.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.trim_matches(['\'', '"']))
        };
        if step == "$this" {
            continue;
        } else if step == "resolve()" {
            steps.push(Step::Resolve);
        } else if let Some(url) = argument("extension") {
            steps.push(Step::Extension(url.into()));
        } else if let Some(name) = argument("ofType").or_else(|| argument("as")) {
            let name = name.strip_prefix("FHIR.").unwrap_or(name);
            steps.push(Step::OfType(Type::named(name)?));
        } else {
            let name = step.trim_matches('`');
            let name = name.strip_suffix("[x]").unwrap_or(name);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_name) {
                return None;
            }
            steps.push(Step::Member(name.into()));
        }
    }
    Some(steps)
}

/// Where the first step ends: at a dot outside of parentheses.
fn end_of_step(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_discriminators_are_read() {
        let member = |name: &str| Step::Member(name.into());
        let url = "http://example.org/a.b";
        for (path, expected) in [
            ("$this", vec![]),
            ("code.coding.system", vec![member("code"), member("coding"), member("system")]),
            ("$this.code", vec![member("code")]),
            ("resolve().code", vec![Step::Resolve, member("code")]),
            (
                "extension('http://example.org/a.b').value",
                vec![Step::Extension(url.into()), member("value")],
            ),
            (
                "value.ofType(Quantity)",
                vec![member("value"), Step::OfType(Type::named("Quantity").unwrap())],
            ),
            ("value[x]", vec![member("value")]),
        ] {
            assert_eq!(steps(path), Some(expected), "{path}");
        }
        for path in ["code.where(a = 'b')", "a b", "ofType(Nothing)", "first()"] {
            assert_eq!(steps(path), None, "{path}");
        }
    }
}
