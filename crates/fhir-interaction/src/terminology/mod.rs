//! Value sets and code systems as a caller sees them: those of the store that the permit shows,
//! before those of R4.

mod capabilities;
pub(crate) mod elsewhere;
mod imported;
mod knowledge;
mod stored;

use std::sync::Arc;

use fhir_model::Resource;
use fhir_search::{Coded, Direction};
use fhir_terminology::{
    CodeOptions, ExpandOptions, Expansion, Fault, Problem, Subject, Terminology, Verdict, Versions,
};

use crate::app::{App, ReadFailure};
use crate::sight::Sight;

pub use capabilities::terminology_capabilities;
pub use elsewhere::{Elsewhere, ElsewhereSettings};
pub use imported::ImportedSystem;
pub(crate) use knowledge::Knowledge;

/// Answers about codes from one snapshot.
pub(crate) struct Codes<'s, 'a> {
    app: &'s App,
    sight: &'s mut Sight<'a>,
    /// Root of the server's URLs, without a slash at its end.
    base: &'s str,
}

impl<'s, 'a> Codes<'s, 'a> {
    pub(crate) fn new(app: &'s App, sight: &'s mut Sight<'a>, base: &'s str) -> Self {
        Self { app, sight, base }
    }

    /// The codes of a value set: by its canonical, as `ValueSet/id`, or by its URL on this server.
    pub(crate) fn codes_in(&mut self, value_set: &str) -> Result<Vec<Coded>, ReadFailure> {
        let terminology = self.terminology().clone();
        let codes = self.named(value_set, |codes, name| terminology.expand(codes, name));
        let codes = codes.map_err(failure)?;
        let coded = |code: &fhir_terminology::Code| Coded {
            system: Some(code.system.clone()).filter(|system| !system.is_empty()),
            code: code.code.clone(),
        };
        Ok(codes.as_slice().iter().map(coded).collect())
    }

    /// Whether a code is in a value set, which is named as in [`Codes::codes_in`].
    ///
    /// # Errors
    /// A fault where nobody can tell, or what the store fails with.
    pub(crate) fn verdict(
        &mut self,
        value_set: &str,
        coded: &fhir_terminology::Coded<'_>,
        options: &CodeOptions<'_>,
    ) -> Result<Verdict, Problem<ReadFailure>> {
        let terminology = self.terminology().clone();
        self.named(value_set, |codes, name| terminology.validate_code(codes, name, coded, options))
    }

    /// An expansion of a value set, which is named as in [`Codes::codes_in`].
    ///
    /// # Errors
    /// A fault where it cannot be had, or what the store fails with.
    pub(crate) fn listed(
        &mut self,
        value_set: &str,
        versions: &Versions,
        options: &ExpandOptions<'_>,
    ) -> Result<Expansion, Problem<ReadFailure>> {
        let terminology = self.terminology().clone();
        self.named(value_set, |codes, name| {
            terminology.list(codes, Subject::Canonical(name), versions, options)
        })
    }

    /// The resource of a value set, where it is stored.
    ///
    /// # Errors
    /// What the store fails with.
    pub(crate) fn value_set_resource(
        &mut self,
        value_set: &str,
    ) -> Result<Option<Arc<Resource>>, Problem<ReadFailure>> {
        let terminology = self.terminology().clone();
        terminology.value_set_resource(self, value_set)
    }

    /// Asks about a value set by its name, and by its id where the name is a URL of this server
    /// that no value set has as its canonical.
    fn named<T>(
        &mut self,
        value_set: &str,
        ask: impl Fn(&mut Self, &str) -> Result<T, Problem<ReadFailure>>,
    ) -> Result<T, Problem<ReadFailure>> {
        let local = value_set
            .strip_prefix(self.base.trim_end_matches('/'))
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|rest| rest.starts_with("ValueSet/"));
        match (ask(self, value_set), local) {
            (Err(Problem::Fault(Fault::UnknownValueSet(_))), Some(local)) => ask(self, local),
            (answer, _) => answer,
        }
    }

    /// A code with all that it subsumes, or with all that subsume it.
    pub(crate) fn subsumed(
        &mut self,
        system: Option<&str>,
        code: &str,
        direction: Direction,
    ) -> Result<Vec<Coded>, ReadFailure> {
        let Some(system) = system.filter(|system| !system.is_empty()) else {
            return Err(failure(Problem::Fault(Fault::NoSystem)));
        };
        let terminology = self.terminology().clone();
        let codes = match direction {
            Direction::Above => terminology.above(self, system, code),
            Direction::Below => terminology.below(self, system, code),
        };
        let codes = codes.map_err(failure)?.into_iter();
        Ok(codes.map(|code| Coded { system: Some(system.to_owned()), code }).collect())
    }

    /// What requests share; to be cloned, which is cheap, before it is asked with `self` as the
    /// store.
    pub(crate) fn terminology(&self) -> &Terminology {
        self.app.knowledge().terminology()
    }
}

/// What a client is told.
pub(crate) fn failure(problem: Problem<ReadFailure>) -> ReadFailure {
    match problem {
        Problem::Fault(fault) => fault.failure().into(),
        Problem::Stored(failure) => failure,
    }
}

#[cfg(test)]
mod tests;
