//! The databases behind the store.

pub(crate) mod bounds;
pub(crate) mod edge;
mod guarded;
pub(crate) mod history;
pub(crate) mod interval;
pub(crate) mod kept;
pub(crate) mod linked;
pub(crate) mod migrate;
pub(crate) mod packages;
pub(crate) mod parameters;
pub(crate) mod postgres;
pub(crate) mod presence;
pub(crate) mod row;
pub(crate) mod rule;
pub(crate) mod sort;
pub(crate) mod sqlite;
pub(crate) mod words;
