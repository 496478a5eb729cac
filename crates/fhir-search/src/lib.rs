//! The indexer (resource to index rows) and the query parser (query string to [`SearchQuery`]).
//!
//! [`Registry`] holds the search parameters of every resource type, [`Indexer`] their expressions
//! compiled into one trie a type, and [`query::parse`] turns the pairs of a request into a tree of
//! predicates whose values are already hashed, folded or made into ranges. What stands in a row
//! and what a predicate asks for come from the same functions ([`hash`], [`fold`]), so that both
//! sides agree. Nothing here knows SQL or HTTP.
#![warn(missing_docs)]

pub mod custom;
pub mod fold;
pub mod hash;
pub mod index;
pub mod parameter;
pub mod place;
pub mod query;
pub mod reference;
pub mod rows;

pub use custom::CustomParameter;
pub use hash::ValueHasher;
pub use index::{Contained, Indexer, PatientIdentifier, PatientName, Patients};
pub use parameter::{Component, FullText, ParameterId, ParameterKind, Registry, SearchParameter};
pub use query::{
    Answers, Chain, Coded, Comparator, ContainedMode, ContainedType, DateMatch, Direction, Found,
    Has, Include, Lookup, Match, NumberRange, ParseSettings, Predicate,
    RESULT as RESULT_PARAMETERS, RowMatch, Scope, SearchQuery, SortBy, SortKey, SummaryMode,
    TextField, TextMatch, TextQuery, TotalMode, UnitMatch, World, compartment, hint,
    named_patients, parse,
};
pub use reference::ReferenceValue;
pub use rows::{
    AccessRow, CodeDateRow, CodingRow, CompositeDateRow, CompositeNumberRow, CompositeStringRow,
    CompositeTokenRow, DateRow, IndexRows, NumberRow, PlaceRow, ReferenceRow, StringRow, TextRow,
    TokenRow, UnitRow, UriRow,
};
