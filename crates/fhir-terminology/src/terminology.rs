//! The questions that searches and operations ask.

use std::collections::HashSet;
use std::rc::Rc;

use crate::artefact;
use crate::codes::Codes;
use crate::fault::{Fault, Problem};
use crate::member::{CodeOptions, Coded, Member, Reason, Verdict};
use crate::question::Question;
use crate::stored::Stored;
use crate::system::CodeSystem;

/// What one question may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most codes of a value set, nested ones too, and of what a code subsumes.
    pub max_codes: usize,
    /// How deep value sets may include value sets.
    pub max_depth: usize,
    /// The most value sets that one may include, directly or not.
    pub max_value_sets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_codes: 10_000, max_depth: 16, max_value_sets: 256 }
    }
}

/// Embedded definitions and limits; cheap to make and to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminology {
    limits: Limits,
}

impl Terminology {
    /// R4's own value sets and code systems. Nothing is decoded before the first question.
    #[must_use]
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The same with other limits.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        Self { limits }
    }

    /// The codes of a value set, by its canonical (`url` or `url|version`) or as `ValueSet/id`.
    ///
    /// Without a version the newest active one is meant. Abstract codes are among them, retired
    /// ones too unless the value set says otherwise.
    ///
    /// # Errors
    /// A fault where the value set or something that it includes cannot be had, or where it is
    /// over the limits.
    pub fn expand<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        value_set: &str,
    ) -> Result<Codes, Problem<S::Error>> {
        let mut question = Question::new(stored, self.limits);
        let codes = question.expand(value_set)?;
        let partial = std::mem::take(&mut question.partial);
        drop(question);
        Ok(Codes::new(Rc::unwrap_or_clone(codes), partial))
    }

    /// Whether a code is in a value set, with the right display; `value_set` as in
    /// [`Terminology::expand`].
    ///
    /// # Errors
    /// A fault where nobody can tell: it names the value set or the code system that is missing.
    pub fn validate_code<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        value_set: &str,
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Result<Verdict, Problem<S::Error>> {
        let codes = self.expand(stored, value_set)?;
        let is_it = |code: &&crate::Code| {
            code.code == coded.code && coded.system.is_none_or(|system| system == code.system)
        };
        let Some(found) = codes.as_slice().iter().find(is_it) else {
            return Ok(Verdict::Out(Reason::NotInSet(value_set.to_owned())));
        };
        if options.no_abstract && found.is_abstract {
            return Ok(Verdict::Out(Reason::Abstract));
        }
        if options.active_only && found.is_inactive {
            return Ok(Verdict::Out(Reason::Inactive));
        }
        let has_wrong_display = match (coded.display, &found.display) {
            (Some(given), Some(right)) => given != right,
            _ => false,
        };
        Ok(Verdict::In(Member {
            system: found.system.clone(),
            version: None,
            code: found.code.clone(),
            display: found.display.clone(),
            has_wrong_display,
            is_abstract: found.is_abstract,
            is_inactive: found.is_inactive,
            is_of_part: codes.partial_systems().contains(&found.system),
        }))
    }

    /// The code itself and all that it subsumes, sorted, as the code system writes them.
    ///
    /// # Errors
    /// A fault where the system or its code is not known, or where its hierarchy is none of
    /// subsumption.
    pub fn below<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        code: &str,
    ) -> Result<Vec<String>, Problem<S::Error>> {
        self.related(stored, system, code, CodeSystem::below)
    }

    /// The code itself and all that subsume it, sorted, as the code system writes them.
    ///
    /// # Errors
    /// As [`Terminology::below`].
    pub fn above<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        code: &str,
    ) -> Result<Vec<String>, Problem<S::Error>> {
        self.related(stored, system, code, CodeSystem::above)
    }

    fn related<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        code: &str,
        walk: impl Fn(&CodeSystem, usize) -> Result<HashSet<usize>, Fault>,
    ) -> Result<Vec<String>, Problem<S::Error>> {
        let found = self.code_system(stored, system)?;
        let at = found.position(code).ok_or_else(|| Fault::UnknownCode(system.to_owned()))?;
        let positions = walk(&found, at)?;
        let limit = self.limits.max_codes;
        if positions.len() > limit {
            return Err(Fault::TooLarge { url: system.to_owned(), limit }.into());
        }
        let concepts = positions.into_iter().filter_map(|at| found.concepts().get(at));
        let mut codes: Vec<String> = concepts.map(|concept| concept.code.clone()).collect();
        codes.sort_unstable();
        Ok(codes)
    }

    /// Whether codes of the system that differ in case are different codes; `None` where the
    /// system does not say (R4: then accept any case).
    ///
    /// # Errors
    /// A fault where the system is not known.
    pub fn is_case_sensitive<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
    ) -> Result<Option<bool>, Problem<S::Error>> {
        let found = Question::new(stored, self.limits).find_system(system, None)?;
        let found = found.ok_or_else(|| Fault::UnknownCodeSystem(system.to_owned()))?;
        Ok(found.is_case_sensitive)
    }

    /// A code system with its concepts, by `url` or `url|version`.
    ///
    /// # Errors
    /// A fault where the system is not known or its codes are not here.
    pub fn code_system<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
    ) -> Result<Rc<CodeSystem>, Problem<S::Error>> {
        Question::new(stored, self.limits).system(system, None)
    }

    /// The systems that codes of an element are of although nothing says so in the data:
    /// `Patient.gender` has `http://hl7.org/fhir/administrative-gender`. The path is that of the
    /// specification, in data types too: `ContactPoint.system`.
    ///
    /// Empty for all that is no `code` with a binding. Decodes the embedded definitions.
    #[must_use]
    pub fn implied_systems(&self, path: &str) -> Vec<String> {
        let mut systems = Vec::new();
        let mut open: Vec<String> =
            artefact::r4().binding(path).map(str::to_owned).into_iter().collect();
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(url) = open.pop() {
            let Some(set) = artefact::r4().value_set(&url).filter(|_| seen.insert(url)) else {
                continue;
            };
            for include in set.include {
                systems.extend(include.system);
                open.extend(include.value_sets);
            }
        }
        systems.sort_unstable();
        systems.dedup();
        systems
    }

    /// The value set that a `code` element of R4 is bound to, whatever the strength.
    #[must_use]
    pub fn bound_value_set(&self, path: &str) -> Option<&'static str> {
        artefact::r4().binding(path)
    }

    /// URLs of the embedded code systems, sorted.
    #[must_use]
    pub fn embedded_code_systems(&self) -> Vec<&'static str> {
        artefact::r4().code_system_urls()
    }

    /// URLs of the embedded value sets, sorted.
    #[must_use]
    pub fn embedded_value_sets(&self) -> Vec<&'static str> {
        artefact::r4().value_set_urls()
    }
}
