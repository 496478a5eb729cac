//! The questions that searches and operations ask.

use crate::codes::Codes;
use crate::fault::{Fault, Problem};
use crate::stored::Stored;

/// What one question may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most codes of an expansion, and of what a code subsumes.
    pub max_codes: usize,
    /// How deep value sets may include value sets.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_codes: 10_000, max_depth: 16 }
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
    /// # Errors
    /// A fault where the value set or something that it includes cannot be had.
    pub fn expand<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        value_set: &str,
    ) -> Result<Codes, Problem<S::Error>> {
        let _ = (stored, self.limits, Codes::new(Vec::new(), Vec::new()));
        Err(Fault::UnknownValueSet(value_set.to_owned()).into())
    }

    /// The code itself and all that it subsumes, sorted.
    ///
    /// # Errors
    /// A fault where the system or its code is not known.
    pub fn below<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        code: &str,
    ) -> Result<Vec<String>, Problem<S::Error>> {
        let _ = (stored, code);
        Err(Fault::UnknownCodeSystem(system.to_owned()).into())
    }

    /// The code itself and all that subsume it, sorted.
    ///
    /// # Errors
    /// A fault where the system or its code is not known.
    pub fn above<S: Stored + ?Sized>(
        &self,
        stored: &mut S,
        system: &str,
        code: &str,
    ) -> Result<Vec<String>, Problem<S::Error>> {
        let _ = (stored, code);
        Err(Fault::UnknownCodeSystem(system.to_owned()).into())
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
        let _ = stored;
        Err(Fault::UnknownCodeSystem(system.to_owned()).into())
    }
}
