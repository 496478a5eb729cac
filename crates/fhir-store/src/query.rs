//! Searches, the same for both databases.
//!
//! [`arm`] turns one row match into conditions on index tables, [`condition`] a whole match into
//! a condition on a candidate, [`source`] a predicate into rows that can be walked, [`pair`] two of them,
//! [`named`] the start of a string into its values. [`plan`] chooses which of them drives; [`run`] walks it, lets the database probe what a seek answers and
//! compares the rest in memory, by the candidate's own index rows ([`world`]). [`sorted`] does so
//! along the index of a sort key ([`values`]). Bodies of matches are loaded afterwards by row.

pub(crate) mod arm;
pub(crate) mod condition;
mod contained;
mod count;
mod explain;
mod named;
mod pair;
mod plan;
pub(crate) mod reading;
mod resolve;
pub(crate) mod run;
mod sorted;
mod source;
pub(crate) mod statistic;
mod text;
mod values;
mod walk;
pub(crate) mod world;
