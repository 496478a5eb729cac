//! `SearchQuery` to SQL, for both databases.
//!
//! [`arm`] turns one alternative of a predicate into a condition on one index table, [`select`]
//! puts arms together: one leg drives, the others are probed, the page is cut by keyset. Bodies
//! are never read here; they are loaded afterwards by row.

pub(crate) mod arm;
#[allow(dead_code, reason = "the next planner uses it")]
pub(crate) mod keys;
#[allow(dead_code, reason = "the next planner uses it")]
pub(crate) mod presence;
pub(crate) mod select;
#[allow(dead_code, reason = "the next planner uses it")]
pub(crate) mod text;
