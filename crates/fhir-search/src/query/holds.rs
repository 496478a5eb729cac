//! What a query means, said once without a database: the stores' SQL is held against this.

use fhir_model::{Instant, ResourceKey};

use super::{Match, Predicate, RowMatch, Scope, SearchQuery};
use crate::ParameterId;
use crate::rows::IndexRows;

impl SearchQuery {
    /// Whether a resource with these rows is found; sorting, paging and includes apart.
    #[must_use]
    pub fn holds(&self, key: &ResourceKey, updated: Instant, rows: &IndexRows) -> bool {
        let in_scope = match &self.scope {
            Scope::Type(resource_type) => *resource_type == key.resource_type,
            Scope::Types(types) => types.contains(&key.resource_type),
            Scope::All => true,
        };
        in_scope && self.predicates.iter().all(|predicate| predicate.holds(key, updated, rows))
    }
}

impl Predicate {
    /// Whether one of the alternatives holds.
    #[must_use]
    pub fn holds(&self, key: &ResourceKey, updated: Instant, rows: &IndexRows) -> bool {
        self.any.iter().any(|each| match each {
            Match::Id(id) => *id == key.id,
            Match::LastUpdated(when) => when.holds(updated.0, updated.0 + 1),
            Match::Row(row) => row.holds(rows),
            Match::Never => false,
        })
    }
}

impl RowMatch {
    /// Whether there is a row as asked for.
    #[must_use]
    pub fn holds(&self, rows: &IndexRows) -> bool {
        let of = |p: &ParameterId, own: i32| own == p.0;
        let either = |p: &ParameterId, own: i32| own == p.0 || own == p.long();
        match self {
            Self::Token { p, code, sys } => rows.token.iter().any(|row| {
                of(p, row.p) && row.code == *code && sys.is_none_or(|sys| row.sys == sys)
            }),
            Self::TokenSystem { p, sys } => {
                rows.token.iter().any(|row| of(p, row.p) && row.sys == *sys)
            }
            Self::Reference { p, targets } => {
                rows.reference.iter().any(|row| of(p, row.p) && targets.contains(&row.target))
            }
            Self::Date { p, when } => {
                rows.date.iter().any(|row| either(p, row.p) && when.holds(row.lo, row.hi))
            }
            Self::Number { p, unit, range } => rows.number.iter().any(|row| {
                of(p, row.p) && range.holds(&row.v) && unit.holds(*p, row.unit, &rows.unit)
            }),
            Self::StringPrefix { p, folded } => {
                rows.string.iter().any(|row| of(p, row.p) && row.folded.starts_with(folded))
            }
            Self::Uri { p, text } => rows.uri.iter().any(|row| of(p, row.p) && row.text == *text),
            Self::CompositeToken { p, code, sys, code2, sys2 } => {
                rows.composite_token.iter().any(|row| {
                    of(p, row.p)
                        && row.code == *code
                        && sys.is_none_or(|sys| row.sys == sys)
                        && row.code2 == *code2
                        && sys2.is_none_or(|sys| row.sys2 == sys)
                })
            }
            Self::CompositeNumber { p, code, sys, unit, range, range2 } => {
                rows.composite_number.iter().any(|row| {
                    of(p, row.p)
                        && row.code == *code
                        && sys.is_none_or(|sys| row.sys == sys)
                        && unit.holds(*p, row.unit, &rows.unit)
                        && range.holds(&row.v)
                        && range2.as_ref().is_none_or(|range| range.holds(&row.v2))
                })
            }
            Self::CompositeDate { p, code, sys, when } => rows.composite_date.iter().any(|row| {
                of(p, row.p)
                    && row.code == *code
                    && sys.is_none_or(|sys| row.sys == sys)
                    && when.holds(row.lo, row.hi)
            }),
            Self::CompositeString { p, code, sys, folded } => {
                rows.composite_string.iter().any(|row| {
                    of(p, row.p)
                        && row.code == *code
                        && sys.is_none_or(|sys| row.sys == sys)
                        && row.folded.starts_with(folded)
                })
            }
        }
    }
}
