//! A parsed expression.

use std::str::FromStr;

use crate::environment::Environment;
use crate::error::{EvalError, ParseError};
use crate::eval::Function;
use crate::infer::{self, InferError, ResultTypes};
use crate::item::Item;
use crate::types::{Type, TypeSpecifier};
use crate::{eval, parse};

/// A FHIRPath expression that has been read; evaluated as often as one likes, by any thread.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Expr,
}

impl Expression {
    /// Reads an expression. Function names, counts of arguments and type names are checked here.
    ///
    /// # Errors
    /// `ParseError` with the position and what was expected there; also for expressions that are
    /// nested deeper than about a hundred levels.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text).map(|root| Self { root })
    }

    /// The items that the expression gives for `focus`: usually one resource, see
    /// [`Item::resource`].
    ///
    /// # Errors
    /// Where the specification says that evaluation ends with an error, and where the
    /// environment's budget is used up.
    pub fn evaluate<'a>(
        &self,
        environment: &Environment<'a>,
        focus: &[Item<'a>],
    ) -> Result<Vec<Item<'a>>, EvalError> {
        eval::evaluate(&self.root, environment, focus)
    }

    /// As [`Expression::evaluate`], and the result is a condition: nothing is `None`, one
    /// boolean is its value, one item of another type is `true`.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and where there is more than one item.
    pub fn holds<'a>(
        &self,
        environment: &Environment<'a>,
        focus: &[Item<'a>],
    ) -> Result<Option<bool>, EvalError> {
        let result = eval::condition(&self.evaluate(environment, focus)?, "a condition");
        result.map_err(|fault| EvalError { position: None, fault })
    }

    /// The types that the results can have when the focus is of type `base`, from the element
    /// tables alone.
    ///
    /// # Errors
    /// Where a path names an element that none of the types before it has.
    pub fn result_types(&self, base: Type) -> Result<ResultTypes, InferError> {
        infer::infer(&self.root, base, base)
    }

    /// Whether a function of this name is called anywhere in it.
    #[must_use]
    pub fn calls(&self, function: &str) -> bool {
        self.root.calls(function)
    }

    /// As [`Expression::result_types`] for an expression inside a resource of type `resource`.
    ///
    /// # Errors
    /// As [`Expression::result_types`].
    pub fn result_types_in(&self, base: Type, resource: Type) -> Result<ResultTypes, InferError> {
        infer::infer(&self.root, base, resource)
    }
}

impl FromStr for Expression {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// A part of an expression. Paths and chains of operators are lists, so that long ones are not
/// deep ones.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    /// `{}`
    Empty,
    Literal(Item<'static>),
    This,
    /// `$index`, with its position in the text.
    Index(usize),
    /// `$total`, likewise.
    Total(usize),
    /// `%resource`, likewise.
    Constant(String, usize),
    /// The name that a path begins with: the type of the focus or one of its elements.
    Name(String),
    /// Each step with its position in the text.
    Path(Box<Expr>, Vec<(usize, Step)>),
    /// Operators of one precedence, from the left.
    Chain(Box<Expr>, Vec<Operation>),
    /// A sign, with its position in the text.
    Negative(Box<Expr>, usize),
    /// Likewise.
    Positive(Box<Expr>, usize),
}

impl Expr {
    fn calls(&self, function: &str) -> bool {
        match self {
            Self::Empty
            | Self::Literal(_)
            | Self::This
            | Self::Index(_)
            | Self::Total(_)
            | Self::Constant(..)
            | Self::Name(_) => false,
            Self::Path(head, steps) => {
                head.calls(function) || steps.iter().any(|(_, step)| step.calls(function))
            }
            Self::Chain(first, rest) => {
                first.calls(function) || rest.iter().any(|each| each.right.calls(function))
            }
            Self::Negative(inner, _) | Self::Positive(inner, _) => inner.calls(function),
        }
    }
}

impl Step {
    fn calls(&self, function: &str) -> bool {
        match self {
            Self::Member(_) | Self::Is(_) | Self::Of(_) => false,
            Self::At(position) => position.calls(function),
            Self::Call(called, arguments) => {
                called.name == function || arguments.iter().any(|each| each.calls(function))
            }
        }
    }
}

/// What follows on what stands before it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Member(String),
    At(Expr),
    Call(&'static Function, Vec<Expr>),
    Is(TypeSpecifier),
    /// `as` and `ofType`.
    Of(TypeSpecifier),
}

/// An operator with what stands to its right.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Where the operator stands in the text.
    pub(crate) position: usize,
    pub(crate) operator: &'static Operator,
    pub(crate) right: Expr,
}

/// An operator between two expressions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    /// How it is written.
    pub(crate) sign: &'static str,
    /// The higher, the closer it binds.
    pub(crate) level: u8,
    pub(crate) action: Action,
}

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Arithmetic(Arithmetic),
    Concatenate,
    Union,
    Order(Order),
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    Logic(Logic),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Times,
    Divide,
    DivideWhole,
    Modulo,
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
    Implies,
}

const fn operator(sign: &'static str, level: u8, action: Action) -> Operator {
    Operator { sign, level, action }
}

/// All operators but `is` and `as`.
pub(crate) static OPERATORS: [Operator; 22] = [
    operator("*", 9, Action::Arithmetic(Arithmetic::Times)),
    operator("/", 9, Action::Arithmetic(Arithmetic::Divide)),
    operator("div", 9, Action::Arithmetic(Arithmetic::DivideWhole)),
    operator("mod", 9, Action::Arithmetic(Arithmetic::Modulo)),
    operator("+", 8, Action::Arithmetic(Arithmetic::Plus)),
    operator("-", 8, Action::Arithmetic(Arithmetic::Minus)),
    operator("&", 8, Action::Concatenate),
    operator("|", 6, Action::Union),
    operator("<", 5, Action::Order(Order::Less)),
    operator("<=", 5, Action::Order(Order::LessOrEqual)),
    operator(">", 5, Action::Order(Order::Greater)),
    operator(">=", 5, Action::Order(Order::GreaterOrEqual)),
    operator("=", 4, Action::Equal),
    operator("!=", 4, Action::NotEqual),
    operator("~", 4, Action::Equivalent),
    operator("!~", 4, Action::NotEquivalent),
    operator("in", 3, Action::In),
    operator("contains", 3, Action::Contains),
    operator("and", 2, Action::Logic(Logic::And)),
    operator("or", 1, Action::Logic(Logic::Or)),
    operator("xor", 1, Action::Logic(Logic::Xor)),
    operator("implies", 0, Action::Logic(Logic::Implies)),
];

/// The level of `is` and `as`, between sums and unions.
pub(crate) const TYPE_LEVEL: u8 = 7;
