//! What can go wrong. Texts never show values of resources.

use std::borrow::Cow;

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
pub enum EvalError {
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
