//! Whether a code is in a value set, or in a code system: what is asked, and what is answered.
//! Spec: <https://hl7.org/fhir/R4/valueset-operation-validate-code.html>

/// A code as it stands in data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coded<'a> {
    /// Its system; none for elements of type `code`, whose value set implies it.
    pub system: Option<&'a str>,
    /// The version of the system.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// The text that should go with it.
    pub display: Option<&'a str>,
}

/// How a code is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeOptions<'a> {
    /// Languages of displays that are meant (BCP-47), the best first; none for the system's own.
    /// A display of another language is right too.
    pub languages: &'a [&'a str],
    /// Codes that stand for their group only are out.
    pub no_abstract: bool,
    /// Retired codes are out.
    pub active_only: bool,
}

/// The answer about a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in.
    In(Member),
    /// It is not, and why.
    Out(Reason),
}

/// A code that is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// URL of its system.
    pub system: String,
    /// The version of the system that was looked into, where that has one.
    pub version: Option<String>,
    /// The code as the system writes it.
    pub code: String,
    /// The name for people, in the language that was asked for.
    pub display: Option<String>,
    /// Whether the display that was given is none of its names: `display` is the right one.
    pub has_wrong_display: bool,
    /// Whether it stands for its group only.
    pub is_abstract: bool,
    /// Whether it is retired.
    pub is_inactive: bool,
    /// Whether only a part of the system's codes is here, so that a code not found says little.
    pub is_of_part: bool,
}

/// Why a code is not in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The system has the code, the value set doesn't.
    #[error("the code is not in the value set {0}")]
    NotInSet(String),
    /// The system, all of whose codes are here, has no such code.
    #[error("the code system {0} has no such code")]
    UnknownCode(String),
    /// The system has the code in another case.
    #[error("the code system {0} has this code in another case")]
    OtherCase(String),
    /// The value set has no codes of that system.
    #[error("the value set {value_set} has no codes of the system {system}")]
    OtherSystem {
        /// The value set.
        value_set: String,
        /// The system that was given.
        system: String,
    },
    /// The code came without its system, and several systems have it, or none is implied.
    #[error("the value set {0} has codes of several systems: the code needs its system")]
    NoSystem(String),
    /// It stands for its group only.
    #[error("the code stands for its group only and is not meant to be used")]
    Abstract,
    /// It is retired.
    #[error("the code is retired")]
    Inactive,
}
