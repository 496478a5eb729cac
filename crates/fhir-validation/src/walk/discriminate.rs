//! Whether an item is in a slice.

use fhir_model::Value;
use fhir_path::Type;

use super::matcher::{is_expecting, matchers};
use super::{Walk, resource};
use crate::at::At;
use crate::inquiry::{Led, Scope};
use crate::program::{
    Matcher, Program, ProgramId, RuleIndex, Slice, Slicing, Step, Strength, check,
};

/// An answer that may not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Yes,
    No,
    Unknown,
}

impl Verdict {
    fn of(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }

    fn maybe(known: Option<bool>) -> Self {
        known.map_or(Self::Unknown, Self::of)
    }

    fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Unknown => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unknown => Self::Unknown,
            },
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        }
    }
}

impl<'a> Walk<'a> {
    /// Whether a slice takes an item: all its discriminators do.
    pub(super) fn takes(
        &self,
        at: &At<'a>,
        program: &'a Program,
        slicing: &'a Slicing,
        slice: &'a Slice,
        scope: &Scope<'_, 'a>,
    ) -> Verdict {
        let library = self.inquiry.library;
        let known = slice.matchers.get_or_init(|| matchers(library, program, slicing, slice.rule));
        let mut verdict = Verdict::Yes;
        for (discriminator, matcher) in slicing.discriminators.iter().zip(known) {
            verdict = verdict.and(|| self.matches(at, &discriminator.steps, matcher, scope));
            if verdict == Verdict::No {
                break;
            }
        }
        if known.is_empty() { Verdict::No } else { verdict }
    }

    fn matches(
        &self,
        at: &At<'a>,
        steps: &[Step],
        matcher: &Matcher,
        scope: &Scope<'_, 'a>,
    ) -> Verdict {
        if *matcher == Matcher::Unclear {
            return Verdict::No;
        }
        let mut verdict = Verdict::No;
        let mut stands = false;
        self.follow(at, steps, scope, &mut |found| {
            stands = true;
            let one = match found {
                Some(found) => self.fits(&found, matcher, scope),
                None => Verdict::Unknown,
            };
            verdict = verdict.or(one);
            verdict == Verdict::Yes
        });
        match matcher {
            Matcher::Exists(wanted) => Verdict::of(stands == *wanted),
            Matcher::Rule(..)
            | Matcher::Types(_)
            | Matcher::Profiles(_)
            | Matcher::Url(_)
            | Matcher::Unclear => verdict,
        }
    }

    /// Whether one value at the path is what the slice expects.
    fn fits(&self, at: &At<'a>, matcher: &Matcher, scope: &Scope<'_, 'a>) -> Verdict {
        match matcher {
            Matcher::Rule(id, index) => match self.program(*id) {
                Some(program) => self.expected(at, program, *index),
                None => Verdict::Unknown,
            },
            Matcher::Types(types) => {
                Verdict::of(types.iter().any(|wanted| is_of(at.kind, *wanted)))
            }
            Matcher::Profiles(profiles) => profiles
                .iter()
                .fold(Verdict::No, |verdict, id| verdict.or(self.conforms(at, *id, scope))),
            Matcher::Url(url) => {
                let found = at.value.and_then(Value::text);
                Verdict::of(found.is_some_and(|found| *found == **url))
            }
            Matcher::Exists(_) => Verdict::Yes,
            Matcher::Unclear => Verdict::No,
        }
    }

    /// Whether a value or resource conforms to a profile.
    pub(super) fn conforms(&self, at: &At<'a>, id: ProgramId, scope: &Scope<'_, 'a>) -> Verdict {
        let Some(program) = self.program(id) else { return Verdict::Unknown };
        if !is_of(at.kind, program.subject) {
            return Verdict::No;
        }
        if at.value.is_none() && at.beside.is_none() {
            return Verdict::Unknown;
        }
        Verdict::maybe(resource::conforms(self.inquiry, at, program, scope))
    }

    /// Whether a value is what a rule and those below it fix.
    fn expected(&self, at: &At<'a>, program: &'a Program, index: RuleIndex) -> Verdict {
        let Some(rule) = program.rule(index) else { return Verdict::No };
        let held = |constant: &crate::constant::Constant, is_whole: bool| {
            let held = at.value.is_some_and(|value| {
                if is_whole { constant.equals(value) } else { constant.is_in(value) }
            });
            Verdict::of(held)
        };
        let mut verdict = Verdict::Yes;
        if let Some(fixed) = &rule.fixed {
            verdict = held(fixed, true);
        }
        if let Some(pattern) = &rule.pattern {
            verdict = verdict.and(|| held(pattern, false));
        }
        if let Some(binding) = rule.binding.as_deref()
            && rule.asks(check::BINDING)
            && binding.strength == Strength::Required
        {
            verdict = verdict.and(|| Verdict::maybe(self.is_bound(at, binding)));
        }
        for child in rule.children.iter().filter(|child| is_expecting(program, **child, 0)) {
            if verdict == Verdict::No {
                return verdict;
            }
            let Some(below) = program.rule(*child) else { continue };
            let mut one = Verdict::No;
            let mut stands = false;
            at.children(&below.name, &mut |found| {
                stands = true;
                one = one.or(self.expected(&found, program, *child));
                one == Verdict::Yes
            });
            let one = if stands || below.min > 0 { one } else { Verdict::Yes };
            verdict = verdict.and(|| one);
        }
        verdict
    }

    /// Calls `each` with what stands at a path, and with nothing where that is not known, until
    /// it has seen enough.
    pub(super) fn follow(
        &self,
        at: &At<'a>,
        steps: &[Step],
        scope: &Scope<'_, 'a>,
        each: &mut dyn FnMut(Option<At<'a>>) -> bool,
    ) -> bool {
        let Some((step, rest)) = steps.split_first() else { return each(Some(*at)) };
        let mut is_done = false;
        match step {
            Step::Member(name) => at.children(name, &mut |found| {
                is_done = self.follow(&found, rest, scope, each);
                is_done
            }),
            Step::Extension(url) => at.children("extension", &mut |found| {
                let is_it = found.text("url").is_some_and(|found| *found == **url);
                is_done = is_it && self.follow(&found, rest, scope, each);
                is_done
            }),
            Step::OfType(wanted) => {
                is_done = is_of(at.kind, *wanted) && self.follow(at, rest, scope, each);
            }
            Step::Resolve => {
                let text = if let Type::Primitive(_) = at.kind {
                    at.value.and_then(Value::text)
                } else {
                    at.text("reference")
                };
                let Some(text) = text else {
                    // A logical reference may still name its type.
                    let named = at.text("type").and_then(|name| Type::named(&name));
                    let found = named.map(|kind| At { value: None, beside: None, kind });
                    return match found {
                        Some(found) => self.follow(&found, rest, scope, each),
                        None => each(None),
                    };
                };
                is_done = match self.inquiry.lead(&text, scope) {
                    Led::Contained(view) | Led::Bundled(view) | Led::Remote(view) => {
                        self.follow(&At::resource(view), rest, scope, each)
                    }
                    Led::Type(found) => self.unread(Type::of_resource(found), rest, each),
                    Led::Missing => false,
                    Led::Unread => match resource::named_type(&text) {
                        Some(found) => self.unread(Type::of_resource(found), rest, each),
                        None => each(None),
                    },
                };
            }
        }
        is_done
    }

    /// What follows on a resource that nobody has read: only its type is known.
    fn unread(
        &self,
        kind: Type,
        rest: &[Step],
        each: &mut dyn FnMut(Option<At<'a>>) -> bool,
    ) -> bool {
        if rest.is_empty() {
            each(Some(At { value: None, beside: None, kind }))
        } else {
            each(None)
        }
    }
}

/// Whether a value of type `found` is one of type `wanted`.
pub(super) fn is_of(found: Type, wanted: Type) -> bool {
    found == wanted
        || matches!(
            wanted,
            Type::Element | Type::BackboneElement | Type::Resource | Type::DomainResource
        ) && found.is_a(wanted)
}
