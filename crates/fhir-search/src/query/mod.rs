//! A search as a tree, and its parsing from the pairs of a request.

mod chain;
mod compare;
mod compartment;
mod composite;
mod criterion;
mod filter;
mod holds;
mod lookup;
mod modifier;
mod near;
mod notes;
mod parse;
mod person;
mod position;
mod quantity;
mod reference;
mod resolve;
mod result;
mod token;
mod ucum;
mod uri;
mod value;
mod wish;
mod words;

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Id, Instant, Issue, ResourceKey};

pub use self::compare::{Comparator, DateMatch, NumberRange, UnitMatch};
pub use self::compartment::compartment;
pub use self::holds::{Found, World};
pub use self::lookup::{Answers, Coded, Direction, Lookup};
pub use self::near::hint;
pub use self::parse::parse;
pub use self::person::named_patients;
pub use self::result::RESULT;
pub use self::wish::{
    ContainedMode, ContainedType, Include, SortBy, SortKey, SummaryMode, TotalMode,
};
use crate::ParameterId;
use crate::rows::PlaceRow;

/// Where a search looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One resource type.
    Type(ResourceType),
    /// The types of `_type`.
    Types(Vec<ResourceType>),
    /// Every type.
    All,
}

/// A search, ready for a store: names are resolved, values hashed, folded or made into ranges.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// Where it looks. `_type` has been applied.
    pub scope: Scope,
    /// All must hold.
    pub predicates: Vec<Predicate>,
    /// First key first; the store adds its own tie-breaker.
    pub sort: Vec<SortKey>,
    /// Matches on a page; 0 asks for the total only.
    pub count: u32,
    /// Whether the total is wanted.
    pub total: TotalMode,
    /// Which parts of the resources are wanted.
    pub summary: SummaryMode,
    /// Top-level elements of `_elements`; empty: all.
    pub elements: Vec<String>,
    /// `_include`.
    pub include: Vec<Include>,
    /// `_revinclude`.
    pub revinclude: Vec<Include>,
    /// `_contained`.
    pub contained: ContainedMode,
    /// `_containedType`: what stands for a contained match in the answer.
    pub contained_type: ContainedType,
    /// The pairs that were understood, as the client wrote them: for the self link.
    pub applied: Vec<(String, String)>,
    /// `_explain`: the plan is wanted beside the answer.
    pub explain: bool,
    /// What was ignored or deserves a word.
    pub warnings: Vec<Issue>,
}

/// One search parameter of a query: the alternatives of its comma-separated values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// At least one must hold.
    pub any: Vec<Match>,
}

/// One alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// All of these hold: a conjunction inside an alternative (`_filter`).
    All(Vec<Predicate>),
    /// None of these holds, whether the resource has values or not (`:not`, `:not-in`, `not` of
    /// `_filter`).
    Not(Vec<Match>),
    /// The resource has a value for one of these parameters (`:missing=false`; the other side is
    /// `Not` of this): see [`crate::IndexRows::present`].
    Present(Vec<ParameterId>),
    /// A chain: the resource refers to a resource that satisfies all of it.
    Chain(Chain),
    /// `_has`: a resource that satisfies all of it refers to this one.
    Has(Has),
    /// The resource is one of these (`_list`, and whatever else was looked up).
    Keys(Arc<Vec<ResourceKey>>),
    /// The resource is one of those whose `Type/id` has one of these hashes, which are sorted
    /// ([`crate::ValueHasher::reference`]).
    Hashes(Arc<Vec<i64>>),
    /// `_text`, `_content`.
    Text(TextMatch),
    /// To be looked up in the same snapshot before the search: [`SearchQuery::resolve`] replaces
    /// it. No store ever sees one.
    Lookup(Lookup),
    /// The resource is of one of these types: beside alternatives that speak of others.
    OfType(Vec<ResourceType>),
    /// The resource belongs to one of these persons ([`crate::AccessRow::person`]).
    Person(Arc<Vec<i64>>),
    /// The resource has this id.
    Id(Id),
    /// The resource was last updated then; its range is a point (`hi = lo + 1`).
    LastUpdated(DateMatch),
    /// The resource has a row in an index table.
    Row(RowMatch),
    /// Cannot hold, for example a reference that no target type allows.
    Never,
}

/// "By one of these parameters the resource refers to a resource of this type that satisfies all
/// of these". The predicates speak of the target's parameters, and may hold chains in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Reference parameters of the resource.
    pub parameters: Vec<ParameterId>,
    /// Type of the target.
    pub target: ResourceType,
    /// What the target satisfies.
    pub all: Vec<Predicate>,
}

/// "A resource of this type refers to the resource by one of these parameters, and satisfies all
/// of these".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Has {
    /// Type of the resource that refers.
    pub source: ResourceType,
    /// Its reference parameters.
    pub parameters: Vec<ParameterId>,
    /// What it satisfies.
    pub all: Vec<Predicate>,
}

/// A search in the words of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMatch {
    /// Which words.
    pub field: TextField,
    /// What is to be found in them.
    pub query: TextQuery,
}

/// The words of a resource that are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextField {
    /// `_text`: the narrative.
    Narrative,
    /// `_content`: everything, the narrative too.
    Content,
}

/// What is searched in words; words are folded by [`crate::fold::words`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextQuery {
    /// These words one after the other; one word alone stands for itself. Never empty.
    Phrase(Vec<String>),
    /// A word that starts like this (`bon*`).
    Prefix(String),
    /// All.
    And(Vec<TextQuery>),
    /// At least one.
    Or(Vec<TextQuery>),
    /// Not this one.
    Not(Box<TextQuery>),
}

/// "The resource has a row in an index table with …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowMatch {
    /// `token`: this code, and this system (`Some(0)`: no system; `None`: any).
    Token {
        /// Parameter.
        p: ParameterId,
        /// Code's hash.
        code: i64,
        /// System.
        sys: Option<i64>,
    },
    /// `token`: any code of this system (through `coding`, which lists a system's codes). An
    /// alternative `Token` with code 0 stands beside it, for identifiers.
    TokenSystem {
        /// Parameter.
        p: ParameterId,
        /// System's hash.
        sys: i64,
    },
    /// `reference`: one of these targets.
    Reference {
        /// Parameter.
        p: ParameterId,
        /// Hashes.
        targets: Vec<i64>,
    },
    /// `date`, under both numbers of the parameter.
    Date {
        /// Parameter.
        p: ParameterId,
        /// Range.
        when: DateMatch,
    },
    /// `number`: in this range, in this unit.
    Number {
        /// Parameter.
        p: ParameterId,
        /// Unit.
        unit: UnitMatch,
        /// Range.
        range: NumberRange,
    },
    /// `string`: starts with this folded text.
    StringPrefix {
        /// Parameter.
        p: ParameterId,
        /// Start.
        folded: String,
    },
    /// `string`: this text as it stands (`:exact`).
    StringExact {
        /// Parameter.
        p: ParameterId,
        /// The folded text.
        folded: String,
        /// Hash of the text as it stands, as in [`crate::StringRow::exact`].
        exact: i32,
    },
    /// `string`: this folded text and nothing behind it (`eq` of `_filter`).
    StringIs {
        /// Parameter.
        p: ParameterId,
        /// The folded text.
        folded: String,
    },
    /// `string`: ends with this folded text (`ew` of `_filter`); an index is scanned.
    StringEnds {
        /// Parameter.
        p: ParameterId,
        /// End.
        folded: String,
    },
    /// `string`: holds this folded text somewhere (`:contains`); an index is scanned.
    StringContains {
        /// Parameter.
        p: ParameterId,
        /// What is held.
        folded: String,
    },
    /// `token`: one of these codes, each with its system as in `Token` (value sets, hierarchies).
    TokenSet {
        /// Parameter.
        p: ParameterId,
        /// Hashes of code and system, ascending; may be thousands.
        codes: Arc<Vec<(i64, Option<i64>)>>,
    },
    /// `uri`: this text, or one that goes on with `/`, `|` or `#` behind it (`:below`); where the
    /// text names a version after a `|`, also one that goes on with `.`, as 1.2 is below 1.
    UriBelow {
        /// Parameter.
        p: ParameterId,
        /// Start, without a slash at its end.
        text: String,
    },
    /// `place`: within this distance.
    Near {
        /// Parameter.
        p: ParameterId,
        /// The middle; its `p` says nothing.
        place: PlaceRow,
        /// Greatest straight distance in the units of [`PlaceRow`].
        chord: i64,
    },
    /// `uri`: exactly this text.
    Uri {
        /// Parameter.
        p: ParameterId,
        /// Text.
        text: String,
    },
    /// `composite_token`.
    CompositeToken {
        /// Parameter.
        p: ParameterId,
        /// First code's or target's hash.
        code: i64,
        /// First system, as in `Token`.
        sys: Option<i64>,
        /// Second code's or target's hash.
        code2: i64,
        /// Second system, as in `Token`.
        sys2: Option<i64>,
    },
    /// `composite_number`.
    CompositeNumber {
        /// Parameter.
        p: ParameterId,
        /// Code's hash.
        code: i64,
        /// System, as in `Token`.
        sys: Option<i64>,
        /// Unit, as in `Number`.
        unit: UnitMatch,
        /// First number.
        range: NumberRange,
        /// Second number, for composites that have one.
        range2: Option<NumberRange>,
    },
    /// `composite_date`.
    CompositeDate {
        /// Parameter.
        p: ParameterId,
        /// Code's hash.
        code: i64,
        /// System, as in `Token`.
        sys: Option<i64>,
        /// Range.
        when: DateMatch,
    },
    /// `composite_string`.
    CompositeString {
        /// Parameter.
        p: ParameterId,
        /// Code's hash.
        code: i64,
        /// System, as in `Token`.
        sys: Option<i64>,
        /// Start.
        folded: String,
    },
}

/// What parsing needs to know beside the pairs.
#[derive(Clone, Debug)]
pub struct ParseSettings {
    /// Refuse parameters that nobody knows (`handling=strict`, the default); else warn.
    pub strict: bool,
    /// Page size without `_count`.
    pub default_count: u32,
    /// Largest page size; a greater `_count` is lowered to it.
    pub max_count: u32,
    /// Parameters that proxies add: let through with a warning even when strict.
    pub always_allowed: Vec<String>,
    /// The request's instant, for `ap`.
    pub now: Instant,
    /// The server's own FHIR root without the trailing slash: references under it are local.
    pub base: Option<String>,
    /// Whether `_explain` is answered: plans tell which values are frequent.
    pub explain: bool,
}

impl RowMatch {
    /// The parameter whose rows are meant.
    #[must_use]
    pub const fn parameter(&self) -> ParameterId {
        match self {
            Self::Token { p, .. }
            | Self::TokenSystem { p, .. }
            | Self::TokenSet { p, .. }
            | Self::Reference { p, .. }
            | Self::Date { p, .. }
            | Self::Number { p, .. }
            | Self::StringPrefix { p, .. }
            | Self::StringExact { p, .. }
            | Self::StringIs { p, .. }
            | Self::StringEnds { p, .. }
            | Self::StringContains { p, .. }
            | Self::Uri { p, .. }
            | Self::UriBelow { p, .. }
            | Self::Near { p, .. }
            | Self::CompositeToken { p, .. }
            | Self::CompositeNumber { p, .. }
            | Self::CompositeDate { p, .. }
            | Self::CompositeString { p, .. } => *p,
        }
    }
}
