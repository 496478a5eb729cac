//! Code systems and value sets: which codes a value set has, and which codes subsume which.
//!
//! [`Terminology`] answers from R4's own definitions, embedded and decoded on first use, and from
//! what a [`Stored`] gives it: resources of a store win over embedded ones of the same URL. What
//! cannot be had (a value set nobody knows, a code system that is not here) is a [`Fault`], never
//! a list that is too short. Nothing here knows of stores, searches or HTTP.
#![warn(missing_docs)]

mod artefact;
mod codes;
mod fault;
mod filter;
mod grammar;
mod implicit;
pub mod import;
mod iso;
mod list;
mod map;
mod member;
mod pick;
mod question;
mod set;
mod shelf;
mod stored;
mod system;
mod terminology;
mod value_set;

pub use artefact::ARTEFACT;
pub use codes::{Code, Codes};
pub use fault::{Fault, Problem};
pub use grammar::Grammar;
pub use list::{Entry, ExpandOptions, Expansion};
pub use map::{ConceptMap, Product, Translated, Translation, Wanted};
pub use member::{CodeOptions, Coded, Member, Reason, Verdict};
pub use pick::newest;
pub use question::Versions;
pub use set::AnySystem;
pub use stored::{NothingStored, Stored};
pub use system::{
    CodeSystem, Concept, Content, DeclaredProperty, Designation, Property, Use, ValueKind,
};
pub use terminology::{Limits, Subject, Subsumption, Terminology};
