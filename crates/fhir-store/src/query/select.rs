//! Whole searches: the driving leg, the other legs, sorting and keyset.

mod order;

use fhir_definitions::ResourceType;
use fhir_search::{
    DateMatch, Match, ParameterId, Predicate, RowMatch, Scope, SearchQuery, SortBy, SortKey,
};

use self::order::{kind_of, value_of};
use super::arm::{self, Arm};
use crate::read::{Position, SortValue};
use crate::sql::{Bind, Dialect, Sql};

/// A predicate, prepared for either role.
struct Leg {
    arms: Vec<Arm>,
    /// Conditions on columns of `resource`.
    columns: Vec<ColumnMatch>,
    /// The comparison, where the leg is one of dates and nothing else.
    dates: Option<(ParameterId, DateMatch)>,
    /// Somebody else checks this leg.
    is_taken: bool,
}

/// A condition on the resource's own row; the text is completed with a table name.
enum ColumnMatch {
    Id(String),
    Updated(fhir_search::DateMatch),
}

impl Leg {
    fn of(dialect: Dialect, predicate: &Predicate) -> Self {
        let dates = match predicate.any.as_slice() {
            [Match::Row(RowMatch::Date { p, when })] => Some((*p, *when)),
            _ => None,
        };
        let mut leg = Self { arms: Vec::new(), columns: Vec::new(), dates, is_taken: false };
        for alternative in &predicate.any {
            match alternative {
                Match::Row(row) => leg.arms.extend(arm::arms(dialect, row)),
                Match::Id(id) => leg.columns.push(ColumnMatch::Id(id.as_str().to_owned())),
                Match::LastUpdated(when) => leg.columns.push(ColumnMatch::Updated(*when)),
                // Engines see only what they can answer.
                Match::All(_)
                | Match::Not(_)
                | Match::Present(_)
                | Match::Chain(_)
                | Match::Has(_)
                | Match::Keys(_)
                | Match::Text(_)
                | Match::Lookup(_)
                | Match::Never => {}
            }
        }
        leg
    }

    /// Whether rows can be walked in row order and probed by one seek.
    fn is_point(&self) -> bool {
        self.columns.is_empty() && self.arms.len() == 1 && self.arms.iter().all(|arm| arm.is_point)
    }

    /// Lower drives first: what looks unique, then references, then other points, then ranges.
    fn rank(&self) -> u8 {
        if self.arms.is_empty() && self.columns.is_empty() {
            return 0;
        }
        if !self.columns.is_empty() {
            let only_ids = self.columns.iter().all(|one| matches!(one, ColumnMatch::Id(_)));
            return if only_ids && self.arms.is_empty() { 1 } else { 9 };
        }
        match (self.is_point(), self.arms.first().map(|arm| arm.table)) {
            (true, Some("uri" | "composite_token")) => 2,
            (true, Some("reference")) => 3,
            (true, _) => 4,
            (false, Some("reference")) => 5,
            (false, Some("token")) => 6,
            (false, Some("string")) => 7,
            (false, _) => 8,
        }
    }
}

/// Builds the statements of one search.
pub(crate) struct Select<'q> {
    dialect: Dialect,
    query: &'q SearchQuery,
    legs: Vec<Leg>,
    driver: Option<usize>,
}

impl<'q> Select<'q> {
    pub(crate) fn new(dialect: Dialect, query: &'q SearchQuery) -> Self {
        let legs: Vec<_> = query.predicates.iter().map(|one| Leg::of(dialect, one)).collect();
        let driver = legs
            .iter()
            .enumerate()
            .map(|(place, leg)| (leg.rank(), place))
            .min()
            .filter(|(rank, _)| *rank < 9)
            .map(|(_, place)| place);
        Self { dialect, query, legs, driver }
    }

    /// Point legs as counting probes that stop at a limit, the likely best first; one leg alone
    /// needs none.
    pub(crate) fn probes(&self, limit: i64) -> Vec<(usize, Sql)> {
        let mut points: Vec<_> =
            self.legs.iter().enumerate().filter(|(_, leg)| leg.is_point()).collect();
        points.sort_by_key(|(_, leg)| leg.rank());
        if points.len() < 2 {
            return Vec::new();
        }
        points
            .into_iter()
            .filter_map(|(place, leg)| {
                let arm = leg.arms.first()?;
                let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM ");
                sql.push(arm.table).push(" WHERE ").append(&arm.condition).push(" LIMIT ");
                sql.integer(limit).push(") AS probe");
                Some((place, sql))
            })
            .collect()
    }

    /// Lets another leg drive.
    pub(crate) fn drive_from(&mut self, place: usize) {
        self.driver = Some(place);
    }

    /// The matches of a page: `rid`, `dk` and the sort values, named after their kind.
    pub(crate) fn page(&self, after: Option<&Position>, limit: i64) -> Sql {
        if self.query.sort.is_empty() {
            return self.page_in_row_order(after, limit);
        }
        let mut sql = Sql::new("WITH m AS (SELECT DISTINCT c.rid AS rid, ");
        sql.push(self.dk()).push(" AS dk ");
        self.matches(&mut sql);
        sql.push(") SELECT m.rid AS rid, m.dk AS dk");
        for (place, key) in self.query.sort.iter().enumerate() {
            sql.push(&format!(", {} AS {}{place}", value_of(place, key), kind_of(&key.by)));
        }
        sql.push(" FROM m JOIN resource r ON r.rid = m.rid");
        sql.push(&self.on_dk("r", "m"));
        for (place, key) in self.query.sort.iter().enumerate() {
            self.sort_join(&mut sql, place, key);
        }
        if let Some(position) = after {
            sql.push(" WHERE ");
            self.keyset(&mut sql, position);
        }
        sql.push(" ORDER BY ");
        for (place, key) in self.query.sort.iter().enumerate() {
            let value = value_of(place, key);
            let direction = if key.descending { " DESC" } else { "" };
            sql.push(&format!("({value} IS NULL), {value}{direction}, "));
        }
        sql.push("m.rid, m.dk LIMIT ").integer(limit);
        sql
    }

    /// Everything that matches, without its order.
    pub(crate) fn all_in_row_order(&self) -> Sql {
        self.page_in_row_order(None, i64::MAX)
    }

    /// Takes out the date comparisons that do not drive, for whoever checks them by the bodies:
    /// no index finds the dates of a given row.
    pub(crate) fn take_dates(&mut self) -> Vec<(ParameterId, DateMatch)> {
        let Some(driver) = self.driver else { return Vec::new() };
        if self.legs.get(driver).is_none_or(|leg| leg.dates.is_some()) {
            return Vec::new();
        }
        self.legs
            .iter_mut()
            .filter_map(|leg| {
                let taken = leg.dates.take();
                leg.is_taken = taken.is_some();
                taken
            })
            .collect()
    }

    /// How many match.
    pub(crate) fn count(&self) -> Sql {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT DISTINCT c.rid, ");
        sql.push(self.dk()).push(" AS dk ");
        self.matches(&mut sql);
        sql.push(") AS found");
        sql
    }

    /// Matches ordered by `_lastUpdated` alone, walked along that index (SQLite, where instants
    /// are unique); `None` where the query is not of that shape.
    pub(crate) fn walk_updated(&self, after: Option<&Position>, limit: i64) -> Option<Sql> {
        let [SortKey { by: SortBy::LastUpdated, descending }] = self.query.sort.as_slice() else {
            return None;
        };
        let Scope::Type(resource_type) = &self.query.scope else { return None };
        let mut sql =
            Sql::new("SELECT c.rid AS rid, 0 AS dk, c.updated AS i0 FROM resource c WHERE ");
        sql.push("c.type = ").integer(resource_type.index()).push(" AND c.body IS NOT NULL");
        if let Some(position) = after {
            let Some(SortValue::Integer(place)) = position.values.first() else { return None };
            sql.push(if *descending { " AND c.updated < " } else { " AND c.updated > " });
            sql.integer(*place);
        }
        for leg in &self.legs {
            self.probe(&mut sql, leg, true);
        }
        sql.push(if *descending { " ORDER BY c.updated DESC" } else { " ORDER BY c.updated" });
        sql.push(" LIMIT ").integer(limit);
        Some(sql)
    }

    /// Whether legs can be weighed against each other.
    pub(crate) fn has_choice(&self) -> bool {
        self.legs.iter().filter(|leg| leg.is_point()).count() > 1
    }

    /// Whether some leg compares dates and another one drives.
    pub(crate) fn has_dates(&self) -> bool {
        let is_driver = |place: usize| Some(place) == self.driver;
        self.legs.iter().enumerate().any(|(at, leg)| leg.dates.is_some() && !is_driver(at))
    }

    /// Counts what the driving leg gives, up to a limit; `None` where nothing drives.
    pub(crate) fn driver_probe(&self, limit: i64) -> Option<Sql> {
        let leg = self.driver.and_then(|place| self.legs.get(place))?;
        let mut sql = Sql::new("SELECT count(*) FROM (");
        if leg.arms.is_empty() {
            sql.push("SELECT 1 WHERE 1 = 0");
        }
        for (place, arm) in leg.arms.iter().enumerate() {
            sql.push(if place > 0 { " UNION ALL " } else { "" });
            sql.push("SELECT 1 FROM ").push(arm.table).push(" WHERE ").append(&arm.condition);
        }
        sql.push(" LIMIT ").integer(limit).push(") AS probe");
        Some(sql)
    }

    /// The parameter of a search that is ordered by one date alone.
    pub(crate) fn date_order(&self) -> Option<ParameterId> {
        match self.query.sort.as_slice() {
            [SortKey { by: SortBy::Date(parameters), .. }] => match parameters.as_slice() {
                [p] => Some(*p),
                _ => None,
            },
            _ => None,
        }
    }

    /// Matches that have a date, ordered by it alone, walked along the date index (SQLite);
    /// `None` where the query is not of that shape.
    ///
    /// Where no resource has two dates under the parameter (`repeats` is false), conditions on
    /// the same parameter bound the walk itself.
    pub(crate) fn walk_date(
        &self,
        repeats: bool,
        after: Option<&Position>,
        limit: i64,
    ) -> Option<Sql> {
        let p = self.date_order()?;
        let descending = self.query.sort.first().is_some_and(|key| key.descending);
        let is_own = |leg: &&Leg| {
            !repeats
                && leg.columns.is_empty()
                && leg.arms.len() == 2
                && leg.dates.is_some_and(|(of, _)| of == p)
        };
        let own: Vec<&Leg> = self.legs.iter().filter(is_own).collect();
        let place = match after.map(|position| position.values.first()) {
            None => None,
            Some(Some(SortValue::Integer(place))) => Some(*place),
            Some(_) => return None,
        };
        let side = if descending { "<" } else { ">" };
        let mut sql = Sql::new("SELECT c.rid AS rid, 0 AS dk, c.lo AS i0 FROM (");
        for (branch, number) in [p.0, p.long()].into_iter().enumerate() {
            sql.push(if branch > 0 { " UNION ALL " } else { "" });
            sql.push("SELECT lo, rid FROM date WHERE p = ").integer(number);
            sql.push(if descending { " AND edge >= 2" } else { " AND edge IN (1, 3)" });
            if let Some(place) = place {
                sql.push(&format!(" AND lo {side}= ")).integer(place);
            }
            for arm in own.iter().filter_map(|leg| leg.arms.get(branch)) {
                sql.push(" AND ").append(&arm.condition);
            }
        }
        sql.push(") AS c WHERE 1 = 1");
        if let (Some(place), Some(position)) = (place, after) {
            sql.push(&format!(" AND (c.lo {side} ")).integer(place);
            sql.push(" OR c.rid > ").integer(position.row.rid).push(")");
        }
        for leg in self.legs.iter().filter(|leg| !is_own(leg)) {
            self.probe(&mut sql, leg, false);
        }
        let direction = if descending { " DESC" } else { "" };
        sql.push(&format!(" ORDER BY c.lo{direction}, c.rid LIMIT ")).integer(limit);
        Some(sql)
    }

    fn page_in_row_order(&self, after: Option<&Position>, limit: i64) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.push(if self.rows_are_unique() { "" } else { "DISTINCT " });
        sql.push("c.rid AS rid, ").push(self.dk()).push(" AS dk ");
        self.matches(&mut sql);
        if let Some(position) = after {
            match self.dialect {
                Dialect::Sqlite => sql.push(" AND c.rid > ").integer(position.row.rid),
                Dialect::Postgres => {
                    sql.push(" AND (c.rid, c.dk) > (").integer(position.row.rid).push(", ");
                    sql.integer(position.row.dk).push(")")
                }
            };
        }
        sql.push(match self.dialect {
            Dialect::Sqlite => " ORDER BY c.rid LIMIT ",
            Dialect::Postgres => " ORDER BY c.rid, c.dk LIMIT ",
        });
        sql.integer(limit);
        sql
    }

    fn rows_are_unique(&self) -> bool {
        match self.driver.and_then(|place| self.legs.get(place)) {
            None => true,
            Some(leg) if leg.is_point() => leg.arms.iter().all(|arm| arm.is_unique),
            Some(_) => true,
        }
    }

    /// ` FROM … WHERE …`: everything that matches, under the alias `c`.
    fn matches(&self, sql: &mut Sql) {
        let driver = self.driver.and_then(|place| self.legs.get(place));
        let is_resource = match driver {
            None => true,
            Some(leg) => leg.arms.is_empty(),
        };
        match driver {
            Some(leg) if leg.is_point() => {
                for arm in &leg.arms {
                    sql.push("FROM ").push(arm.table).push(" c WHERE ").append(&arm.condition);
                }
            }
            Some(leg) if !leg.arms.is_empty() => {
                sql.push("FROM (");
                self.union(sql, &leg.arms);
                sql.push(") AS c WHERE 1 = 1");
            }
            Some(_) | None => {
                sql.push("FROM resource c WHERE c.body IS NOT NULL");
                self.scope(sql, "c");
                if let Some(leg) = driver {
                    self.probe(sql, leg, true);
                }
            }
        }
        for (place, leg) in self.legs.iter().enumerate() {
            if Some(place) != self.driver && !leg.is_taken {
                self.probe(sql, leg, is_resource);
            }
        }
    }

    /// ` AND c` satisfies this leg.
    fn probe(&self, sql: &mut Sql, leg: &Leg, is_resource: bool) {
        sql.push(" AND (");
        let mut is_first = true;
        let mut or = |sql: &mut Sql| {
            sql.push(if std::mem::take(&mut is_first) { "" } else { " OR " });
        };
        for column in &leg.columns {
            or(sql);
            if is_resource {
                sql.append(&condition_of(column, "c"));
                continue;
            }
            sql.push("EXISTS (SELECT 1 FROM resource r WHERE r.rid = c.rid");
            sql.push(&self.on_dk("r", "c"));
            sql.push(" AND ").append(&condition_of(column, "r")).push(")");
        }
        let seeks = |arm: &&Arm| arm.is_point || self.dialect == Dialect::Postgres;
        for arm in leg.arms.iter().filter(seeks) {
            or(sql);
            sql.push("EXISTS (SELECT 1 FROM ").push(arm.table).push(" x WHERE ");
            sql.append(&arm.condition).push(" AND x.rid = c.rid");
            sql.push(&self.on_dk("x", "c")).push(")");
        }
        let ranges: Vec<Arm> = leg.arms.iter().filter(|arm| !seeks(arm)).cloned().collect();
        if !ranges.is_empty() {
            or(sql);
            sql.push("c.rid IN (");
            for (place, arm) in ranges.iter().enumerate() {
                sql.push(if place > 0 { " UNION ALL " } else { "" });
                sql.push("SELECT rid FROM ").push(arm.table).push(" WHERE ");
                sql.append(&arm.condition);
            }
            sql.push(")");
        }
        if is_first {
            sql.push("1 = 0");
        }
        sql.push(")");
    }

    fn union(&self, sql: &mut Sql, arms: &[Arm]) {
        let columns = match self.dialect {
            Dialect::Sqlite => "rid",
            Dialect::Postgres => "rid, dk",
        };
        for (place, arm) in arms.iter().enumerate() {
            sql.push(if place > 0 { " UNION SELECT " } else { "SELECT DISTINCT " });
            sql.push(columns).push(" FROM ").push(arm.table).push(" WHERE ");
            sql.append(&arm.condition);
        }
    }

    fn scope(&self, sql: &mut Sql, table: &str) {
        let types: Vec<ResourceType> = match &self.query.scope {
            Scope::All => return,
            Scope::Type(one) => vec![*one],
            Scope::Types(several) => several.clone(),
        };
        sql.push(" AND ").push(table).push(".type IN (");
        for (place, resource_type) in types.iter().enumerate() {
            sql.push(if place > 0 { ", " } else { "" }).integer(resource_type.index());
        }
        if types.is_empty() {
            sql.push("NULL");
        }
        sql.push(")");
    }

    fn dk(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "0",
            Dialect::Postgres => "c.dk",
        }
    }

    /// ` AND one.dk = other.dk`, which every join on PostgreSQL carries.
    fn on_dk(&self, one: &str, other: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => String::new(),
            Dialect::Postgres => format!(" AND {one}.dk = {other}.dk"),
        }
    }
}

fn condition_of(column: &ColumnMatch, table: &str) -> Sql {
    match column {
        ColumnMatch::Id(id) => {
            let mut sql = Sql::new(table);
            sql.push(".id = ").bind(Bind::Text(id.clone()));
            sql
        }
        ColumnMatch::Updated(when) => arm::updated(&format!("{table}.updated"), when),
    }
}
