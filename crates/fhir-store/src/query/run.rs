//! The executor: searches, counts and estimates over one snapshot of either database.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::{
    ContainedMode, Found, Match, ParameterId, Predicate, RowMatch, Scope, SearchQuery,
};

use super::condition::{Conditions, within};
use super::plan::{self, Leg, Plan, Size};
use super::reading::{Reading, definitions};
use super::source::{Piece, columns};
use super::world::{Cache, Sight, found};
use crate::backend::row;
use crate::core::Definitions;
use crate::error::StoreError;
use crate::read::{Hit, Matched, Position, RowKey, StoredVersion};
use crate::sql::{Dialect, Sql};

/// Candidates are compared in memory by this many.
pub(super) const COMPARED: usize = 32;
/// One statement gives at most this many candidates.
pub(super) const MOST: usize = 4_096;

/// So many types are asked for their main dates.
const FEW_TYPES: usize = 4;

/// Runs one search.
pub(crate) struct Run<'a, S> {
    pub(super) reading: &'a mut S,
    pub(super) definitions: Arc<Definitions>,
    pub(super) types: Vec<ResourceType>,
    /// Live resources of the types.
    pub(super) total: u64,
    /// The main dates of the types, where no resource has two; looked up when dates are asked.
    pub(super) dates: Option<Vec<(ResourceType, ParameterId)>>,
    pub(super) cache: Cache,
}

/// Something found, with what has been read of it.
pub(super) struct Candidate {
    pub(super) row: RowKey,
    pub(super) read: Option<(StoredVersion, Found)>,
}

/// What a walk in row order came to.
pub(super) struct Walked {
    pub(super) found: Vec<Candidate>,
    /// Everything was seen; otherwise the limit or the fuel ended the walk.
    pub(super) is_whole: bool,
}

/// Bounds of a walk in row order.
pub(super) struct Bounds {
    pub(super) after: Option<RowKey>,
    pub(super) is_backwards: bool,
    pub(super) limit: usize,
    /// So many candidates may be looked at.
    pub(super) fuel: u64,
    /// Bodies are wanted of whatever is found.
    pub(super) with_bodies: bool,
}

impl<'a, S: Reading> Run<'a, S> {
    pub(crate) fn new(reading: &'a mut S, scope: &Scope) -> Result<Self, StoreError> {
        let definitions = definitions(reading);
        let mut run = Self {
            reading,
            definitions,
            types: Vec::new(),
            dates: None,
            total: 0,
            cache: Cache::default(),
        };
        let (types, total) = run.scope(scope)?;
        run.types = types;
        run.total = total;
        Ok(run)
    }

    /// Looks up the main dates of the types.
    fn look_at_dates(&mut self) -> Result<(), StoreError> {
        if self.dates.is_some() {
            return Ok(());
        }
        let mut dates = Vec::new();
        // Many types are asked for by what they have in common, which is no date.
        for of in self.types.iter().take(FEW_TYPES) {
            if let Some(p) = self.definitions.indexer.main_date(*of)
                && !self.reading.repeats(p.0)?
            {
                dates.push((*of, p));
            }
        }
        self.dates = Some(dates);
        Ok(())
    }

    /// The type whose rows of `access` hold this date.
    pub(super) fn type_of_date(
        &mut self,
        p: ParameterId,
    ) -> Result<Option<ResourceType>, StoreError> {
        self.look_at_dates()?;
        let mut dates = self.dates.iter().flatten();
        Ok(dates.find(|(_, date)| *date == p).map(|(of, _)| *of))
    }

    /// The types of a scope, and how many resources of them live.
    fn scope(&mut self, scope: &Scope) -> Result<(Vec<ResourceType>, u64), StoreError> {
        let types = match scope {
            Scope::Type(one) => vec![*one],
            Scope::Types(several) => several.clone(),
            Scope::All => Vec::new(),
        };
        let dialect = self.reading.dialect();
        let mut sql = Sql::new(match dialect {
            Dialect::Sqlite => "SELECT type, live, 0 FROM counter WHERE live > 0",
            Dialect::Postgres => {
                "SELECT type::bigint, sum(live)::bigint, 0::bigint FROM counter WHERE live <> 0"
            }
        });
        if !types.is_empty() || matches!(scope, Scope::Types(_)) {
            let numbers: Vec<i64> = types.iter().map(|of| i64::from(of.index())).collect();
            sql.push(" AND type");
            within(&mut sql, dialect, &numbers);
        }
        sql.push(if dialect == Dialect::Postgres { " GROUP BY type" } else { "" });
        sql.push(" ORDER BY 1");
        let mut live = Vec::new();
        let mut total = 0_u64;
        for (number, of, _) in self.numbers(&sql)? {
            live.push(row::type_of(i32::try_from(number).unwrap_or(-1))?);
            total = total.saturating_add(u64::try_from(of).unwrap_or(0));
        }
        // Inside a write the counters lag behind: types that are named are looked for anyway.
        let is_named = !matches!(scope, Scope::All);
        Ok((if is_named { types } else { live }, total))
    }

    pub(super) fn numbers(&mut self, sql: &Sql) -> Result<Vec<(i64, i64, i64)>, StoreError> {
        self.reading.work().check()?;
        self.reading.numbers(sql)
    }

    pub(super) fn number(&mut self, sql: &Sql) -> Result<u64, StoreError> {
        let rows = self.numbers(sql)?;
        Ok(rows.first().map_or(0, |(number, ..)| u64::try_from(*number).unwrap_or(0)))
    }

    pub(super) fn legs(&mut self, predicates: &[Predicate]) -> Result<Vec<Leg>, StoreError> {
        if predicates.iter().any(asks_dates) {
            self.look_at_dates()?;
        }
        let predicates = self.merged_dates(predicates)?;
        let core = self.reading.core();
        let conditions = Conditions {
            dialect: self.reading.dialect(),
            registry: &self.definitions.registry,
            hasher: &core.hasher,
            is_access: false,
            dates: self.dates.as_deref().unwrap_or_default(),
        };
        let leg = |one| Leg::new(&conditions, one, &self.types);
        Ok(predicates.into_iter().map(leg).collect())
    }

    /// Several conditions on the dates of a parameter become one, where no resource has two dates
    /// under it: a month is then a range, not what two halves of all time have in common.
    fn merged_dates(
        &mut self,
        predicates: &[Predicate],
    ) -> Result<Vec<(Predicate, Option<ParameterId>)>, StoreError> {
        let mut out: Vec<(Predicate, Option<ParameterId>)> = Vec::with_capacity(predicates.len());
        for predicate in predicates {
            let date = plan::date_of(predicate);
            let own = out.iter_mut().find(|(_, earlier)| date.is_some() && *earlier == date);
            match (own, date) {
                (Some((earlier, _)), Some(p)) if !self.reading.repeats(p.0)? => {
                    let mut all = match earlier.any.as_slice() {
                        [Match::All(all)] => all.clone(),
                        _ => vec![earlier.clone()],
                    };
                    all.push(predicate.clone());
                    *earlier = Predicate { any: vec![Match::All(all)] };
                }
                _ => out.push((predicate.clone(), date)),
            }
        }
        Ok(out)
    }

    fn size_of(&mut self, leg: &mut Leg, limit: u64) -> Result<Option<Size>, StoreError> {
        let Some(source) = &leg.source else { return Ok(None) };
        let known = leg.size.filter(|size| !size.is_at_least || size.rows >= limit);
        let size = match known {
            Some(size) => size,
            None if source.arms.is_empty() => Size { rows: 0, is_at_least: false },
            None => {
                let sql = source.count(i64::try_from(limit).unwrap_or(i64::MAX));
                let kept = (limit > plan::MANY).then(|| sql.digest());
                let total = self.total;
                let core = self.reading.core();
                match kept.and_then(|digest| core.statistics.get(digest, total)) {
                    Some(size) => size,
                    None => {
                        let rows = self.number(&sql)?;
                        let size = Size { rows, is_at_least: rows >= limit };
                        if let Some(digest) = kept {
                            self.reading.core().statistics.keep(digest, total, size);
                        }
                        size
                    }
                }
            }
        };
        leg.size = Some(size);
        Ok(Some(size))
    }

    /// Counts the legs as far as that helps to choose; gives the fewest rows.
    /// Whoever wants all matches walks the whole driver: there the longer legs are told apart too.
    fn measure(&mut self, legs: &mut [Leg], wanted: usize) -> Result<Option<u64>, StoreError> {
        let mut fewest = None;
        let places = plan::countable(legs);
        for place in &places {
            let Some(leg) = legs.get_mut(*place) else { continue };
            let Some(size) = self.size_of(leg, plan::MANY)? else { continue };
            fewest = Some(fewest.map_or(size.rows, |few: u64| few.min(size.rows)));
            if plan::is_short(size) {
                return Ok(fewest);
            }
        }
        // Round by round, until the shortest is known.
        let long = plan::long_limit(self.total);
        let whole = if wanted == usize::MAX { plan::LONGEST } else { long };
        for limit in [long.min(plan::MANY * 16), long, whole] {
            if fewest.is_none_or(|rows| rows < plan::MANY) {
                break;
            }
            let mut is_known = false;
            for place in &places {
                let Some(leg) = legs.get_mut(*place) else { continue };
                is_known |= self.size_of(leg, limit)?.is_some_and(|size| !size.is_at_least);
            }
            if is_known {
                break;
            }
        }
        Ok(fewest)
    }

    /// Makes the plan for a page of `wanted` matches in row order.
    pub(super) fn plan(
        &mut self,
        predicates: &[Predicate],
        wanted: usize,
    ) -> Result<(Plan, Vec<Leg>), StoreError> {
        let legs = self.legs(predicates)?;
        let is_alone = matches!(legs.as_slice(), [leg]
            if leg.source.as_ref().is_some_and(|one| one.is_ordered && one.is_exact));
        if is_alone {
            return Ok((
                Plan::driven(self.reading.dialect(), &legs, Some(0), &self.types, self.total),
                legs,
            ));
        }
        self.plan_of(predicates, legs, wanted)
    }

    /// The plan of legs that are counted, even where there is nothing to choose.
    pub(super) fn sized(
        &mut self,
        predicates: &[Predicate],
        wanted: usize,
    ) -> Result<(Plan, Vec<Leg>), StoreError> {
        let legs = self.legs(predicates)?;
        self.plan_of(predicates, legs, wanted)
    }

    fn plan_of(
        &mut self,
        predicates: &[Predicate],
        mut legs: Vec<Leg>,
        wanted: usize,
    ) -> Result<(Plan, Vec<Leg>), StoreError> {
        let fewest = self.measure(&mut legs, wanted)?;
        if fewest.is_none_or(|rows| rows >= plan::MANY)
            && let Some(resolved) = self.resolve_all(predicates)?
        {
            legs = self.legs(&resolved)?;
            self.measure(&mut legs, wanted)?;
        }
        let driver = plan::cheapest(&legs, self.total, wanted as u64);
        Ok((Plan::driven(self.reading.dialect(), &legs, driver, &self.types, self.total), legs))
    }

    /// Candidates of a plan in row order, compared in memory where that is left to do.
    pub(super) fn walk(&mut self, plan: &Plan, bounds: Bounds) -> Result<Walked, StoreError> {
        let dialect = self.reading.dialect();
        let compares = bounds.with_bodies || !plan.residual.is_empty();
        let mut walked = Walked { found: Vec::new(), is_whole: false };
        let mut fuel = bounds.fuel;
        let mut after = bounds.after;
        let is_plain = plan.source.is_ordered && plan.residual.is_empty();
        let mut many = if is_plain { bounds.limit } else { (bounds.limit * 2).clamp(64, 512) };
        let is_checked = !plan.probes.is_empty() || !plan.residual.is_empty();
        if !plan.source.is_ordered && is_checked {
            // Each statement gathers the whole set: few statements, then.
            let rows = plan.size.map_or(0, |size| usize::try_from(size.rows).unwrap_or(MOST));
            many = many.max(rows.saturating_add(1)).min(MOST);
        }
        loop {
            let limit = row::limit_of(many);
            let piece = Piece { after, is_backwards: bounds.is_backwards, limit };
            let sql = if plan.source.is_ordered {
                plan.source.walk(dialect, &piece, &plan.probes)
            } else {
                plan.source.gather(dialect, &piece, &plan.probes)
            };
            let rows = self.numbers(&sql)?;
            let is_last = rows.len() < many;
            after = rows.last().map(|(rid, dk, _)| RowKey { rid: *rid, dk: *dk }).or(after);
            let rows: Vec<RowKey> = rows
                .iter()
                .filter(|(.., ok)| *ok == 1)
                .map(|(rid, dk, _)| RowKey { rid: *rid, dk: *dk })
                .collect();
            for part in rows.chunks(COMPARED) {
                if compares {
                    self.compare(part, &plan.residual, &mut walked.found)?;
                } else {
                    let bare = part.iter().map(|row| Candidate { row: *row, read: None });
                    walked.found.extend(bare);
                }
                fuel = fuel.saturating_sub(part.len() as u64);
                if walked.found.len() >= bounds.limit {
                    walked.found.truncate(bounds.limit);
                    return Ok(walked);
                }
                if fuel == 0 {
                    return Ok(walked);
                }
            }
            if is_last {
                walked.is_whole = true;
                return Ok(walked);
            }
            many = (many * 2).clamp(64, MOST);
        }
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

    pub(super) fn holds(
        &mut self,
        residual: &[Predicate],
        found: &Found,
    ) -> Result<bool, StoreError> {
        let mut sight = Sight { reading: &mut *self.reading, cache: &mut self.cache };
        for predicate in residual {
            if !predicate.holds(found, &mut sight)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Matches after a position, in the order of the query.
    pub(crate) fn search(
        &mut self,
        query: &SearchQuery,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        if limit == 0 || self.types.is_empty() && query.contained == ContainedMode::False {
            return Ok(Vec::new());
        }
        if query.contained != ContainedMode::False {
            return self.with_contained(query, after.map(|place| place.row), limit);
        }
        if !query.sort.is_empty() {
            return self.sorted(&query.predicates, &query.sort, after, limit);
        }
        let after = after.map(|position| position.row);
        let (plan, _) = self.plan(&query.predicates, limit)?;
        let bounds =
            Bounds { after, is_backwards: false, limit, fuel: u64::MAX, with_bodies: false };
        Ok(self.walk(&plan, bounds)?.found.into_iter().map(|one| hit(one.row)).collect())
    }

    /// The last matches before a position.
    pub(crate) fn before(
        &mut self,
        query: &SearchQuery,
        before: &Position,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, StoreError> {
        if !query.sort.is_empty() || query.contained != ContainedMode::False {
            return Ok(None);
        }
        let (plan, _) = self.plan(&query.predicates, limit)?;
        let bounds = Bounds {
            after: Some(before.row),
            is_backwards: true,
            limit,
            fuel: u64::MAX,
            with_bodies: false,
        };
        let mut hits: Vec<Hit> =
            self.walk(&plan, bounds)?.found.into_iter().map(|one| hit(one.row)).collect();
        hits.reverse();
        Ok(Some(hits))
    }

    /// The hashes of rows.
    pub(super) fn hashes_of(&mut self, rows: &[RowKey]) -> Result<Vec<i64>, StoreError> {
        let dialect = self.reading.dialect();
        let rids: Vec<i64> = rows.iter().map(|row| row.rid).collect();
        let mut sql = Sql::new("SELECT ");
        sql.push(&columns(dialect, "c")).push(", c.hash FROM resource c WHERE c.rid");
        within(&mut sql, dialect, &rids);
        if dialect == Dialect::Postgres {
            let dks: Vec<i64> = rows.iter().map(|row| row.dk).collect();
            sql.push(" AND c.dk");
            within(&mut sql, dialect, &dks);
        }
        Ok(self.numbers(&sql)?.into_iter().map(|(.., hash)| hash).collect())
    }

    /// Types and total for the time of `work`.
    pub(super) fn inside<T>(
        &mut self,
        scope: &Scope,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (types, total) = self.scope(scope)?;
        let types = std::mem::replace(&mut self.types, types);
        let total = std::mem::replace(&mut self.total, total);
        let done = work(self);
        self.types = types;
        self.total = total;
        done
    }
}

pub(super) fn hit(row: RowKey) -> Hit {
    Hit { row, position: Position { values: Vec::new(), row }, matched: Matched::default() }
}

/// Whether a date is among the alternatives.
fn asks_dates(predicate: &Predicate) -> bool {
    fn is_date(one: &Match) -> bool {
        match one {
            Match::Row(RowMatch::Date { .. }) => true,
            Match::All(all) => all.iter().any(asks_dates),
            Match::Not(any) => any.iter().any(is_date),
            Match::Row(_)
            | Match::Present(_)
            | Match::Chain(_)
            | Match::Has(_)
            | Match::Keys(_)
            | Match::Text(_)
            | Match::Lookup(_)
            | Match::Id(_)
            | Match::LastUpdated(_)
            | Match::Never => false,
        }
    }
    predicate.any.iter().any(is_date)
}
