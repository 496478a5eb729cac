//! What the discriminators of a slicing expect of a slice: read from the rules of the slice, and
//! from the profiles that its types name.

use fhir_path::Type;

use crate::library::Library;
use crate::program::{
    Discriminator, DiscriminatorKind, Matcher, Program, ProgramId, Rule, RuleIndex, Slicing, Step,
    Strength, Target, check,
};

/// A rule by its program.
#[derive(Clone, Copy)]
struct Located<'l> {
    program: &'l Program,
    index: RuleIndex,
}

impl<'l> Located<'l> {
    fn rule(self) -> Option<&'l Rule> {
        self.program.rule(self.index)
    }
}

/// The matchers of a slice, one for each discriminator.
pub(super) fn matchers(
    library: &Library,
    program: &Program,
    slicing: &Slicing,
    slice: RuleIndex,
) -> Vec<Matcher> {
    let own = Located { program, index: slice };
    slicing.discriminators.iter().map(|each| matcher(library, own, each)).collect()
}

fn matcher(library: &Library, slice: Located<'_>, discriminator: &Discriminator) -> Matcher {
    // A step of `resolve()` at the end leaves the rule of the reference, which names its targets.
    let is_target = discriminator.steps.last() == Some(&Step::Resolve);
    let steps = match discriminator.steps.split_last() {
        Some((_, before)) if is_target => before,
        _ => &discriminator.steps,
    };
    let mut located = with_profiles(library, vec![slice]);
    for step in steps {
        located = step_down(library, &located, step);
    }
    match discriminator.kind {
        DiscriminatorKind::Value => value(library, slice, &located, discriminator),
        DiscriminatorKind::Exists => exists(&located),
        DiscriminatorKind::Type => {
            let types = types(library, &located, is_target);
            if types.is_empty() { Matcher::Unclear } else { Matcher::Types(types) }
        }
        DiscriminatorKind::Profile => {
            let profiles = profiles(&located, is_target);
            if profiles.is_empty() { Matcher::Unclear } else { Matcher::Profiles(profiles) }
        }
    }
}

fn value(
    library: &Library,
    slice: Located<'_>,
    located: &[Located<'_>],
    discriminator: &Discriminator,
) -> Matcher {
    let expecting = located.iter().find(|each| is_expecting(each.program, each.index, 0));
    if let Some(found) = expecting {
        return Matcher::Rule(found.program.id, found.index);
    }
    // An extension by its url, and its definition is not here: its canonical says as much.
    let is_url = *discriminator.path == *"url";
    let named = slice.rule().into_iter().flat_map(|rule| &rule.types);
    let named = named.flat_map(|each| &each.profiles).next().filter(|_| is_url);
    match named {
        Some(id) => {
            let canonical = library.canonical(*id);
            Matcher::Url(canonical.split('|').next().unwrap_or_default().into())
        }
        // No value is expected, but that there is one.
        None if located.iter().any(|each| each.rule().is_some_and(|rule| rule.min > 0)) => {
            Matcher::Exists(true)
        }
        None => Matcher::Unclear,
    }
}

/// Whether a rule, or one below it, fixes a value.
pub(super) fn is_expecting(program: &Program, index: RuleIndex, depth: u8) -> bool {
    const DEEPEST: u8 = 8;
    let Some(rule) = program.rule(index) else { return false };
    let is_bound = rule.asks(check::BINDING)
        && rule.binding.as_ref().is_some_and(|found| found.strength == Strength::Required);
    rule.fixed.is_some()
        || rule.pattern.is_some()
        || is_bound
        || (depth < DEEPEST
            && rule.children.iter().any(|child| is_expecting(program, *child, depth + 1)))
}

fn exists(located: &[Located<'_>]) -> Matcher {
    let rules = || located.iter().filter_map(|each| each.rule());
    if rules().any(|rule| rule.min > 0) {
        Matcher::Exists(true)
    } else if rules().any(|rule| rule.max == Some(0)) {
        Matcher::Exists(false)
    } else {
        Matcher::Unclear
    }
}

fn types(library: &Library, located: &[Located<'_>], is_target: bool) -> Vec<Type> {
    let rules = located.iter().filter_map(|each| each.rule());
    let own = rules.flat_map(|rule| &rule.types);
    if !is_target {
        return own.filter_map(|each| each.code).collect();
    }
    let targets = own.flat_map(|each| &each.targets);
    targets
        .filter_map(|target| match target {
            Target::Any => Some(Type::Resource),
            Target::Type(found) => Some(Type::of_resource(*found)),
            Target::Profile(id) => library.program(*id).ok().map(|program| program.subject),
        })
        .collect()
}

fn profiles(located: &[Located<'_>], is_target: bool) -> Vec<ProgramId> {
    let rules = located.iter().filter_map(|each| each.rule());
    let own = rules.flat_map(|rule| &rule.types);
    if !is_target {
        return own.flat_map(|each| each.profiles.iter().copied()).collect();
    }
    let targets = own.flat_map(|each| &each.targets);
    targets
        .filter_map(|each| if let Target::Profile(id) = each { Some(*id) } else { None })
        .collect()
}

/// The rules, and the roots of the profiles that their types name.
fn with_profiles<'l>(library: &'l Library, located: Vec<Located<'l>>) -> Vec<Located<'l>> {
    let mut all = located;
    let mut next = 0;
    while let Some(each) = all.get(next).copied() {
        let types = each.rule().map_or(&[][..], |rule| &rule.types);
        for id in types.iter().flat_map(|each| &each.profiles) {
            let Ok(program) = library.program(*id) else { continue };
            if !all.iter().any(|known| known.program.id == *id && known.index == 0) {
                all.push(Located { program, index: 0 });
            }
        }
        next += 1;
    }
    all
}

/// The rules that a step leads to.
fn step_down<'l>(library: &'l Library, located: &[Located<'l>], step: &Step) -> Vec<Located<'l>> {
    let mut below = Vec::new();
    for each in located {
        let program = each.program;
        let Some(rule) = each.rule() else { continue };
        let children = |name: &str| program.child_named(rule, name);
        match step {
            Step::Member(name) => {
                let found = children(name);
                below.extend(found.map(|index| Located { program, index }));
                // What a required slice expects is expected of one item at least.
                let slicing = found.and_then(|index| program.rule(index)?.slicing.as_deref());
                let slices = slicing.map_or(&[][..], |slicing| &slicing.slices).iter();
                let required = slices
                    .filter(|slice| program.rule(slice.rule).is_some_and(|rule| rule.min > 0));
                below.extend(required.map(|slice| Located { program, index: slice.rule }));
            }
            Step::Extension(url) => {
                let list = children("extension").and_then(|index| program.rule(index));
                let slices = list.and_then(|list| list.slicing.as_deref());
                let slices = slices.map_or(&[][..], |slicing| &slicing.slices).iter();
                below.extend(slices.filter_map(|slice| {
                    let types = &program.rule(slice.rule)?.types;
                    let mut named = types.iter().flat_map(|each| &each.profiles);
                    let is_it =
                        named.any(|id| library.canonical(*id).split('|').next() == Some(url));
                    is_it.then_some(Located { program, index: slice.rule })
                }));
            }
            Step::OfType(wanted) => {
                below.push(*each);
                let slices = rule.slicing.as_deref().map_or(&[][..], |slicing| &slicing.slices);
                below.extend(slices.iter().filter_map(|slice| {
                    let types = &program.rule(slice.rule)?.types;
                    let is_it = types.iter().all(|each| each.code == Some(*wanted));
                    is_it.then_some(Located { program, index: slice.rule })
                }));
            }
            Step::Resolve => {
                for target in rule.types.iter().flat_map(|each| &each.targets) {
                    let Target::Profile(id) = target else { continue };
                    let Ok(program) = library.program(*id) else { continue };
                    below.push(Located { program, index: 0 });
                }
            }
        }
    }
    with_profiles(library, below)
}
