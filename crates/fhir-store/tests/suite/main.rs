//! What the store promises, held against every back end.
//!
//! A case is a function that takes a [`World`]; [`cases!`] makes one test of it for each back end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test fails by a panic, and lists its cases in one place"
)]

mod arms;
mod beside;
mod concurrency;
mod full_text;
mod history;
mod journal;
mod mark;
mod online;
mod open;
mod packages;
mod people;
mod plans;
mod purge;
mod references;
mod search;
mod tables;
mod trace;
mod trees;
mod world;
mod write;

/// One test for each case and back end.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $case() { super::$case(&crate::world::World::sqlite()); })+
        }
        mod postgres {
            $(#[test] fn $case() {
                if let Some(world) = crate::world::World::postgres() {
                    super::$case(&world);
                }
            })+
        }
    };
}
pub(crate) use cases;
