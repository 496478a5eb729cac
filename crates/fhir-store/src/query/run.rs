//! The executor: searches, counts and estimates over one snapshot of either database.

use std::collections::HashSet;
use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_search::{
    ContainedMode, Found, Match, ParameterId, ParameterKind, Predicate, Registry, RowMatch, Scope,
    SearchQuery,
};

use super::condition::{Conditions, within};
use super::pair::pairs;
use super::plan::{self, Leg, Plan, Size};
use super::reading::{Reading, definitions};
use super::source::columns;
use super::walk::Bounds;
use super::world::{Cache, Sight};
use crate::backend::row;
use crate::core::Definitions;
use crate::error::StoreError;
use crate::read::{Hit, Matched, Position, RowKey, StoredVersion};
use crate::sql::{Dialect, Sql};

/// So many types are asked for their main dates and numbers.
const FEW_TYPES: usize = 4;

/// Runs one search.
pub(crate) struct Run<'a, S> {
    pub(super) reading: &'a mut S,
    pub(super) definitions: Arc<Definitions>,
    pub(super) types: Vec<ResourceType>,
    /// Live resources of the types.
    pub(super) total: u64,
    /// The main dates and numbers of the types, where no resource has two; looked up when dates
    /// or numbers are asked.
    pub(super) beside: Option<Vec<(ResourceType, ParameterId)>>,
    pub(super) cache: Cache,
}

/// Something found, with what has been read of it.
pub(super) struct Candidate {
    pub(super) row: RowKey,
    pub(super) read: Option<(StoredVersion, Found)>,
}

impl<'a, S: Reading> Run<'a, S> {
    pub(crate) fn new(reading: &'a mut S, query: &SearchQuery) -> Result<Self, StoreError> {
        reading.work().asks_words = query.predicates.iter().any(|one| asks(one, &is_words));
        let definitions = definitions(reading);
        let mut run = Self {
            reading,
            definitions,
            types: Vec::new(),
            beside: None,
            total: 0,
            cache: Cache::default(),
        };
        let (types, total) = run.scope(&query.scope)?;
        run.types = types;
        run.total = total;
        Ok(run)
    }

    /// Looks up what stands beside the rows of the types.
    fn look_beside(&mut self) -> Result<(), StoreError> {
        if self.beside.is_some() {
            return Ok(());
        }
        let mut beside = Vec::new();
        // Many types are asked for by what they have in common, which is neither date nor number.
        if self.reading.dialect() == Dialect::Sqlite {
            for of in self.types.iter().take(FEW_TYPES) {
                let indexer = &self.definitions.indexer;
                let main = [indexer.main_date(*of), indexer.main_number(*of)];
                for p in main.into_iter().flatten() {
                    if !self.reading.repeats(p.0)? {
                        beside.push((*of, p));
                    }
                }
            }
        }
        self.beside = Some(beside);
        Ok(())
    }

    /// The type whose rows of `access` hold values of this parameter.
    pub(super) fn type_beside(
        &mut self,
        p: ParameterId,
    ) -> Result<Option<ResourceType>, StoreError> {
        self.look_beside()?;
        let mut beside = self.beside.iter().flatten();
        Ok(beside.find(|(_, own)| *own == p).map(|(of, _)| *of))
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
        if predicates.iter().any(|one| asks(one, &may_be_beside)) {
            self.look_beside()?;
        }
        let mut flat = Vec::with_capacity(predicates.len());
        flatten(predicates, &mut flat);
        let predicates = self.merged_dates(flat)?;
        let conditions = self.conditions();
        let mut implied = Vec::new();
        if let [of] = self.types.as_slice() {
            let registry = &self.definitions.registry;
            let codes = predicates.iter().filter_map(|(one, _)| code_of(registry, *of, one));
            implied.extend(codes.map(|code| Leg::implied(&conditions, code, &self.types)));
        }
        let leg = |one| Leg::new(&conditions, one, &self.types);
        let mut legs: Vec<Leg> = predicates.into_iter().map(leg).collect();
        if let [of] = self.types.as_slice()
            && legs.len() > 1
        {
            implied.extend(pairs(conditions.dialect, &self.definitions.indexer, *of, &legs));
        }
        legs.append(&mut implied);
        Ok(legs)
    }

    /// What conditions are made with.
    pub(super) fn conditions(&self) -> Conditions<'_> {
        Conditions {
            dialect: self.reading.dialect(),
            registry: &self.definitions.registry,
            hasher: &self.reading.core().hasher,
            is_access: false,
            beside: self.beside.as_deref().unwrap_or_default(),
        }
    }

    /// Several conditions on the dates of a parameter become one, where no resource has two dates
    /// under it: a month is then a range, not what two halves of all time have in common.
    fn merged_dates(
        &mut self,
        predicates: Vec<&Predicate>,
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
                let (digest, total) = (sql.digest(), self.total);
                match self.reading.core().statistics.get(digest, total) {
                    Some(size) => size,
                    None => {
                        let rows = self.number(&sql)?;
                        let size = Size { rows, is_at_least: rows >= limit };
                        // Short ones are soon counted, and soon others.
                        if rows >= plan::MANY {
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
        self.name_values(&mut legs)?;
        let choice = plan::choose(&legs, self.total, wanted as u64);
        Ok((Plan::new(self.reading.dialect(), &legs, choice, &self.types, self.total), legs))
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
        let mut sql = Sql::new("SELECT ");
        sql.push(&columns(dialect, "c"));
        match self.types.as_slice() {
            // Narrow rows, many to a page.
            [of] if self.definitions.indexer.is_own_person(*of) => {
                sql.push(", c.person FROM access c WHERE c.type = ").integer(of.index());
            }
            _ => {
                sql.push(", c.hash FROM resource c WHERE TRUE");
            }
        }
        Ok(self.of_rows(sql, rows)?.into_iter().map(|(_, hash)| hash).collect())
    }

    /// Runs a statement about some of `rows`, of `c`, which ends behind a condition: row and value.
    pub(super) fn of_rows(
        &mut self,
        mut sql: Sql,
        rows: &[RowKey],
    ) -> Result<Vec<(RowKey, i64)>, StoreError> {
        let dialect = self.reading.dialect();
        let rids: Vec<i64> = rows.iter().map(|row| row.rid).collect();
        sql.push(" AND c.rid");
        within(&mut sql, dialect, &rids);
        if dialect == Dialect::Postgres {
            let dks: Vec<i64> = rows.iter().map(|row| row.dk).collect();
            sql.push(" AND c.dk");
            within(&mut sql, dialect, &dks);
        }
        let found = self.numbers(&sql)?;
        let found = found.into_iter().map(|(rid, dk, value)| (RowKey { rid, dk }, value));
        if dialect == Dialect::Sqlite {
            return Ok(found.collect());
        }
        // Of two lists each row of one may go with each of the other.
        let asked: HashSet<RowKey> = rows.iter().copied().collect();
        Ok(found.filter(|(row, _)| asked.contains(row)).collect())
    }

    /// Types, total and what stands beside their rows for the time of `work`.
    pub(super) fn inside<T>(
        &mut self,
        scope: &Scope,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (types, total) = self.scope(scope)?;
        let types = std::mem::replace(&mut self.types, types);
        let total = std::mem::replace(&mut self.total, total);
        let beside = self.beside.take();
        let done = work(self);
        self.types = types;
        self.total = total;
        self.beside = beside;
        done
    }
}

pub(super) fn hit(row: RowKey) -> Hit {
    Hit { row, position: Position { values: Vec::new(), row }, matched: Matched::default() }
}

/// The code that a composite asks for, as the first component's own parameter has it: its rows
/// stand in row order, while those of the composite stand in the order of values.
fn code_of(registry: &Registry, of: ResourceType, predicate: &Predicate) -> Option<RowMatch> {
    let [Match::Row(RowMatch::CompositeNumber { p, code, sys, .. })] = predicate.any.as_slice()
    else {
        return None;
    };
    let composite = registry.by_id(*p)?;
    let own = registry.get(of, &composite.components.first()?.code)?;
    // Whether somebody else's component and its own parameter read the same element, who knows.
    let is_official = |url: &str| url.starts_with("http://hl7.org/fhir/SearchParameter/");
    let is_known = is_official(&composite.url) && is_official(&own.url);
    (is_known && own.kind == ParameterKind::Token).then_some(RowMatch::Token {
        p: own.id,
        code: *code,
        sys: *sys,
    })
}

/// What is one conjunction is as many predicates: each then finds its own place in the plan.
fn flatten<'p>(predicates: &'p [Predicate], flat: &mut Vec<&'p Predicate>) {
    for predicate in predicates {
        match predicate.any.as_slice() {
            [Match::All(all)] => flatten(all, flat),
            _ => flat.push(predicate),
        }
    }
}

/// Whether a predicate has an alternative of a kind, at whatever depth.
fn asks(predicate: &Predicate, is_such: &impl Fn(&Match) -> bool) -> bool {
    fn one(each: &Match, is_such: &impl Fn(&Match) -> bool) -> bool {
        is_such(each)
            || match each {
                Match::All(all) => all.iter().any(|own| asks(own, is_such)),
                Match::Chain(chain) => chain.all.iter().any(|own| asks(own, is_such)),
                Match::Has(has) => has.all.iter().any(|own| asks(own, is_such)),
                Match::Not(any) => any.iter().any(|own| one(own, is_such)),
                Match::Row(_)
                | Match::Present(_)
                | Match::Keys(_)
                | Match::Hashes(_)
                | Match::Text(_)
                | Match::Lookup(_)
                | Match::OfType(_)
                | Match::Person(_)
                | Match::Id(_)
                | Match::LastUpdated(_)
                | Match::Never => false,
            }
    }
    predicate.any.iter().any(|each| one(each, is_such))
}

fn is_words(each: &Match) -> bool {
    matches!(each, Match::Text(_))
}

fn may_be_beside(each: &Match) -> bool {
    matches!(each, Match::Row(RowMatch::Date { .. } | RowMatch::Number { .. }))
}
