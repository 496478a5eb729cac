//! Starts of strings that few values have.
//!
//! The rows of a start stand in the order of the values, so that a page in row order is sorted from
//! all of them, and whether one resource has such a value is asked of its body. The rows of one
//! value stand in row order. A start like the name of a town is that of very few values: they are
//! looked up, with a seek each, and asked for in the place of the start.

use fhir_search::{Match, ParameterId, Predicate, RowMatch};

use super::plan::{self, Leg};
use super::reading::Reading;
use super::run::Run;
use crate::error::StoreError;
use crate::sql::{Bind, Sql};

/// More values than this are no better than their start.
const MOST: usize = 4;

impl<S: Reading> Run<'_, S> {
    /// Puts values in the place of starts, in legs that are long.
    pub(super) fn name_values(&mut self, legs: &mut [Leg]) -> Result<(), StoreError> {
        for leg in legs {
            if leg.is_implied || leg.size.is_none_or(|size| size.rows < plan::MANY) {
                continue;
            }
            let Some(any) = self.values_of(&leg.predicate)? else { continue };
            let predicate = (Predicate { any }, None);
            let mut named = Leg::new(&self.conditions(), predicate, &self.types);
            named.size = leg.size;
            *leg = named;
        }
        Ok(())
    }

    /// The alternatives with values for starts; none where there is no start, or one of many
    /// values.
    fn values_of(&mut self, predicate: &Predicate) -> Result<Option<Vec<Match>>, StoreError> {
        let is_start = |each: &Match| matches!(each, Match::Row(RowMatch::StringPrefix { .. }));
        if !predicate.any.iter().any(is_start) {
            return Ok(None);
        }
        let mut any = Vec::with_capacity(predicate.any.len());
        for each in &predicate.any {
            let Match::Row(RowMatch::StringPrefix { p, folded }) = each else {
                any.push(each.clone());
                continue;
            };
            let values = self.reading.texts(&first_values(*p, folded))?;
            if folded.is_empty() || values.len() > MOST {
                return Ok(None);
            }
            let is = |folded| Match::Row(RowMatch::StringIs { p: *p, folded });
            any.extend(values.into_iter().map(is));
        }
        Ok(Some(any))
    }
}

/// The first values with a start, one more than is wanted.
fn first_values(p: ParameterId, start: &str) -> Sql {
    let end = Bind::Text(format!("{start}\u{10ffff}"));
    let most = i64::try_from(MOST).unwrap_or(i64::MAX).saturating_add(1);
    let mut sql = Sql::new("WITH RECURSIVE v (folded, n) AS (");
    sql.push("SELECT min(folded), 1 FROM string WHERE p = ").integer(p.0);
    sql.push(" AND folded >= ").bind(Bind::Text(start.to_owned()));
    sql.push(" AND folded < ").bind(end.clone());
    sql.push(" UNION ALL SELECT (SELECT min(s.folded) FROM string s WHERE s.p = ").integer(p.0);
    sql.push(" AND s.folded > v.folded AND s.folded < ").bind(end);
    sql.push("), v.n + 1 FROM v WHERE v.folded IS NOT NULL AND v.n < ").integer(most);
    sql.push(") SELECT folded FROM v WHERE folded IS NOT NULL");
    sql
}
