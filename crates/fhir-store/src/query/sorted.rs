//! Searches with sort keys: a short list is sorted by what its bodies say, a long one is walked
//! along the index of its first key.
//!
//! A walk in the order of values meets each resource once, by the row that is marked as its least
//! or greatest. Resources that agree in the first key are gathered and ordered by the others;
//! those without a value come last, ordered by the other keys alone.

use fhir_definitions::ResourceType;
use fhir_search::{Match, ParameterId, Predicate, RowMatch, SortBy, SortKey};

use super::arm;
use super::pair::dates;
use super::plan::{self, Leg, Plan};
use super::reading::Reading;
use super::run::{Candidate, Run, hit};
use super::values::{From, ValueWalk};
use super::walk::Bounds;
use crate::backend::sort;
use crate::error::StoreError;
use crate::read::{Hit, Matched, Position, RowKey, SortValue};
use crate::sql::{Dialect, Sql};

/// Microseconds for a comparison in memory, and for a row of a walk.
const COMPARE_US: f64 = 12.0;
const ROW_US: f64 = 0.5;

/// Microseconds for a row whose sort value is found by one seek.
const LIGHT_US: f64 = 1.5;

/// One statement of a walk gives at most this many rows.
const MOST: usize = 4_096;

/// What is asked of a sorted search: keys, the last place of the page before, and how many.
#[derive(Clone, Copy)]
struct Page<'q> {
    sort: &'q [SortKey],
    after: Option<&'q Position>,
    limit: usize,
}

/// A sort value that stands beside the resource's row: no body is needed to sort by it.
#[derive(Clone, Copy)]
enum LightKey {
    /// In `access`, for resources of this type.
    MainDate(ResourceType),
    Updated,
}

/// What is left to check of the resources that a walk meets.
struct Checks {
    probes: Sql,
    residual: Vec<Predicate>,
}

impl<S: Reading> Run<'_, S> {
    pub(super) fn sorted(
        &mut self,
        predicates: &[Predicate],
        sort: &[SortKey],
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let page = Page { sort, after, limit };
        let most = self.most_sorted();
        let (plan, mut legs) = self.sized(predicates, most)?;
        // What another leg says already is not asked once more of each resource.
        legs.retain(|leg| !leg.is_implied);
        let Some(first) = sort.first() else { return Ok(Vec::new()) };
        let light = match sort {
            // Without a driver the probes speak of `access`, and the list is the whole type.
            [only] if plan.driver.is_some() && plan.residual.is_empty() => self.light_key(only)?,
            _ => None,
        };
        let walk = match self.coded_walk(first, &legs)? {
            Some(walk) => Some(walk),
            None => self.value_walk(first)?,
        };
        let rows = plan.size.map_or(self.total, |size| size.rows);
        if let (Some(key), Some(walk)) = (light, &walk) {
            let list = plan::as_f64(rows) * LIGHT_US;
            if list <= self.walk_cost(walk, &legs, date_key(first), limit) {
                return self.light(&plan, key, page);
            }
        }
        let is_list = match &walk {
            None => true,
            Some(walk) => {
                let list = plan::as_f64(rows) * COMPARE_US;
                let own = date_key(first);
                rows <= most as u64 && list <= self.walk_cost(walk, &legs, own, limit)
            }
        };
        if is_list && let Some(hits) = self.listed(&plan, page)? {
            return Ok(hits);
        }
        match walk {
            Some(walk) => self.walked(predicates, &legs, &walk, page),
            None => Err(StoreError::TooCostly(
                "too many resources match to sort them by this parameter; ask for fewer, or sort \
                 by a date, a number, a string or _lastUpdated",
            )),
        }
    }

    /// Where the value of a key is found by the row, if it is. PostgreSQL has its own ways.
    fn light_key(&mut self, key: &SortKey) -> Result<Option<LightKey>, StoreError> {
        if self.reading.dialect() == Dialect::Postgres {
            return Ok(None);
        }
        match (&key.by, date_key(key), self.types.as_slice()) {
            (SortBy::LastUpdated, ..) => Ok(Some(LightKey::Updated)),
            (_, Some(p), [_]) => Ok(self.type_beside(p)?.map(LightKey::MainDate)),
            _ => Ok(None),
        }
    }

    /// Everything that matches, sorted by the database.
    fn light(
        &mut self,
        plan: &Plan,
        key: LightKey,
        page: Page<'_>,
    ) -> Result<Vec<Hit>, StoreError> {
        let descending = page.sort.first().is_some_and(|key| key.descending);
        // Resources without a value come last in either direction.
        let absent = if descending { i64::MIN } else { i64::MAX };
        let mut value = Sql::default();
        match key {
            LightKey::MainDate(of) => {
                value.push("coalesce((SELECT a.lo FROM access a WHERE a.type = ");
                value.integer(of.index()).push(" AND a.rid = c.rid), ").integer(absent).push(")");
            }
            LightKey::Updated => {
                value.push("(SELECT r.updated FROM resource r WHERE r.rid = c.rid)");
            }
        }
        let mut sql = Sql::new("SELECT rid, 0 AS dk, v FROM (SELECT c.rid AS rid, ");
        sql.append(&value).push(" AS v FROM (");
        sql.append(&plan.source.rows()).push(") AS c WHERE TRUE").append(&plan.probes);
        sql.push(") AS m");
        let (side, direction) = if descending { ("<", " DESC") } else { (">", "") };
        if let Some(place) = page.after {
            let from = match place.values.first() {
                Some(SortValue::Integer(value)) => *value,
                Some(SortValue::Absent | SortValue::Text(_) | SortValue::Bytes(_)) | None => absent,
            };
            sql.push(&format!(" WHERE v {side} ")).integer(from);
            sql.push(" OR (v = ").integer(from).push(" AND rid > ");
            sql.integer(place.row.rid).push(")");
        }
        sql.push(&format!(" ORDER BY v{direction}, rid"));
        sql.limit(i64::try_from(page.limit).unwrap_or(i64::MAX));
        let placed = |(rid, dk, value): (i64, i64, i64)| {
            let row = RowKey { rid, dk };
            let value = if value == absent { SortValue::Absent } else { SortValue::Integer(value) };
            Hit {
                row,
                position: Position { values: vec![value], row },
                matched: Matched::default(),
            }
        };
        Ok(self.numbers(&sql)?.into_iter().map(placed).collect())
    }

    fn most_sorted(&self) -> usize {
        self.reading.core().settings.sorted_in_memory
    }

    /// Microseconds for a page along the index of the first key, about.
    /// Conditions on the walked dates themselves bound it, and cost nothing.
    fn walk_cost(
        &self,
        walk: &ValueWalk,
        legs: &[Leg],
        own: Option<ParameterId>,
        limit: usize,
    ) -> f64 {
        let total = plan::as_f64(self.total).max(1.0);
        let mut share = 1.0;
        let mut each = ROW_US;
        for (place, leg) in legs.iter().enumerate() {
            if own.is_some() && leg.date == own {
                continue;
            }
            share *= if walk.of_leg == Some(place) { 1.0 } else { leg.share(total) };
            each += if leg.probe.is_some() { 1.0 } else { COMPARE_US };
        }
        let wanted = plan::as_f64(limit as u64) / share;
        let met = if walk.is_ordered { wanted.min(total) } else { total };
        met * each
    }

    /// Everything that matches, sorted here; `None` where that is too much.
    fn listed(&mut self, plan: &Plan, page: Page<'_>) -> Result<Option<Vec<Hit>>, StoreError> {
        let Page { sort, after, limit } = page;
        let most = self.most_sorted();
        let bounds = Bounds {
            after: None,
            is_backwards: false,
            limit: most + 1,
            fuel: u64::MAX,
            with_bodies: true,
        };
        let walked = self.walk(plan, bounds)?;
        if walked.found.len() > most {
            return Ok(None);
        }
        let mut hits: Vec<Hit> =
            walked.found.into_iter().map(|one| self.placed(one, sort)).collect();
        hits.sort_by(|one, other| sort::compare(sort, &one.position, &other.position));
        if let Some(after) = after {
            hits.retain(|hit| sort::compare(sort, &hit.position, after).is_gt());
        }
        hits.truncate(limit);
        Ok(Some(hits))
    }

    /// A match with its place in the order.
    fn placed(&self, one: Candidate, sort: &[SortKey]) -> Hit {
        let Some((version, found)) = one.read else { return hit(one.row) };
        let definitions = &self.definitions;
        let value = |key| sort::value_of(key, &version, &found.rows, definitions);
        let values = sort.iter().map(value).collect();
        let position = Position { values, row: one.row };
        Hit { row: one.row, position, matched: Matched::default() }
    }

    fn walked(
        &mut self,
        predicates: &[Predicate],
        legs: &[Leg],
        walk: &ValueWalk,
        page: Page<'_>,
    ) -> Result<Vec<Hit>, StoreError> {
        let Page { sort, after, limit } = page;
        let is_past = after
            .is_some_and(|place| matches!(place.values.first(), Some(SortValue::Absent) | None));
        let mut hits = Vec::new();
        if !is_past {
            let (walk, checks) = self.checks(walk, legs, sort)?;
            hits = self.present(&walk, &checks, page)?;
        }
        let parameters = match sort.first().map(|key| &key.by) {
            Some(
                SortBy::Date(of)
                | SortBy::String(of)
                | SortBy::Number(of)
                | SortBy::Uri(of)
                | SortBy::Token(of)
                | SortBy::Reference(of),
            ) => of,
            Some(SortBy::Id | SortBy::LastUpdated) | None => return Ok(hits),
        };
        let rest = limit.saturating_sub(hits.len());
        if rest > 0 {
            let after = after.filter(|_| is_past).map(|place| Position {
                values: place.values.iter().skip(1).cloned().collect(),
                row: place.row,
            });
            let others = sort.get(1..).unwrap_or_default();
            let absent = self.absent(predicates, parameters, others, after.as_ref(), rest)?;
            hits.extend(absent);
        }
        Ok(hits)
    }

    /// What has no value under the first key, ordered by the others.
    fn absent(
        &mut self,
        predicates: &[Predicate],
        parameters: &[ParameterId],
        others: &[SortKey],
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, StoreError> {
        let mut all = predicates.to_vec();
        all.push(without(parameters));
        let mut hits = if others.is_empty() {
            let (plan, _) = self.plan(&all, limit)?;
            let after = after.map(|place| place.row);
            let bounds =
                Bounds { after, is_backwards: false, limit, fuel: u64::MAX, with_bodies: false };
            self.walk(&plan, bounds)?.found.into_iter().map(|one| hit(one.row)).collect()
        } else {
            self.sorted(&all, others, after, limit)?
        };
        for hit in &mut hits {
            hit.position.values.insert(0, SortValue::Absent);
        }
        Ok(hits)
    }

    /// What remains to be checked on a walk; conditions on the walked dates bound it themselves.
    fn checks(
        &mut self,
        walk: &ValueWalk,
        legs: &[Leg],
        sort: &[SortKey],
    ) -> Result<(ValueWalk, Checks), StoreError> {
        let mut walk = walk.clone();
        let mut checks = Checks { probes: Sql::default(), residual: Vec::new() };
        let own = match sort.first().and_then(date_key) {
            Some(p) if walk.of_leg.is_none() && !self.reading.repeats(p.0)? => Some(p),
            Some(_) | None => None,
        };
        for leg in legs {
            let is_own = own.is_some() && leg.date == own;
            match (&leg.source, &leg.probe) {
                (Some(source), _) if is_own && source.arms.len() == walk.arms.len() => {
                    for (arm, bound) in walk.arms.iter_mut().zip(&source.arms) {
                        arm.condition.push(" AND ").append(&bound.condition);
                    }
                }
                (_, Some(probe)) => {
                    checks.probes.push(" AND ").append(probe);
                }
                (_, None) => checks.residual.push(leg.predicate.clone()),
            }
        }
        Ok((walk, checks))
    }

    /// What has a value under the first key.
    fn present(
        &mut self,
        walk: &ValueWalk,
        checks: &Checks,
        page: Page<'_>,
    ) -> Result<Vec<Hit>, StoreError> {
        let Page { sort, after, limit } = page;
        let is_single = sort.len() == 1;
        let most = self.most_sorted();
        let mut from = after.and_then(|place| {
            let value = place.values.first()?.clone();
            Some(From { value, after: is_single.then_some(place.row) })
        });
        let mut out = Vec::new();
        let mut group: Vec<Hit> = Vec::new();
        let mut many = if checks.residual.is_empty() { limit.max(16) } else { (limit * 2).max(64) };
        loop {
            let sql = walk.piece(self.reading.dialect(), from.as_ref(), &checks.probes, many);
            self.reading.work().check()?;
            let rows = self.reading.hits(&sql)?;
            let is_last = rows.len() < many;
            from = rows.last().and_then(|hit| {
                let value = hit.position.values.first()?.clone();
                Some(From { value, after: Some(hit.row) })
            });
            for part in rows.chunks(32) {
                for hit in self.surviving(part, &checks.residual, sort)? {
                    if is_single {
                        out.push(hit);
                        continue;
                    }
                    let is_next = group.last().is_some_and(|last| {
                        last.position.values.first() != hit.position.values.first()
                    });
                    if is_next {
                        settle(&mut group, sort, after, &mut out);
                    }
                    group.push(hit);
                    if group.len() > most {
                        return Err(StoreError::TooCostly(
                            "too many resources agree in the first sort key to order them by \
                             the others; ask for fewer, or sort by another key first",
                        ));
                    }
                }
                if out.len() >= limit {
                    out.truncate(limit);
                    return Ok(out);
                }
            }
            if is_last {
                settle(&mut group, sort, after, &mut out);
                out.truncate(limit);
                return Ok(out);
            }
            many = (many * 2).min(MOST);
        }
    }

    /// Those of a piece that satisfy what is left to check, with their whole place.
    fn surviving(
        &mut self,
        part: &[Hit],
        residual: &[Predicate],
        sort: &[SortKey],
    ) -> Result<Vec<Hit>, StoreError> {
        if residual.is_empty() && sort.len() == 1 {
            return Ok(part.to_vec());
        }
        let rows: Vec<RowKey> = part.iter().map(|hit| hit.row).collect();
        let mut found = Vec::new();
        self.compare(&rows, residual, &mut found)?;
        let mut out = Vec::with_capacity(found.len());
        for one in found {
            let Some(walked) = part.iter().find(|hit| hit.row == one.row) else { continue };
            let mut hit = self.placed(one, sort);
            // The walk's own value leads, so that the next page begins where this one ends.
            if let (Some(value), Some(own)) =
                (hit.position.values.first_mut(), walked.position.values.first())
            {
                value.clone_from(own);
            }
            out.push(hit);
        }
        Ok(out)
    }

    /// The walk along the dates beside a code that is asked for, where no resource has two dates.
    fn coded_walk(&mut self, key: &SortKey, legs: &[Leg]) -> Result<Option<ValueWalk>, StoreError> {
        let ([of], Some(date)) = (self.types.as_slice(), date_key(key)) else { return Ok(None) };
        let indexer = &self.definitions.indexer;
        let Some(main_code) = indexer.main_code(*of) else { return Ok(None) };
        if indexer.main_date(*of) != Some(date) || self.reading.repeats(date.0)? {
            return Ok(None);
        }
        let code =
            legs.iter().enumerate().find_map(|(place, leg)| match leg.predicate.any.as_slice() {
                [Match::Row(RowMatch::Token { p, code, .. })] if *p == main_code => {
                    Some((place, *code))
                }
                _ => None,
            });
        let Some((place, code)) = code else { return Ok(None) };
        let own = legs.iter().filter(|leg| leg.date == Some(date));
        let whens: Vec<_> = own.filter_map(|leg| dates(&leg.predicate)).flatten().collect();
        let lists = arm::code_dates(main_code, code, &whens)
            .or_else(|| arm::code_dates(main_code, code, &[]));
        Ok(lists.map(|lists| ValueWalk::of_code(lists, place, key.descending)))
    }

    /// The walk along the index of a sort key; `None` where no index is in that order.
    fn value_walk(&mut self, key: &SortKey) -> Result<Option<ValueWalk>, StoreError> {
        if let SortBy::Number(of) = &key.by {
            let mut units = Vec::new();
            for p in of {
                let mut sql = Sql::new("SELECT unit, CAST(0 AS bigint), CAST(0 AS bigint) FROM ");
                sql.push("unit WHERE p = ").integer(p.0).push(" AND unit <> 0");
                sql.push(" ORDER BY unit LIMIT 17");
                let own = self.numbers(&sql)?;
                units.push((*p, own.into_iter().map(|(unit, ..)| unit).collect()));
            }
            return Ok(Some(ValueWalk::of_numbers(&units, key.descending)));
        }
        Ok(ValueWalk::of(&key.by, key.descending, &self.types))
    }
}

/// The parameter of a key that is one date.
fn date_key(key: &SortKey) -> Option<ParameterId> {
    match &key.by {
        SortBy::Date(of) => match of.as_slice() {
            [p] => Some(*p),
            _ => None,
        },
        SortBy::Id
        | SortBy::LastUpdated
        | SortBy::String(_)
        | SortBy::Number(_)
        | SortBy::Uri(_)
        | SortBy::Token(_)
        | SortBy::Reference(_) => None,
    }
}

/// Resources that have no value to be sorted by: no value at all, or one that gives no row, which
/// the indexer notes as a token without code and system.
fn without(parameters: &[ParameterId]) -> Predicate {
    let mut any = vec![Match::Not(vec![Match::Present(parameters.to_vec())])];
    let unsorted = |p: &ParameterId| Match::Row(RowMatch::Token { p: *p, code: 0, sys: Some(0) });
    any.extend(parameters.iter().map(unsorted));
    Predicate { any }
}

/// Orders a whole group by all keys and takes over what comes after the position.
fn settle(group: &mut Vec<Hit>, keys: &[SortKey], after: Option<&Position>, out: &mut Vec<Hit>) {
    group.sort_by(|one, other| sort::compare(keys, &one.position, &other.position));
    let is_after =
        |hit: &Hit| after.is_none_or(|after| sort::compare(keys, &hit.position, after).is_gt());
    out.extend(group.drain(..).filter(is_after));
}
