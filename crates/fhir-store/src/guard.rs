//! What is decided inside a commit by whoever hands the group over.
//!
//! Preconditions speak of one resource and criteria of what matches; some promises are about
//! several resources at once (that no two of them overlap in time, say). A [`Guard`] judges those
//! from what stands in the tables when nobody else can change it any more.

use std::collections::BTreeSet;
use std::fmt::Debug;

use fhir_model::ResourceKey;

use crate::error::StoreError;
use crate::read::Reader;

/// Judges a group inside its commit, before anything of it is written.
///
/// Groups with guards that name the same things are committed one after the other, whatever
/// server process they come from. On SQLite all groups are.
pub trait Guard: Debug + Send + Sync {
    /// What no other guarded group may name at the same time: names, not necessarily of resources
    /// that exist. What is read for them may have changed when they are held, which
    /// [`Guard::judge`] has to find out.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn names(&self, reader: &mut dyn Reader) -> Result<BTreeSet<ResourceKey>, StoreError>;

    /// What stands against the group; `held` is what [`Guard::names`] gave.
    ///
    /// # Errors
    /// `StoreError` where the database fails.
    fn judge(
        &self,
        reader: &mut dyn Reader,
        held: &BTreeSet<ResourceKey>,
    ) -> Result<Verdict, StoreError>;
}

/// What a guard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The group may be written.
    Fine,
    /// Other names than those held are needed by now: the group is refused as stale.
    Stale,
    /// The group may not be written.
    Refused {
        /// The operation that it is refused for.
        index: usize,
        /// Why.
        objection: Objection,
    },
}

/// Why a guard refuses a group: for the one who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// FHIRPath of what it is about.
    pub place: String,
    /// What is wrong, without a value that could be personal.
    pub told: String,
}
