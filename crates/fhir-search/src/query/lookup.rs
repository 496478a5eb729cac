//! What a query leaves open until its snapshot is there: value sets, hierarchies, lists, units.
//!
//! Parsing knows no data. Where a value's meaning lies in stored resources, the parser leaves a
//! [`Lookup`], and [`SearchQuery::resolve`] replaces it by plain matches, asking [`Answers`].

use fhir_model::{Failure, Id, ResourceKey};

use super::{Comparator, Match, Predicate, SearchQuery};
use crate::ParameterId;

/// A question about stored data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A token in a value set (`:in`; `:not-in` is `Not` of it).
    ValueSet {
        /// Token parameter.
        p: ParameterId,
        /// Canonical URL, with or without version, or a literal reference.
        value_set: String,
    },
    /// A token by its place in the hierarchy of its code system.
    Subsumed {
        /// Token parameter.
        p: ParameterId,
        /// System, where the client named one.
        system: Option<String>,
        /// Code.
        code: String,
        /// Above or below.
        direction: Direction,
    },
    /// A reference by the place of its target in the tree of such resources.
    Hierarchy {
        /// Reference parameter.
        p: ParameterId,
        /// Where the tree is entered.
        start: ResourceKey,
        /// The parameter of the target's type by which it names its parent.
        parent: ParameterId,
        /// Above or below.
        direction: Direction,
    },
    /// Members of `List/id`.
    List(Id),
    /// A quantity in a UCUM unit: found in every unit that it can be converted to.
    Quantity {
        /// Quantity parameter, or a composite of a token and a quantity.
        p: ParameterId,
        /// For a composite: hashes of the code and its system, as in `RowMatch::Token`.
        code: Option<(i64, Option<i64>)>,
        /// How to compare.
        comparator: Comparator,
        /// The number as it was written.
        number: String,
        /// The unit's UCUM code.
        unit: String,
    },
}

/// A way through a hierarchy; both take in the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `:above`: the start and what stands over it.
    Above,
    /// `:below`: the start and what stands under it.
    Below,
}

/// A code of a system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coded {
    /// System, where there is one.
    pub system: Option<String>,
    /// Code.
    pub code: String,
}

/// Answers from one snapshot of the data. What can't be answered is a failure of the client's
/// (4xx), never an empty answer.
pub trait Answers {
    /// Failures of the client and of the store.
    type Error: From<Failure>;

    /// The codes of a value set.
    ///
    /// # Errors
    /// Unknown value sets, and those that can't be expanded.
    fn codes_in(&mut self, value_set: &str) -> Result<Vec<Coded>, Self::Error>;

    /// A code with those above or below it.
    ///
    /// # Errors
    /// Unknown systems and codes.
    fn subsumed(
        &mut self,
        system: Option<&str>,
        code: &str,
        direction: Direction,
    ) -> Result<Vec<Coded>, Self::Error>;

    /// A resource with those above or below it, by the parameter that names parents.
    ///
    /// # Errors
    /// Trees beyond the limit.
    fn hierarchy(
        &mut self,
        start: &ResourceKey,
        parent: ParameterId,
        direction: Direction,
    ) -> Result<Vec<ResourceKey>, Self::Error>;

    /// What a List refers to, entries marked deleted left out.
    ///
    /// # Errors
    /// Unknown lists.
    fn listed(&mut self, list: &Id) -> Result<Vec<ResourceKey>, Self::Error>;

    /// The UCUM units that stored quantities of a parameter have: [`crate::UnitRow::unit`] and code.
    ///
    /// # Errors
    /// The store's.
    fn units(&mut self, p: ParameterId) -> Result<Vec<(i64, String)>, Self::Error>;
}

impl SearchQuery {
    /// Whether [`SearchQuery::resolve`] has anything to do.
    #[must_use]
    pub fn has_lookups(&self) -> bool {
        self.predicates.iter().any(Predicate::has_lookups)
    }
}

impl Predicate {
    /// Whether something in it has to be looked up first ([`Match::Lookup`]).
    #[must_use]
    pub fn has_lookups(&self) -> bool {
        self.any.iter().any(Match::has_lookups)
    }
}

impl Match {
    fn has_lookups(&self) -> bool {
        match self {
            Self::Lookup(_) => true,
            Self::All(all) => all.iter().any(Predicate::has_lookups),
            Self::Not(any) => any.iter().any(Self::has_lookups),
            Self::Chain(chain) => chain.all.iter().any(Predicate::has_lookups),
            Self::Has(has) => has.all.iter().any(Predicate::has_lookups),
            Self::Present(_)
            | Self::Keys(_)
            | Self::Hashes(_)
            | Self::Text(_)
            | Self::OfType(_)
            | Self::Person(_)
            | Self::Id(_)
            | Self::LastUpdated(_)
            | Self::Row(_)
            | Self::Never => false,
        }
    }
}
