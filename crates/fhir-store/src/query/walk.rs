//! Walks in row order: the candidates of a plan, piece by piece, compared in memory where the
//! database could not decide.

use fhir_search::Predicate;

use super::plan::Plan;
use super::reading::Reading;
use super::run::{Candidate, Run};
use super::source::Piece;
use super::world::found;
use crate::backend::row;
use crate::error::StoreError;
use crate::read::RowKey;
use crate::sql::{Dialect, Sql};

/// Candidates are compared in memory by this many.
pub(super) const COMPARED: usize = 32;
/// One statement gives at most this many candidates.
pub(super) const MOST: usize = 4_096;

/// What a walk in row order came to.
pub(super) struct Walked {
    pub(super) found: Vec<Candidate>,
    /// Everything was seen; otherwise the limit or the fuel ended the walk.
    pub(super) is_whole: bool,
    /// The last row that was looked at.
    last: Option<RowKey>,
}

/// Bounds of a walk in row order.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) after: Option<RowKey>,
    pub(super) is_backwards: bool,
    pub(super) limit: usize,
    /// So many candidates may be looked at.
    pub(super) fuel: u64,
    /// Bodies are wanted of whatever is found.
    pub(super) with_bodies: bool,
}

/// What a statement of a walk gave.
struct Rows {
    /// Those that satisfy its probes.
    kept: Vec<RowKey>,
    /// How many there were.
    count: usize,
    last: Option<RowKey>,
}

impl<S: Reading> Run<'_, S> {
    /// Candidates of a plan in row order, compared in memory where that is left to do.
    pub(super) fn walk(&mut self, plan: &Plan, bounds: Bounds) -> Result<Walked, StoreError> {
        let surer = plan.surer.as_ref().filter(|surer| surer.fuel < bounds.fuel);
        let Some(surer) = surer else { return self.walk_on(plan, bounds) };
        let first = if !plan.residual.is_empty() {
            self.walk_on(plan, Bounds { fuel: surer.fuel, ..bounds })?
        } else if plan.source.arms.len() == 1 {
            self.walk_some(plan, bounds, surer.fuel)?
        } else {
            return self.walk_on(plan, bounds);
        };
        if first.is_whole || first.found.len() >= bounds.limit {
            return Ok(first);
        }
        let rest = Bounds {
            after: first.last.or(bounds.after),
            limit: bounds.limit - first.found.len(),
            fuel: bounds.fuel.saturating_sub(surer.fuel),
            ..bounds
        };
        let mut all = self.walk_on(&surer.plan, rest)?;
        all.found.splice(..0, first.found);
        Ok(all)
    }

    /// The candidates among so many rows of a list.
    fn walk_some(&mut self, plan: &Plan, bounds: Bounds, fuel: u64) -> Result<Walked, StoreError> {
        let dialect = self.reading.dialect();
        let Bounds { after, is_backwards, .. } = bounds;
        let piece = Piece { after, is_backwards, limit: row::limit_of(bounds.limit) };
        if dialect == Dialect::Sqlite && plan.source.is_of_types() {
            return self.walk_window(plan, bounds, &piece, fuel);
        }
        let rows = self.rows(&plan.source.walk_some(dialect, &piece, &plan.probes, fuel))?;
        let mut walked = Walked { found: Vec::new(), is_whole: false, last: None };
        for part in rows.kept.chunks(COMPARED) {
            self.take(part, plan, bounds.with_bodies, &mut walked.found)?;
        }
        if rows.count < bounds.limit {
            let end = self.numbers(&plan.source.end_of_some(dialect, &piece, fuel))?;
            walked.last = end.first().map(|(rid, dk, _)| RowKey { rid: *rid, dk: *dk });
            walked.is_whole = end.is_empty();
        } else {
            walked.last = rows.last;
        }
        Ok(walked)
    }

    /// The same for all resources of a type in SQLite, whose rows are numbered as they come: about
    /// so many stand in a stretch of numbers, and a bare walk along it costs a third.
    fn walk_window(
        &mut self,
        plan: &Plan,
        bounds: Bounds,
        piece: &Piece,
        fuel: u64,
    ) -> Result<Walked, StoreError> {
        let dialect = self.reading.dialect();
        let mut walked = Walked { found: Vec::new(), is_whole: true, last: None };
        let ends = self.numbers(&plan.source.ends())?;
        let Some((first, last, _)) = ends.first().copied().filter(|(_, last, _)| *last > 0) else {
            return Ok(walked);
        };
        let width = u128::from(last.abs_diff(first).saturating_add(1));
        let window = width * u128::from(fuel) / u128::from(self.total.max(1));
        let window = i64::try_from(window).unwrap_or(i64::MAX).max(1);
        let start = bounds.after.map(|after| after.rid);
        let end = match (bounds.is_backwards, start) {
            (false, start) => start.unwrap_or(first.saturating_sub(1)).saturating_add(window),
            (true, start) => start.unwrap_or(last.saturating_add(1)).saturating_sub(window),
        };
        let mut probes =
            Sql::new(if bounds.is_backwards { " AND c.rid >= " } else { " AND c.rid <= " });
        probes.integer(end).append(&plan.probes);
        let rows = self.rows(&plan.source.walk(dialect, piece, &probes))?;
        for part in rows.kept.chunks(COMPARED) {
            self.take(part, plan, bounds.with_bodies, &mut walked.found)?;
        }
        walked.is_whole = false;
        if rows.count < bounds.limit {
            walked.is_whole = if bounds.is_backwards { end <= first } else { end >= last };
            walked.last = Some(RowKey { rid: end, dk: 0 });
        } else {
            walked.last = rows.last;
        }
        Ok(walked)
    }

    fn walk_on(&mut self, plan: &Plan, bounds: Bounds) -> Result<Walked, StoreError> {
        let dialect = self.reading.dialect();
        let mut walked = Walked { found: Vec::new(), is_whole: false, last: None };
        let mut fuel = bounds.fuel;
        let mut after = bounds.after;
        let is_checked = !plan.probes.is_empty() || !plan.residual.is_empty();
        let is_plain = plan.residual.is_empty() && (plan.source.is_ordered || !is_checked);
        let mut many = if is_plain { bounds.limit } else { (bounds.limit * 2).clamp(64, 512) };
        if !plan.source.is_ordered && is_checked {
            // Each statement meets the whole set: few statements, then.
            let likely = plan.expected.saturating_add(plan.expected / 2);
            many = many.max(likely).min(MOST);
        }
        loop {
            let limit = row::limit_of(many);
            let piece = Piece { after, is_backwards: bounds.is_backwards, limit };
            let sql = if plan.source.is_ordered {
                plan.source.walk(dialect, &piece, &plan.probes)
            } else {
                plan.source.gather(dialect, &piece, &plan.probes)
            };
            let rows = self.rows(&sql)?;
            after = rows.last.or(after);
            for part in rows.kept.chunks(COMPARED) {
                self.take(part, plan, bounds.with_bodies, &mut walked.found)?;
                fuel = fuel.saturating_sub(part.len() as u64);
                walked.last = part.last().copied();
                if walked.found.len() >= bounds.limit {
                    walked.found.truncate(bounds.limit);
                    return Ok(walked);
                }
                if fuel == 0 {
                    return Ok(walked);
                }
            }
            if rows.count < many {
                walked.is_whole = true;
                return Ok(walked);
            }
            many = many.saturating_mul(4).clamp(64, MOST);
        }
    }

    /// Runs a statement of a walk: each row once.
    fn rows(&mut self, sql: &Sql) -> Result<Rows, StoreError> {
        let mut rows = self.numbers(sql)?;
        let count = rows.len();
        rows.dedup_by_key(|(rid, dk, _)| (*rid, *dk));
        let key = |(rid, dk, _): &(i64, i64, i64)| RowKey { rid: *rid, dk: *dk };
        let last = rows.last().map(key);
        Ok(Rows { kept: rows.iter().filter(|(.., ok)| *ok == 1).map(key).collect(), count, last })
    }

    /// Takes over what satisfies the rest of a plan.
    fn take(
        &mut self,
        rows: &[RowKey],
        plan: &Plan,
        with_bodies: bool,
        out: &mut Vec<Candidate>,
    ) -> Result<(), StoreError> {
        if with_bodies || !plan.residual.is_empty() {
            return self.compare(rows, &plan.residual, out);
        }
        out.extend(rows.iter().map(|row| Candidate { row: *row, read: None }));
        Ok(())
    }

    /// Keeps the rows whose bodies satisfy the predicates.
    pub(super) fn compare(
        &mut self,
        rows: &[RowKey],
        residual: &[Predicate],
        out: &mut Vec<Candidate>,
    ) -> Result<(), StoreError> {
        self.reading.work().check()?;
        for version in self.reading.bodies(rows)? {
            let Some(found) = found(self.reading, &version)? else { continue };
            if self.holds(residual, &found)? {
                out.push(Candidate { row: version.row, read: Some((version, found)) });
            }
        }
        Ok(())
    }
}
