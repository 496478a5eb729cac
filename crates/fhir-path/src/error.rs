//! What can go wrong. Texts never show values of resources.

use std::borrow::Cow;
use std::fmt;

/// A text that is no FHIRPath expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at position {position}")]
pub struct ParseError {
    /// Where, in bytes from the start of the text.
    pub position: usize,
    /// What could have stood there, in words.
    pub expected: Cow<'static, str>,
}

/// An evaluation that the specification gives no result to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct EvalError {
    /// The operator, function or name that failed, in bytes from the start of the expression's
    /// text; none where the result as a whole is not what was asked for.
    pub position: Option<usize>,
    /// What is wrong.
    pub fault: EvalFault,
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{} at position {position}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

/// What an evaluation ends with where it gives no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalFault {
    /// The budget of steps is used up.
    #[error("the expression takes more steps than it is granted")]
    TooCostly,
    /// An operator or function takes one item and got more.
    #[error("{operation} takes a single item and there are more")]
    NotSingle {
        /// The operator or function.
        operation: &'static str,
    },
    /// An operator or function cannot work on a type.
    #[error("{operation} takes {expected}")]
    WrongType {
        /// The operator or function.
        operation: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// Nobody has given this `%name` a value.
    #[error("nothing is known of %{0}")]
    UnknownConstant(String),
    /// `$this`, `$index` or `$total` where there is none.
    #[error("{0} has no meaning here")]
    NoVariable(&'static str),
    /// A regular expression that cannot be read or is too large.
    #[error("{operation} takes a regular expression that can be compiled")]
    Pattern {
        /// The function.
        operation: &'static str,
    },
    /// `now()` and its like in an environment without a clock.
    #[error("there is no clock here")]
    NoClock,
}
