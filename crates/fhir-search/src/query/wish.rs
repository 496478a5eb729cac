//! What a query wants of its answer: order, includes, totals, parts.

use fhir_definitions::ResourceType;

use crate::ParameterId;

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
    /// Codes and identifiers by their folded text ([`crate::Indexer::sort_texts`]).
    Token(Vec<ParameterId>),
    /// References by their text.
    Reference(Vec<ParameterId>),
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

/// `_contained`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ContainedMode {
    #[default]
    False,
    True,
    Both,
}

/// `_containedType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ContainedType {
    #[default]
    Container,
    Contained,
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
