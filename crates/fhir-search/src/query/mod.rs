//! A search as a tree, and its parsing from the pairs of a request.

mod criterion;
mod holds;
mod near;
mod parse;
mod result;
mod value;

use fhir_definitions::ResourceType;
use fhir_model::{Id, Instant, Issue};

pub use self::parse::parse;
use crate::ParameterId;
use crate::hash::NONE;
use crate::rows::UnitRow;

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
    /// The pairs that were understood, as the client wrote them: for the self link.
    pub applied: Vec<(String, String)>,
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
    /// The resource has this id.
    Id(Id),
    /// The resource was last updated then; its range is a point (`hi = lo + 1`).
    LastUpdated(DateMatch),
    /// The resource has a row in an index table.
    Row(RowMatch),
    /// Cannot hold, for example a reference that no target type allows.
    Never,
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

/// Which units of a parameter a search means; all but `Plain` are found by the rows of `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitMatch {
    /// Numbers, which have no units.
    Plain,
    /// Whatever the unit, and without one.
    Any,
    /// This hash is the code's, in any system, or the text's.
    Code(i64),
    /// The hashes of the system and of the code.
    SystemCode(i64, i64),
}

impl UnitMatch {
    /// Whether a unit that stands in `number` is meant. The store's SQL says the same.
    #[must_use]
    pub fn holds(&self, p: ParameterId, unit: i64, units: &[UnitRow]) -> bool {
        let mut named = units.iter().filter(|row| row.p == p.0 && row.unit == unit);
        match *self {
            Self::Plain => unit == NONE,
            Self::Any => named.next().is_some(),
            Self::Code(code) => named.any(|row| row.code == code || row.text == code),
            Self::SystemCode(sys, code) => named.any(|row| row.sys == sys && row.code == code),
        }
    }
}

/// The prefix of a date or number.
/// Spec: <https://hl7.org/fhir/R4/search.html#prefix>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Comparator {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

/// A date to compare stored ranges with; [`DateMatch::holds`] says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateMatch {
    /// How to compare.
    pub comparator: Comparator,
    /// First instant searched, in microseconds; widened already for `ap`.
    pub lo: i64,
    /// First instant after it.
    pub hi: i64,
}

impl DateMatch {
    /// Whether a stored range is found. The store's SQL says the same.
    #[must_use]
    pub const fn holds(&self, lo: i64, hi: i64) -> bool {
        match self.comparator {
            Comparator::Eq => lo >= self.lo && hi <= self.hi,
            Comparator::Ne => lo < self.lo || hi > self.hi,
            Comparator::Gt => hi > self.hi,
            Comparator::Lt => lo < self.lo,
            Comparator::Ge => lo >= self.lo || hi > self.hi,
            Comparator::Le => lo < self.lo || hi <= self.hi,
            Comparator::Sa => lo >= self.hi,
            Comparator::Eb => hi <= self.lo,
            Comparator::Ap => lo < self.hi && hi > self.lo,
        }
    }
}

/// A range of exact decimals in their order-preserving bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberRange {
    /// Lower end and whether it belongs to the range; none: unbounded.
    pub min: Option<(Vec<u8>, bool)>,
    /// Upper end and whether it belongs to the range; none: unbounded.
    pub max: Option<(Vec<u8>, bool)>,
    /// The values outside are wanted (`ne`).
    pub negated: bool,
}

impl NumberRange {
    /// Whether a stored value is found. The store's SQL says the same.
    #[must_use]
    pub fn holds(&self, value: &[u8]) -> bool {
        let above = self.min.as_ref().is_none_or(|(min, inclusive)| {
            value > min.as_slice() || (*inclusive && value == min.as_slice())
        });
        let below = self.max.as_ref().is_none_or(|(max, inclusive)| {
            value < max.as_slice() || (*inclusive && value == max.as_slice())
        });
        (above && below) != self.negated
    }
}

/// One key of `_sort`. Resources without a value come last, whichever the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What to sort by.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
}

/// What a sort key reads. The parameters are several where a search looks at several types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// `_id`.
    Id,
    /// `_lastUpdated`.
    LastUpdated,
    /// `date`, both numbers of the parameter: least `lo` ascending, greatest `lo` descending.
    Date(Vec<ParameterId>),
    /// `string`.
    String(Vec<ParameterId>),
    /// `number`: numbers and quantities by their value, whatever the unit.
    Number(Vec<ParameterId>),
    /// `uri`.
    Uri(Vec<ParameterId>),
}

/// One `_include` or `_revinclude`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The type that holds the reference.
    pub source: ResourceType,
    /// Its reference parameters: one, or all of them for `*`.
    pub parameters: Vec<ParameterId>,
    /// Only targets of this type.
    pub target: Option<ResourceType>,
    /// Also apply to what includes bring (`:iterate`).
    pub iterate: bool,
}

/// `_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum TotalMode {
    #[default]
    None,
    Estimate,
    Accurate,
}

/// `_summary`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum SummaryMode {
    #[default]
    False,
    True,
    Text,
    Data,
    Count,
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
}
