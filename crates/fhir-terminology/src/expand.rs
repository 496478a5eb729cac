//! Expansion: from what a value set includes and excludes to its codes.
//! Spec: <https://hl7.org/fhir/R4/valueset.html#compositions>

use std::collections::HashSet;
use std::rc::Rc;

use crate::codes::Code;
use crate::fault::{Fault, Problem};
use crate::filter::Test;
use crate::question::Question;
use crate::stored::Stored;
use crate::system::{CodeSystem, Concept, Content};
use crate::value_set::{Include, ValueSet};

/// What `compose.exclude` takes away.
#[derive(Default)]
struct Excluded {
    /// Systems of which nothing stays; their codes need not be here.
    systems: Vec<String>,
    codes: HashSet<(String, String)>,
}

impl<S: Stored + ?Sized> Question<'_, S> {
    /// The codes of a value set, each once.
    pub(crate) fn expand(&mut self, canonical: &str) -> Result<Rc<Vec<Code>>, Problem<S::Error>> {
        if let Some(known) = self.expanded.get(canonical) {
            return Ok(Rc::clone(known));
        }
        let set = self.value_set(canonical)?;
        let url = set.canonical();
        if self.open.contains(&url) {
            return Err(Fault::Circle(url).into());
        }
        let is_too_wide = self.expanded.len() >= self.limits.max_value_sets;
        if is_too_wide || self.open.len() >= self.limits.max_depth {
            return Err(Fault::TooDeep(url).into());
        }
        self.open.push(url);
        let codes = self.codes_of(set);
        self.open.pop();
        let codes = Rc::new(codes?);
        self.expanded.insert(canonical.to_owned(), Rc::clone(&codes));
        Ok(codes)
    }

    /// The compose decides; where something that it needs cannot be had, the expansion that the
    /// resource carries is the next best.
    fn codes_of(&mut self, set: ValueSet) -> Result<Vec<Code>, Problem<S::Error>> {
        let (depth, partial) = (self.open.len(), self.partial.len());
        let composed = if set.has_compose {
            self.compose(&set)
        } else {
            Err(Fault::NoContent(set.canonical()).into())
        };
        match (composed, set.expansion) {
            (Err(Problem::Fault(fault)), Some(expansion)) if fault.is_lack() => {
                self.open.truncate(depth);
                self.partial.truncate(partial);
                self.checked(&set.url, expansion)
            }
            (composed, _) => composed,
        }
    }

    fn compose(&mut self, set: &ValueSet) -> Result<Vec<Code>, Problem<S::Error>> {
        let mut excluded = Excluded::default();
        for exclude in &set.exclude {
            match &exclude.system {
                Some(system) if exclude.is_whole_system() => excluded.systems.push(system.clone()),
                _ => {
                    let codes = self.include(set, exclude)?;
                    excluded.codes.extend(codes.into_iter().map(|code| (code.system, code.code)));
                }
            }
        }
        let mut codes = Vec::new();
        for include in &set.include {
            let mut found = self.include(set, include)?;
            let is_out = |code: &Code| excluded.has(code) || (set.active_only && code.is_inactive);
            found.retain(|code| !is_out(code));
            codes.extend(found);
            if codes.len() > self.limits.max_codes {
                codes = self.checked(&set.url, codes)?;
            }
        }
        self.checked(&set.url, codes)
    }

    /// Each code once, and no more of them than are granted.
    fn checked(&self, url: &str, codes: Vec<Code>) -> Result<Vec<Code>, Problem<S::Error>> {
        let codes = crate::codes::distinct(codes);
        let limit = self.limits.max_codes;
        if codes.len() > limit {
            return Err(Fault::TooLarge { url: url.to_owned(), limit }.into());
        }
        Ok(codes)
    }

    /// What is in all parts of one include: in its system's codes, and in each of its value sets.
    fn include(
        &mut self,
        set: &ValueSet,
        include: &Include,
    ) -> Result<Vec<Code>, Problem<S::Error>> {
        let broken = |reason| Fault::Broken { url: set.url.clone(), reason };
        if !include.concepts.is_empty() && !include.filters.is_empty() {
            return Err(broken("an include has both concepts and filters").into());
        }
        let mut codes = match &include.system {
            Some(system) if include.is_whole_system() || include.has_own_codes() => {
                Some(self.of_system(system, include)?)
            }
            Some(_) => None,
            None if include.has_own_codes() => {
                return Err(broken("an include has codes without a system").into());
            }
            None => None,
        };
        for canonical in &include.value_sets {
            let nested = self.expand(canonical)?;
            codes = Some(match codes {
                None => {
                    let is_asked = |code: &&Code| {
                        include.system.as_ref().is_none_or(|system| *system == code.system)
                    };
                    nested.iter().filter(is_asked).cloned().collect()
                }
                Some(mut codes) => {
                    let nested: HashSet<_> =
                        nested.iter().map(|code| (&code.system, &code.code)).collect();
                    codes.retain(|code| nested.contains(&(&code.system, &code.code)));
                    codes
                }
            });
        }
        codes.ok_or_else(|| broken("an include has neither system nor value set").into())
    }

    fn of_system(&mut self, url: &str, include: &Include) -> Result<Vec<Code>, Problem<S::Error>> {
        let version = include.version.as_deref();
        if !include.concepts.is_empty() {
            // Codes are listed, so the system has only their names and states to add.
            let system = self.find_system(url, version)?;
            return Ok(listed(url, include, system.as_deref()));
        }
        let system = self.system(url, version)?;
        let tests: Vec<Test<'_>> = include
            .filters
            .iter()
            .map(|filter| Test::new(filter, &system))
            .collect::<Result<_, Fault>>()?;
        if system.content == Content::Part {
            self.partial.push(system.url.clone());
        }
        let is_in = |at: usize, concept: &Concept| {
            tests.iter().all(|test| test.holds(&system, at, concept))
        };
        let concepts = system.concepts().iter().enumerate();
        let found = concepts.filter(|(at, concept)| is_in(*at, concept));
        Ok(found.map(|(_, concept)| code(url, concept)).collect())
    }
}

impl Excluded {
    fn has(&self, code: &Code) -> bool {
        self.systems.contains(&code.system)
            || (!self.codes.is_empty()
                && self.codes.contains(&(code.system.clone(), code.code.clone())))
    }
}

impl Include {
    /// Whether nothing but a system is named, and so all its codes.
    fn is_whole_system(&self) -> bool {
        !self.has_own_codes() && self.value_sets.is_empty()
    }

    fn has_own_codes(&self) -> bool {
        !self.concepts.is_empty() || !self.filters.is_empty()
    }
}

fn listed(url: &str, include: &Include, system: Option<&CodeSystem>) -> Vec<Code> {
    let code = |(text, display): &(String, Option<String>)| {
        let concept = system.and_then(|system| system.concept(text));
        Code {
            system: url.to_owned(),
            code: text.clone(),
            display: display.clone().or_else(|| concept?.display.clone()),
            is_abstract: concept.is_some_and(|concept| concept.is_abstract),
            is_inactive: concept.is_some_and(|concept| concept.is_inactive),
        }
    };
    include.concepts.iter().map(code).collect()
}

fn code(url: &str, concept: &Concept) -> Code {
    Code {
        system: url.to_owned(),
        code: concept.code.clone(),
        display: concept.display.clone(),
        is_abstract: concept.is_abstract,
        is_inactive: concept.is_inactive,
    }
}
