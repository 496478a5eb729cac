//! Holds resources to profiles: cardinality, types, slices, bindings, invariants, references and
//! extensions.
//!
//! A profile is compiled once into a flat program and shared. What lies outside of the resource
//! (other resources, codes) is asked of a [`World`]. Nothing here knows of stores or HTTP.
#![warn(missing_docs)]

mod arena;
mod at;
mod bundle;
mod compile;
mod constant;
mod inquiry;
mod library;
mod narrative;
mod native;
mod options;
mod path;
mod place;
mod program;
mod questionnaire;
mod report;
mod sink;
mod validator;
mod walk;
mod whole;
mod world;

pub use options::{BestPractice, Options};
pub use place::find;
pub use report::{Finding, Report, RuleKind};
pub use validator::Validator;
pub use world::{Coded, Found, Membership, NoWorld, World};
