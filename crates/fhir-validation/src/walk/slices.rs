//! Slices: which slice an item is in, and how many items each has.

use std::ops::Range;

use fhir_definitions::ElementDefinition;
use fhir_model::Severity;

use super::discriminate::{Verdict, is_of};
use super::member::{member_offset, most};
use super::resource::first_error;
use super::{Active, Member, Walk};
use crate::at::{At, Pairs, kind_of};
use crate::inquiry::Scope;
use crate::path::Path;
use crate::program::{Matcher, Openness, Rule, Slice, Slicing};
use crate::report::RuleKind;

/// Counters beside those of the slices: the last slice, whether an item was in none, and how many
/// could not be told.
const EXTRA: usize = 3;
const LAST: usize = 0;
const HAD_OTHERS: usize = 1;
const UNTOLD: usize = 2;

const DEFAULT: &str = "@default";

fn sliced<'a>(active: Active<'a>) -> Option<&'a Slicing> {
    let slicing = active.rule.slicing.as_deref()?;
    let is_told = !slicing.discriminators.is_empty();
    let is_asking = !slicing.slices.is_empty() || slicing.openness == Openness::Closed;
    (is_told && is_asking).then_some(slicing)
}

impl<'a> Walk<'a> {
    /// Makes room for the counts of all slicings among some rules; gives where it begins.
    pub(super) fn open_slices(&mut self, rules: Range<usize>) -> usize {
        let start = self.counts.len();
        for position in rules {
            if let Some(slicing) = self.at(position).and_then(sliced) {
                self.counts.resize(self.counts.len() + slicing.slices.len() + EXTRA, 0);
            }
        }
        start
    }

    /// Puts the rules of the slices that an item is in on top.
    pub(super) fn assign(
        &mut self,
        at: &At<'a>,
        rules: Range<usize>,
        counts: usize,
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let mut counts = counts;
        for position in rules.clone() {
            let Some(active) = self.at(position) else { continue };
            let Some(slicing) = sliced(active) else { continue };
            self.assign_one(at, active, (rules.start, counts), path, scope);
            counts += slicing.slices.len() + EXTRA;
        }
    }

    fn assign_one(
        &mut self,
        at: &At<'a>,
        active: Active<'a>,
        (from, counts): (usize, usize),
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let Some(slicing) = active.rule.slicing.as_deref() else { return };
        let mut within = None;
        let mut group = slicing;
        loop {
            let (found, untold) = self.slice_of(at, active, group, within, scope);
            let Some((number, slice)) = found else {
                if untold {
                    self.count_up(counts + UNTOLD);
                    self.untold(at, active, path);
                } else {
                    self.outside(at, active, (group, within), (from, counts), path);
                }
                return;
            };
            self.count_up(counts + EXTRA + number);
            if within.is_none() {
                self.order(at, active, slicing, (number, counts), path);
            }
            let Some(rule) = active.of(slice.rule) else { return };
            self.push(from, rule);
            within = u16::try_from(number).ok();
            let has_parts = slicing.slices.iter().any(|each| each.within == within);
            if !has_parts {
                return;
            }
            group = rule.rule.slicing.as_deref().unwrap_or(slicing);
        }
    }

    /// The first slice that takes an item; else whether that could not be told of one.
    fn slice_of(
        &self,
        at: &At<'a>,
        active: Active<'a>,
        group: &'a Slicing,
        within: Option<u16>,
        scope: &Scope<'_, 'a>,
    ) -> (Option<(usize, &'a Slice)>, bool) {
        let mut is_untold = false;
        let all = active.rule.slicing.as_deref().map_or(&[][..], |slicing| &slicing.slices);
        for (number, slice) in all.iter().enumerate() {
            if slice.within != within || &*slice.name == DEFAULT {
                continue;
            }
            if self.inquiry.is_late() {
                return (None, true);
            }
            match self.takes(at, active.program, group, slice, scope) {
                Verdict::Yes => return (Some((number, slice)), false),
                Verdict::No => {}
                Verdict::Unknown => is_untold = true,
            }
        }
        (None, is_untold)
    }

    fn count_up(&mut self, position: usize) {
        if let Some(count) = self.counts.get_mut(position) {
            *count = count.saturating_add(1);
        }
    }

    fn counted(&self, position: usize) -> u32 {
        self.counts.get(position).copied().unwrap_or(0)
    }

    /// Holds the order of slices, and that nothing follows on what is in none.
    fn order(
        &mut self,
        at: &At<'a>,
        active: Active<'a>,
        slicing: &Slicing,
        (number, counts): (usize, usize),
        path: &Path<'_>,
    ) {
        let what = (Severity::Error, RuleKind::Slicing);
        let name = slicing.slices.get(number).map_or("", |slice| &slice.name);
        if slicing.openness == Openness::OpenAtEnd && self.counted(counts + HAD_OTHERS) > 0 {
            let text = format!("expected items of no slice at the end, found one of {name} behind");
            self.find(what, at.offset(), path, active.name(), text);
        }
        if !slicing.is_ordered {
            return;
        }
        let place = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let last = self.counted(counts + LAST);
        if place < last {
            let before = usize::try_from(last - 1).ok().and_then(|last| slicing.slices.get(last));
            let before = before.map_or("", |slice| &slice.name);
            let text = format!("expected slice {name} before {before}, found it behind");
            self.find(what, at.offset(), path, active.name(), text);
        } else if let Some(kept) = self.counts.get_mut(counts + LAST) {
            *kept = place;
        }
    }

    /// An item that is in no slice.
    fn outside(
        &mut self,
        at: &At<'a>,
        active: Active<'a>,
        (group, within): (&'a Slicing, Option<u16>),
        (from, counts): (usize, usize),
        path: &Path<'_>,
    ) {
        let all = active.rule.slicing.as_deref().map_or(&[][..], |slicing| &slicing.slices);
        let others = all.iter().enumerate().find(|(_, slice)| {
            slice.within == within && slice.name.rsplit('/').next() == Some(DEFAULT)
        });
        if let Some((number, slice)) = others {
            self.count_up(counts + EXTRA + number);
            if let Some(rule) = active.of(slice.rule) {
                self.push(from, rule);
            }
            return;
        }
        if within.is_none() {
            self.count_up(counts + HAD_OTHERS);
        }
        if group.openness == Openness::Closed {
            let names: Vec<&str> = all
                .iter()
                .filter(|slice| slice.within == within)
                .map(|slice| &*slice.name)
                .collect();
            let text = format!("expected one of the slices {}, found none", names.join(", "));
            let what = (Severity::Error, RuleKind::Slicing);
            self.find(what, at.offset(), path, active.name(), text);
        }
    }

    #[cold]
    fn untold(&mut self, at: &At<'a>, active: Active<'a>, path: &Path<'_>) {
        let text = "which slice this is in cannot be told from what is known".to_owned();
        let what = (Severity::Information, RuleKind::Slicing);
        self.find(what, at.offset(), path, active.name(), text);
    }

    /// Holds the counts of slices to what they allow.
    pub(super) fn close_slices(
        &mut self,
        (rules, counts): (Range<usize>, usize),
        (member, element): (&Member<'a>, &ElementDefinition),
        path: &Path<'_>,
        scope: &Scope<'_, 'a>,
    ) {
        let mut counts = counts;
        for position in rules {
            let Some(active) = self.at(position) else { continue };
            let Some(slicing) = sliced(active) else { continue };
            let untold = self.counted(counts + UNTOLD);
            for (number, slice) in slicing.slices.iter().enumerate() {
                let Some(rule) = active.of(slice.rule) else { continue };
                let outer = slice.within.map(usize::from);
                if outer.is_some_and(|outer| self.counted(counts + EXTRA + outer) == 0) {
                    continue;
                }
                let count = self.counted(counts + EXTRA + number);
                let Some((severity, mut text)) = miscounted(rule.rule, slice, count, untold) else {
                    continue;
                };
                if count < rule.rule.min
                    && let Some(why) = self.why_not(slicing, slice, (member, element), scope)
                {
                    text.push_str("; ");
                    text.push_str(&why);
                }
                let what = (severity, RuleKind::Cardinality);
                self.find(what, member_offset(member), path, rule.name(), text);
            }
            counts += slicing.slices.len() + EXTRA;
        }
    }

    /// Why an item that is of the right type is not in a slice that a profile tells: without that
    /// nobody sees what is wrong deep inside of it.
    #[cold]
    fn why_not(
        &self,
        slicing: &'a Slicing,
        slice: &'a Slice,
        (member, element): (&Member<'a>, &ElementDefinition),
        scope: &Scope<'_, 'a>,
    ) -> Option<String> {
        let matchers = slicing.discriminators.iter().zip(slice.matchers.get()?);
        let mut by_profile = matchers.filter_map(|(discriminator, matcher)| match matcher {
            Matcher::Profiles(profiles) => Some((discriminator, profiles)),
            Matcher::Rule(..)
            | Matcher::Exists(_)
            | Matcher::Types(_)
            | Matcher::Url(_)
            | Matcher::Unclear => None,
        });
        let (discriminator, profiles) = by_profile.next()?;
        let mut why = None;
        for (index, (value, beside)) in Pairs::new(member.value, member.beside).enumerate() {
            let Some(kind) = kind_of(element, value) else { continue };
            let at = At { value, beside, kind };
            self.follow(&at, &discriminator.steps, scope, &mut |found| {
                let programs = profiles.iter().filter_map(|id| self.program(*id));
                let found = found.filter(|found| found.value.is_some());
                why = found.zip(programs.into_iter().next()).and_then(|(found, program)| {
                    let is_kind = is_of(found.kind, program.subject);
                    let error = || first_error(self.inquiry, &found, program, scope);
                    let error = is_kind.then(error).flatten()?;
                    Some(format!("item {index} does not conform to {}: {error}", program.url))
                });
                why.is_some()
            });
            if why.is_some() {
                return why;
            }
        }
        None
    }
}

/// What is wrong with the count of a slice.
fn miscounted(rule: &Rule, slice: &Slice, count: u32, untold: u32) -> Option<(Severity, String)> {
    let (min, max) = (rule.min, rule.max);
    let (severity, expected) = if count < min {
        // What could not be told may be what is missing.
        let is_surely = count.saturating_add(untold) < min;
        (if is_surely { Severity::Error } else { Severity::Warning }, format!("at least {min}"))
    } else if max.is_some_and(|max| count > max) {
        (Severity::Error, most(max.unwrap_or_default()))
    } else {
        return None;
    };
    Some((severity, format!("expected {expected} in slice {}, found {count}", slice.name)))
}
