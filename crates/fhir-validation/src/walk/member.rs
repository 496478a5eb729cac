//! One member of an object: counts, and its items one by one.

use std::ops::Range;

use fhir_definitions::{ElementDefinition, TypeKind, ValueType};
use fhir_model::{Kind, Severity, Value};

use super::{Active, Member, Owner, Walk};
use crate::at::{At, Pairs, kind_of, step_of};
use crate::inquiry::Scope;
use crate::path::Path;
use crate::program::{Rule, check};
use crate::report::RuleKind;

impl<'a> Active<'a> {
    /// The rule of the element at a position of the owner's.
    fn child(self, owner: Owner, position: usize, element: &ElementDefinition) -> Option<Self> {
        let body = self.program.body(self.rule);
        if body.definition == Some(owner.index) {
            let number = usize::from(*body.table.get(position)?).checked_sub(1)?;
            return self.of(*body.children.get(number)?);
        }
        if body.children.is_empty() {
            return None;
        }
        // A rule on some resource or a choice: the type was not known when it was compiled.
        let (name, _) = step_of(owner.definition, element);
        let index = self.program.child_named(body, name)?;
        self.of(index).filter(|child| child.rule.is_useful)
    }
}

impl<'a> Walk<'a> {
    pub(super) fn member(
        &mut self,
        member: Member<'a>,
        owner: Owner,
        rules: Range<usize>,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let Some(element) = owner.definition.elements.get(member.position) else { return };
        let from = self.active.len();
        for position in rules {
            let child = self.at(position);
            let child = child.and_then(|active| active.child(owner, member.position, element));
            if let Some(child) = child {
                self.push(from, child);
            }
        }
        let is_primitive = matches!(element.value, ValueType::Primitive(_));
        let is_free = (is_primitive && member.beside.is_none()) || self.is_bare;
        if is_free && self.active.len() == from {
            return;
        }
        if let ValueType::Complex(index) = element.value
            && !self.is_bare
            && fhir_definitions::r4().get(index).kind == TypeKind::Complex
            && let Some(base) = self.inquiry.library.base(index).and_then(Active::root)
        {
            self.push(from, base);
        }
        let (name, choice) = step_of(owner.definition, element);
        let whole = Path { parent: Some(path), name, choice: None, index: None };
        let to = self.active.len();
        let counts = self.open_slices(from..to);
        let is_list = [member.value, member.beside].into_iter().flatten();
        let is_list = is_list.into_iter().any(|value| value.kind() == Kind::Array);
        let mut count = 0;
        for (value, beside) in Pairs::new(member.value, member.beside) {
            let step = Path { choice, index: is_list.then_some(count), ..whole };
            count += 1;
            let Some(kind) = kind_of(element, value) else { continue };
            let at = At { value, beside, kind };
            self.assign(&at, from..to, counts, &step, scope);
            if matches!(element.value, ValueType::Resource) {
                self.nested(&at, element, from, &step, scope);
            } else {
                if !self.is_bare && kind.name() == "Extension" {
                    self.extension(&at, (from, element.is_modifier), &step, scope);
                }
                self.node(at, Some((owner.definition.name, name)), from, &step, scope);
            }
            self.active.truncate(to);
        }
        self.count(from..to, count, &member, &whole);
        self.close_slices((from..to, counts), (&member, element), &whole, scope);
        self.counts.truncate(counts);
        self.active.truncate(from);
    }

    /// Holds the count of a member's items to what the rules allow.
    fn count(&mut self, rules: Range<usize>, count: usize, member: &Member<'a>, path: &Path<'_>) {
        for position in rules {
            let Some(active) = self.at(position) else { continue };
            if !active.rule.asks(check::COUNT) {
                continue;
            }
            let Rule { min, max, .. } = *active.rule;
            let number = u32::try_from(count).unwrap_or(u32::MAX);
            let expected = if number < min {
                format!("at least {min}")
            } else if max.is_some_and(|max| number > max) {
                most(max.unwrap_or_default())
            } else {
                continue;
            };
            let text = format!("expected {expected}, found {count}");
            let what = (Severity::Error, RuleKind::Cardinality);
            self.find(what, member_offset(member), path, active.name(), text);
        }
    }

    /// Finds what must stand in an object and does not.
    pub(super) fn missing(
        &mut self,
        object: Value<'a>,
        owner: Owner,
        rules: Range<usize>,
        members: Range<usize>,
        path: &Path<'_>,
    ) {
        for position in rules {
            let Some(active) = self.at(position) else { continue };
            let body = active.program.body(active.rule);
            for required in &body.required {
                let child = body.children.get(usize::from(*required));
                let Some(child) = child.and_then(|index| active.of(*index)) else { continue };
                let members = self.members.get(members.clone()).unwrap_or_default();
                let stands = members.iter().any(|member| {
                    let name = owner.definition.elements.get(member.position);
                    name.is_some_and(|element| {
                        let (name, _) = step_of(owner.definition, element);
                        name == &*child.rule.name || element.key == &*child.rule.name
                    })
                });
                if stands {
                    continue;
                }
                // What the type does not have is asked of another type, and that is told already.
                let definition = owner.definition;
                let keys = definition.elements.iter().map(|element| element.key);
                let mut names = keys.chain(definition.groups.iter().map(|group| group.name));
                if let Some(name) = names.find(|name| *name == &*child.rule.name) {
                    self.absent(child, object, &path.below(name));
                }
            }
        }
    }

    #[cold]
    fn absent(&mut self, child: Active<'a>, object: Value<'a>, path: &Path<'_>) {
        let what = (Severity::Error, RuleKind::Cardinality);
        if child.rule.asks(check::COUNT) && child.rule.min > 0 {
            let text = format!("expected at least {}, found none", child.rule.min);
            self.find(what, object.offset(), path, child.name(), text);
            return;
        }
        let slices = child.rule.slicing.as_deref().map_or(&[][..], |slicing| &slicing.slices);
        for slice in slices.iter().filter(|slice| slice.within.is_none()) {
            let Some(least) = child.of(slice.rule).filter(|slice| slice.rule.min > 0) else {
                continue;
            };
            let text =
                format!("expected at least {} in slice {}, found none", least.rule.min, slice.name);
            self.find(what, object.offset(), path, least.name(), text);
        }
    }
}

/// The greatest count in words.
pub(super) fn most(max: u32) -> String {
    if max == 0 { "none".to_owned() } else { format!("at most {max}") }
}

pub(super) fn member_offset(member: &Member<'_>) -> usize {
    member.value.or(member.beside).map_or(0, Value::offset)
}
