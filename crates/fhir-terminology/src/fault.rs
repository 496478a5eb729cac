//! Why a question about codes has no answer.

use fhir_model::{Failure, FailureKind};

/// What the one who asks can be told.
///
/// URLs stand in the texts, codes never do: a value that was put in the wrong place may be
/// somebody's identity code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What stands for a value set is no URL.
    #[error("expected a value set as url, url|version or ValueSet/id")]
    NoCanonical,
    /// Neither stored nor embedded.
    #[error("there is no value set {0} here, stored or of R4")]
    UnknownValueSet(String),
    /// Neither stored nor embedded.
    #[error("there is no code system {0} here, stored or of R4")]
    UnknownCodeSystem(String),
    /// Not stored.
    #[error("there is no concept map {0} here")]
    UnknownConceptMap(String),
    /// Known by name, without its codes (SNOMED CT).
    #[error("the codes of {0} are not here: the stored or embedded code system lists none")]
    CodesNotPresent(String),
    /// Its codes are made by rules (UCUM), so that they can be checked and not listed.
    #[error("the codes of {0} follow a grammar: they can be checked one by one, not listed")]
    Grammar(String),
    /// The URL is one of a code system's value sets, in a form that is not known.
    #[error(
        "{0} has value sets ?fhir_vs, ?fhir_vs=isa/[code], ?fhir_vs=refset and ?fhir_vs=refset/[code] here, and no others"
    )]
    ImplicitForm(String),
    /// Another version of a code system is here than the one that is asked for.
    #[error("version {expected} of {system} is asked for, and version {found} is here")]
    OtherVersion {
        /// URL of the code system.
        system: String,
        /// The version that is here.
        found: String,
        /// The version that is asked for.
        expected: String,
    },
    /// The code system is here, and not in the version that is asked for.
    #[error(
        "there is no code system {system}|{expected} here, stored or of R4, but version {found}"
    )]
    UnknownVersion {
        /// URL of the code system.
        system: String,
        /// The version that is here.
        found: String,
        /// The version that is asked for.
        expected: String,
    },
    /// A part of the code system is here, and the code is not in it.
    #[error("only a part of the code system {0} is here, and the code is not in that part")]
    CodeNotInPart(String),
    /// The code system is here and does not have the code.
    #[error("the code system {0} has no such code")]
    UnknownCode(String),
    /// A code came without its system, and none is implied.
    #[error("expected system|code, found a code without a system")]
    NoSystem,
    /// A filter that cannot be applied to this code system.
    #[error("the filter {property} {operator} on {system} is not supported: {reason}")]
    Filter {
        /// URL of the code system.
        system: String,
        /// `filter.property`.
        property: String,
        /// `filter.op`.
        operator: String,
        /// What is missing.
        reason: &'static str,
    },
    /// The hierarchy of the code system is of another kind than subsumption.
    #[error("the hierarchy of {system} is {meaning}, which does not say what subsumes what")]
    NoSubsumption {
        /// URL of the code system.
        system: String,
        /// `CodeSystem.hierarchyMeaning`.
        meaning: String,
    },
    /// Value sets that include each other.
    #[error("the value set {0} includes itself")]
    Circle(String),
    /// Value sets nested more deeply than anybody means.
    #[error("the value set {0} includes too many value sets, or too deeply")]
    TooDeep(String),
    /// More codes than are granted.
    #[error("{url} gives more than {limit} codes here")]
    TooLarge {
        /// URL of the value set or code system.
        url: String,
        /// How many codes are granted.
        limit: usize,
    },
    /// The value set has neither compose nor a whole expansion.
    #[error("the value set {0} says nothing of its codes: no compose and no whole expansion")]
    NoContent(String),
    /// A part of a value set or code system that breaks a rule of R4.
    #[error("{url} cannot be used: {reason}")]
    Broken {
        /// URL of the resource.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something is missing here, and the server that may know gave no answer either.
    #[error("{lack}, and the external terminology server {reason}")]
    Elsewhere {
        /// What is missing here.
        lack: String,
        /// Why there was no answer.
        reason: &'static str,
    },
}

impl Fault {
    /// Whether somebody who has more definitions and codes may know.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self {
            Self::UnknownValueSet(_)
            | Self::UnknownCodeSystem(_)
            | Self::UnknownConceptMap(_)
            | Self::CodesNotPresent(_)
            | Self::CodeNotInPart(_)
            | Self::Grammar(_)
            | Self::ImplicitForm(_)
            | Self::OtherVersion { .. }
            | Self::UnknownVersion { .. }
            | Self::Filter { .. }
            | Self::NoSubsumption { .. }
            | Self::NoContent(_) => true,
            Self::NoCanonical
            | Self::UnknownCode(_)
            | Self::NoSystem
            | Self::Circle(_)
            | Self::TooDeep(_)
            | Self::TooLarge { .. }
            | Self::Broken { .. }
            | Self::Elsewhere { .. } => false,
        }
    }

    /// The URL of what is missing, where the fault is about one.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::UnknownValueSet(url)
            | Self::UnknownCodeSystem(url)
            | Self::UnknownConceptMap(url)
            | Self::CodesNotPresent(url)
            | Self::Grammar(url)
            | Self::ImplicitForm(url)
            | Self::CodeNotInPart(url)
            | Self::UnknownCode(url)
            | Self::Circle(url)
            | Self::TooDeep(url)
            | Self::TooLarge { url, .. }
            | Self::NoContent(url)
            | Self::Broken { url, .. } => Some(url),
            Self::OtherVersion { system, .. }
            | Self::UnknownVersion { system, .. }
            | Self::Filter { system, .. }
            | Self::NoSubsumption { system, .. } => Some(system),
            Self::NoCanonical | Self::NoSystem | Self::Elsewhere { .. } => None,
        }
    }

    /// The same where a server elsewhere was asked in vain: `reason` says why, as in "did not
    /// answer".
    #[must_use]
    pub fn also_elsewhere(&self, reason: &'static str) -> Self {
        Self::Elsewhere { lack: self.to_string(), reason }
    }

    /// Whether something is missing here that the expansion in the resource can stand for.
    pub(crate) const fn is_lack(&self) -> bool {
        match self {
            Self::NoCanonical
            | Self::UnknownValueSet(_)
            | Self::UnknownCodeSystem(_)
            | Self::UnknownConceptMap(_)
            | Self::CodesNotPresent(_)
            | Self::UnknownCode(_)
            | Self::Filter { .. }
            | Self::NoSubsumption { .. }
            | Self::Grammar(_)
            | Self::CodeNotInPart(_)
            | Self::OtherVersion { .. }
            | Self::UnknownVersion { .. }
            | Self::Elsewhere { .. }
            | Self::NoContent(_) => true,
            Self::NoSystem
            | Self::ImplicitForm(_)
            | Self::Circle(_)
            | Self::TooDeep(_)
            | Self::TooLarge { .. }
            | Self::Broken { .. } => false,
        }
    }

    /// The failure that a client is told; all are faults of the request or of what is stored.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let kind = match self {
            Self::NoCanonical
            | Self::UnknownValueSet(_)
            | Self::UnknownCodeSystem(_)
            | Self::UnknownConceptMap(_)
            | Self::UnknownCode(_)
            | Self::NoSystem
            | Self::OtherVersion { .. }
            | Self::UnknownVersion { .. }
            | Self::Circle(_)
            | Self::Broken { .. } => FailureKind::InvalidParameter,
            Self::CodesNotPresent(_)
            | Self::CodeNotInPart(_)
            | Self::Grammar(_)
            | Self::ImplicitForm(_)
            | Self::Filter { .. }
            | Self::NoSubsumption { .. }
            | Self::Elsewhere { .. }
            | Self::NoContent(_) => FailureKind::NotSupported,
            Self::TooDeep(_) | Self::TooLarge { .. } => FailureKind::TooCostly,
        };
        Failure::new(kind, self.to_string())
    }
}

/// A fault, or the failure of the store that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem<E> {
    /// There is no answer, for a reason that can be told.
    Fault(Fault),
    /// The store failed.
    Stored(E),
}

impl<E> From<Fault> for Problem<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
