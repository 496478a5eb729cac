//! The questions that searches, validation and operations ask.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use fhir_model::{Resource, ResourceType, ResourceView};

use crate::artefact;
use crate::codes::{Code, Codes};
use crate::fault::{Fault, Problem};
use crate::list::{self, ExpandOptions, Expansion};
use crate::member::{self, CodeOptions, Coded, Verdict};
use crate::question::{Question, Versions};
use crate::set::{AnySystem, Set};
use crate::shelf::Shared;
use crate::stored::Stored;
use crate::system::{CodeSystem, Marks};

/// What one question may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most codes of a value set, and of what a code subsumes.
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

/// A value set that is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// By its canonical (`url` or `url|version`) or as `ValueSet/id`.
    Canonical(&'a str),
    /// A ValueSet that came with the question.
    Resource(ResourceView<'a>),
}

/// How two codes stand to each other.
/// Spec: <https://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsumption {
    /// They are the same.
    Equivalent,
    /// The first is above the second.
    Subsumes,
    /// The first is below the second.
    SubsumedBy,
    /// Neither is above the other.
    NotSubsumed,
}

impl Subsumption {
    /// The code of the specification.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Subsumes => "subsumes",
            Self::SubsumedBy => "subsumed-by",
            Self::NotSubsumed => "not-subsumed",
        }
    }
}

/// Embedded definitions, limits, and what was made ready of value sets and code systems; shared
/// by all requests, and cheap to clone. All questions to one of these must ask the same store.
#[derive(Clone, Debug, Default)]
pub struct Terminology {
    limits: Limits,
    shared: Arc<Shared>,
}

type Asking<T, S> = Result<T, Problem<<S as Stored>::Error>>;

impl Terminology {
    /// R4's own value sets and code systems. Nothing is decoded before the first question.
    #[must_use]
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, shared: Arc::default() }
    }

    fn question<'q, S: Stored + ?Sized>(
        &'q self,
        stored: &'q mut S,
        versions: &Versions,
    ) -> Asking<Question<'q, S>, S> {
        Question::new(stored, self.limits, &self.shared, versions.clone())
    }

    fn set<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        subject: Subject<'_>,
        versions: &Versions,
    ) -> Asking<Arc<Set>, S> {
        let mut question = self.question(stored, versions)?;
        match subject {
            Subject::Canonical(canonical) => question.set(canonical),
            Subject::Resource(view) => question.given(view),
        }
    }

    /// The codes of a value set, by its canonical (`url` or `url|version`) or as `ValueSet/id`.
    ///
    /// Without a version the newest active one is meant. Abstract codes are among them, retired
    /// ones too unless the value set says otherwise.
    ///
    /// # Errors
    /// A fault where the value set or something that it includes cannot be had, or where it is
    /// over the limits.
    pub fn expand<S: Stored + ?Sized>(&self, stored: &mut S, value_set: &str) -> Asking<Codes, S> {
        let set = self.set(stored, Subject::Canonical(value_set), &Versions::default())?;
        let limit = self.limits.max_codes;
        let mut codes = Vec::new();
        let mut seen = HashSet::new();
        let flow = set.each(&mut |hit| {
            if seen.insert((hit.system, hit.code)) {
                codes.push(Code {
                    system: hit.system.to_owned(),
                    code: hit.code.to_owned(),
                    display: hit.display(&[]),
                    is_abstract: hit.is_abstract(),
                    is_inactive: hit.is_inactive(),
                });
            }
            if codes.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if flow.is_break() {
            return Err(Fault::TooLarge { url: set.url.clone(), limit }.into());
        }
        let mut partial = Vec::new();
        set.systems(&mut |url, _, is_part| {
            if is_part {
                partial.push(url.to_owned());
            }
        });
        Ok(Codes::new(codes, partial))
    }

    /// An expansion as the operation gives it.
    ///
    /// # Errors
    /// As [`Terminology::expand`]; the limit of codes holds for those that are given.
    pub fn list<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        subject: Subject<'_>,
        versions: &Versions,
        options: &ExpandOptions<'_>,
    ) -> Asking<Expansion, S> {
        let set = self.set(stored, subject, versions)?;
        Ok(list::list(&set, options, self.limits.max_codes)?)
    }

    /// Whether a code is in a value set, with the right display; `value_set` as in
    /// [`Terminology::expand`]. Nothing is expanded for it.
    ///
    /// # Errors
    /// A fault where nobody can tell: it names the value set or the code system that is missing.
    pub fn validate_code<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        value_set: &str,
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Asking<Verdict, S> {
        self.validate_in(stored, Subject::Canonical(value_set), coded, options)
    }

    /// As [`Terminology::validate_code`], in a value set that may have come with the question.
    ///
    /// # Errors
    /// As there.
    pub fn validate_in<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        subject: Subject<'_>,
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Asking<Verdict, S> {
        let set = self.set(stored, subject, &Versions::default())?;
        Ok(member::in_set(&set, coded, options)?)
    }

    /// As [`Terminology::validate_code`], where the value set was made ready already from what is
    /// stored in this generation: without asking the store. None where it was not.
    #[must_use]
    pub fn validate_known(
        &self,
        generation: u64,
        value_set: &str,
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Option<Result<Verdict, Fault>> {
        let set = self.shared.set(generation, value_set)?;
        Some(set.and_then(|set| member::in_set(&set, coded, options)))
    }

    /// Whether a code is one of a code system that came with the question.
    ///
    /// # Errors
    /// A fault where the system is a part, without the code.
    pub fn validate_given(
        &self,
        system: &AnySystem,
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Result<Verdict, Fault> {
        member::in_system(system, coded, options)
    }

    /// The stored resource of a value set, by its canonical or as `ValueSet/id`; none where it is
    /// embedded or implicit.
    ///
    /// # Errors
    /// What the store fails with.
    pub fn value_set_resource<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        value_set: &str,
    ) -> Asking<Option<Arc<Resource>>, S> {
        if let Some(id) = value_set.strip_prefix("ValueSet/") {
            return stored.value_set_by_id(id).map_err(Problem::Stored);
        }
        let (url, version) = match value_set.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (value_set, None),
        };
        stored
            .canonicals(ResourceType::VALUE_SET, url, version)
            .map(crate::pick::newest)
            .map_err(Problem::Stored)
    }

    /// Whether a code is one of a code system.
    ///
    /// # Errors
    /// A fault where the system or its codes are not here.
    pub fn validate_in_system<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        version: Option<&str>,
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Asking<Verdict, S> {
        let found = self.system(stored, system, version)?;
        Ok(member::in_system(&found, coded, options)?)
    }

    /// As [`Terminology::validate_in_system`], where the system was read already from what is
    /// stored in this generation: without asking the store. None where it was not, or where its
    /// codes are not here.
    #[must_use]
    pub fn validate_known_system(
        &self,
        generation: u64,
        (system, version): (&str, Option<&str>),
        coded: &Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Option<Result<Verdict, Fault>> {
        let key = (system.to_owned(), version.map(str::to_owned));
        let found = self.shared.system(generation, &key)??;
        let is_absent = found.listed().is_some_and(|system| system.content.is_absent());
        (!is_absent).then(|| member::in_system(&found, coded, options))
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
    ) -> Asking<Vec<String>, S> {
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
    ) -> Asking<Vec<String>, S> {
        self.related(stored, system, code, CodeSystem::above)
    }

    fn related<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        code: &str,
        walk: impl Fn(&CodeSystem, u32) -> Result<Marks, Fault>,
    ) -> Asking<Vec<String>, S> {
        let found = self.code_system(stored, system)?;
        let at = found.position(code).ok_or_else(|| Fault::UnknownCode(system.to_owned()))?;
        let positions = walk(&found, at)?;
        let limit = self.limits.max_codes;
        if positions.len() > limit {
            return Err(Fault::TooLarge { url: system.to_owned(), limit }.into());
        }
        let mut codes: Vec<String> =
            positions.iter().map(|at| found.at(at).code().to_owned()).collect();
        codes.sort_unstable();
        Ok(codes)
    }

    /// How two codes of a system stand to each other.
    ///
    /// # Errors
    /// As [`Terminology::below`].
    pub fn subsumes<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        (system, version): (&str, Option<&str>),
        one: &str,
        other: &str,
    ) -> Asking<Subsumption, S> {
        let unknown = || Fault::UnknownCode(system.to_owned());
        let found = match self.system(stored, system, version)? {
            AnySystem::Listed(found) => found,
            AnySystem::Grammar(grammar) => {
                if !grammar.has(one) || !grammar.has(other) {
                    return Err(unknown().into());
                }
                let is_same = one == other;
                return Ok(if is_same {
                    Subsumption::Equivalent
                } else {
                    Subsumption::NotSubsumed
                });
            }
        };
        let one = found.position(one).ok_or_else(unknown)?;
        let other = found.position(other).ok_or_else(unknown)?;
        Ok(if one == other {
            Subsumption::Equivalent
        } else if found.subsumes(one, other)? {
            Subsumption::Subsumes
        } else if found.subsumes(other, one)? {
            Subsumption::SubsumedBy
        } else {
            Subsumption::NotSubsumed
        })
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
    ) -> Asking<Option<bool>, S> {
        let mut question = self.question(stored, &Versions::default())?;
        match question.find_system(system, None)? {
            Some(AnySystem::Listed(found)) => Ok(found.is_case_sensitive),
            Some(AnySystem::Grammar(_)) => Ok(None),
            None => Err(Fault::UnknownCodeSystem(system.to_owned()).into()),
        }
    }

    /// A code system by `url` or `url|version`, whose codes are here or can be checked.
    ///
    /// # Errors
    /// A fault where the system is not known or its codes are not here.
    pub fn system<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        version: Option<&str>,
    ) -> Asking<AnySystem, S> {
        self.question(stored, &Versions::default())?.system(system, version)
    }

    /// A code system with its concepts, by `url` or `url|version`.
    ///
    /// # Errors
    /// A fault where the system is not known, or its codes are not here or cannot be listed.
    pub fn code_system<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
    ) -> Asking<Arc<CodeSystem>, S> {
        match self.system(stored, system, None)? {
            AnySystem::Listed(found) => Ok(found),
            AnySystem::Grammar(grammar) => Err(Fault::Grammar(grammar.url().to_owned()).into()),
        }
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

    /// Whether a value set of this URL is embedded.
    #[must_use]
    pub fn has_value_set(&self, url: &str) -> bool {
        artefact::r4().has_value_set(url)
    }

    /// Whether a code system of this URL is embedded.
    #[must_use]
    pub fn has_code_system(&self, url: &str) -> bool {
        artefact::r4().has_code_system(url)
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
