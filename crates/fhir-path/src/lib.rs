//! FHIRPath N1 (2.0) with the additions of FHIR R4, over the span tape.
//!
//! [`Expression::parse`] reads an expression once; [`Expression::evaluate`] runs it on items of a
//! resource, with an [`Environment`] that says what `%resource` is, what time it is and what can
//! be asked about the world outside ([`Host`]). [`Expression::result_types`] tells from the
//! element tables alone which types a result can have. Nothing is copied out of the resource
//! until somebody asks for a value, and a budget of steps ends every evaluation.
//!
//! Decisions where the specifications leave room:
//! - A name that the type does not have gives nothing; whoever wants to know asks
//!   [`Expression::result_types`].
//! - `as` keeps the items of the type, however many there are: R4's own search parameters use it
//!   on collections.
//! - `matches` finds its pattern anywhere in the text; a dot stands for line ends too.
//! - Arithmetic that leaves the range of numbers gives nothing; results of `/` have up to 16
//!   digits after the point.
//! - `resolve()` finds contained resources and Bundle entries itself. What the host has not read
//!   gives an item that has a type, where the reference names one, and nothing else.
//!
//! Specs: <http://hl7.org/fhirpath/N1/>, <https://hl7.org/fhir/R4/fhirpath.html>
#![warn(missing_docs)]

mod ast;
mod environment;
mod error;
mod eval;
mod infer;
mod item;
mod lex;
mod moment;
mod node;
mod number;
mod parse;
mod quantity;
mod types;

pub use ast::Expression;
pub use environment::{Environment, Host, NoHost, Resolution};
pub use error::{EvalError, EvalFault, ParseError};
pub use infer::{InferError, ResultTypes};
pub use item::Item;
pub use moment::{Moment, Precision};
pub use node::Node;
pub use quantity::Quantity;
pub use types::{SystemType, Type};
