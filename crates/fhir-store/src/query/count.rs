//! How many resources match: exactly, and about.

use fhir_search::{ContainedMode, Match, Predicate, SearchQuery};

use super::condition::Mode;
use super::plan::{self, Plan};
use super::reading::Reading;
use super::run::Run;
use super::source::{Piece, Source};
use super::walk::{Bounds, COMPARED, MOST};
use crate::backend::row;
use crate::error::StoreError;
use crate::read::RowKey;
use crate::sql::Sql;

/// An estimate is exact up to this many matches.
const SEEN: usize = 2_000;
/// So many resources are looked at for an estimate.
const SAMPLE: usize = 200;

impl<S: Reading> Run<'_, S> {
    /// How many match, exactly.
    pub(crate) fn count(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        if query.contained != ContainedMode::False {
            return self.count_contained(query);
        }
        if query.predicates.is_empty() || self.types.is_empty() {
            return Ok(self.total);
        }
        if let ([Predicate { any }], [_]) = (query.predicates.as_slice(), self.types.as_slice())
            && let [Match::Not(none)] = any.as_slice()
        {
            let inside = self.count_of(&[Predicate { any: none.clone() }])?;
            return Ok(self.total.saturating_sub(inside));
        }
        self.count_of(&query.predicates)
    }

    fn count_of(&mut self, predicates: &[Predicate]) -> Result<u64, StoreError> {
        let (plan, legs) = self.plan(predicates, usize::MAX)?;
        let is_short = plan.size.is_some_and(|size| size.rows < 8 * plan::MANY);
        if is_short || plan.residual.is_empty() {
            return self.tally(&plan);
        }
        // Whatever memory would have to compare one by one is a set for the database.
        let mut probes = plan.probes.clone();
        let conditions = self.conditions();
        for (place, leg) in legs.iter().enumerate() {
            let is_driver = Some(place) == plan.driver && plan.source.is_exact;
            if is_driver || leg.is_implied || leg.probe.is_some() {
                continue;
            }
            match conditions.predicate(&leg.predicate, &self.types, "c", Mode::Whole) {
                Some(probe) => probes.push(" AND ").append(&probe),
                None => return self.tally(&plan),
            };
        }
        let sql = plan.source.total(self.reading.dialect(), &probes);
        self.number(&sql)
    }

    /// Counts what a plan gives.
    fn tally(&mut self, plan: &Plan) -> Result<u64, StoreError> {
        if plan.residual.is_empty() {
            let sql = plan.source.total(self.reading.dialect(), &plan.probes);
            return self.number(&sql);
        }
        let mut count = 0;
        let mut after = None;
        loop {
            let bounds = Bounds {
                after,
                is_backwards: false,
                limit: MOST,
                fuel: u64::MAX,
                with_bodies: false,
            };
            let walked = self.walk(plan, bounds)?;
            count += walked.found.len() as u64;
            after = walked.found.last().map(|one| one.row);
            if walked.is_whole {
                return Ok(count);
            }
        }
    }

    /// About how many match: few exactly, many from a sample over all resources of the types.
    pub(crate) fn estimate(&mut self, query: &SearchQuery) -> Result<u64, StoreError> {
        if query.contained != ContainedMode::False {
            return self.count_contained(query);
        }
        if query.predicates.is_empty() || self.types.is_empty() {
            return Ok(self.total);
        }
        let (plan, _) = self.plan(&query.predicates, SEEN)?;
        let bounds = Bounds {
            after: None,
            is_backwards: false,
            limit: SEEN,
            fuel: SAMPLE as u64,
            with_bodies: false,
        };
        let walked = self.walk(&plan, bounds)?;
        let seen = walked.found.len() as u64;
        if walked.is_whole {
            return Ok(seen);
        }
        let (met, kept) = self.sample(&query.predicates)?;
        let share = plan::as_f64(kept) / plan::as_f64(met.max(1));
        let of_all = share * plan::as_f64(self.total);
        Ok(seen.max(plan::rounded(of_all)))
    }

    /// How many of a sample there are, and how many of them match.
    fn sample(&mut self, predicates: &[Predicate]) -> Result<(u64, u64), StoreError> {
        let dialect = self.reading.dialect();
        let everything = Source::of_types(&self.types);
        let mut ends = [0; 2];
        for (end, is_backwards) in ends.iter_mut().zip([false, true]) {
            let piece = Piece { after: None, is_backwards, limit: 1 };
            let rows = self.numbers(&everything.walk(dialect, &piece, &Sql::default()))?;
            *end = rows.first().map_or(0, |(rid, ..)| *rid);
        }
        let [first, last] = ends;
        let step = (last.saturating_sub(first) / row::limit_of(SAMPLE)).max(1);
        let mut rows = Vec::with_capacity(SAMPLE);
        for place in 0..SAMPLE {
            let rid = first.saturating_add(step.saturating_mul(row::limit_of(place)));
            let after = Some(RowKey { rid: rid.saturating_sub(1), dk: i64::MAX });
            let piece = Piece { after, is_backwards: false, limit: 1 };
            let found = self.numbers(&everything.walk(dialect, &piece, &Sql::default()))?;
            rows.extend(found.first().map(|(rid, dk, _)| RowKey { rid: *rid, dk: *dk }));
        }
        rows.dedup();
        let mut kept = Vec::new();
        for part in rows.chunks(COMPARED) {
            self.compare(part, predicates, &mut kept)?;
        }
        Ok((rows.len() as u64, kept.len() as u64))
    }
}
