//! Matches as conditions on a candidate: an alias with `rid` and, on PostgreSQL, `dk`.
//!
//! [`Mode::Seek`] writes only what costs a seek or two for each candidate; whatever is dearer is
//! left to the check in memory. [`Mode::Whole`] is for statements that meet most of a set anyway:
//! there ranges and chains become sets that the database makes once.

use fhir_definitions::ResourceType;
use fhir_search::{
    Chain, Has, Match, ParameterId, Predicate, Registry, RowMatch, TextMatch, ValueHasher,
};

use super::arm::{self, Arm};
use super::source::{Group, same_targets};
use super::text::{self, TextArm};
use crate::backend::presence;
use crate::sql::{Dialect, Sql};

/// How much a condition may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A few seeks for each candidate.
    Seek,
    /// Sets are made once for the whole statement.
    Whole,
}

/// So many values stand in a text one by one; more are one bind.
const FEW_VALUES: usize = 8;

/// Writes conditions.
#[derive(Clone, Copy)]
pub(crate) struct Conditions<'d> {
    pub(crate) dialect: Dialect,
    pub(crate) registry: &'d Registry,
    pub(crate) hasher: &'d ValueHasher,
    /// The candidate is a row of `access` itself.
    pub(crate) is_access: bool,
    /// Types with the parameters whose values stand in `access`, where no resource has two
    /// values under them: such a value is found by its row.
    pub(crate) beside: &'d [(ResourceType, ParameterId)],
}

/// ` IN (…)` with values as binds: few of them one by one, many as one list.
pub(crate) fn within(sql: &mut Sql, dialect: Dialect, values: &[i64]) {
    if values.is_empty() {
        sql.push(" IN (NULL)");
        return;
    }
    if dialect == Dialect::Sqlite && values.len() <= FEW_VALUES {
        sql.push(" IN (");
        // Three values make the statement of four: shapes stay few.
        let places = values.len().next_power_of_two();
        for (place, value) in values.iter().chain(values.last().into_iter().cycle()).enumerate() {
            if place >= places {
                break;
            }
            sql.push(if place > 0 { ", " } else { "" }).integer(*value);
        }
        sql.push(")");
        return;
    }
    sql.in_list(dialect, values.to_vec());
}

impl Conditions<'_> {
    /// ` AND one.dk = other.dk`, which every join inside a compartment carries on PostgreSQL.
    fn on_dk(&self, one: &str, other: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => String::new(),
            Dialect::Postgres => format!(" AND {one}.dk = {other}.dk"),
        }
    }

    /// The end of an EXISTS. PostgreSQL would otherwise read all rows that fit, of all persons, where
    /// it takes them for few: its estimate of several columns together is often far too low.
    const fn sought(&self, mode: Mode) -> &'static str {
        let is_fenced = matches!((self.dialect, mode), (Dialect::Postgres, Mode::Seek));
        if is_fenced { " OFFSET 0)" } else { ")" }
    }

    /// `candidate IN (SELECT …`, up to the columns; the caller goes on with ` FROM`.
    fn is_among(&self, candidate: &str, row: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("{candidate}.rid IN (SELECT {row}.rid"),
            Dialect::Postgres => {
                format!("({candidate}.rid, {candidate}.dk) IN (SELECT {row}.rid, {row}.dk")
            }
        }
    }

    /// That one of the alternatives holds for `candidate`, which is of one of `types`; `None`
    /// where SQL would be dearer than a look at the candidate itself.
    pub(crate) fn predicate(
        &self,
        predicate: &Predicate,
        types: &[ResourceType],
        candidate: &str,
        mode: Mode,
    ) -> Option<Sql> {
        let sql = self.any(&predicate.any, types, candidate, mode, 0)?;
        if mode == Mode::Seek && self.dialect == Dialect::Sqlite {
            // SQLite makes a join of an EXISTS that stands alone, and looks at it after all others:
            // https://www.sqlite.org/optoverview.html#the_exists_to_join_optimization
            let mut kept = Sql::new("+");
            kept.append(&sql);
            return Some(kept);
        }
        Some(sql)
    }

    fn any(
        &self,
        any: &[Match],
        types: &[ResourceType],
        candidate: &str,
        mode: Mode,
        depth: usize,
    ) -> Option<Sql> {
        let mut sql = Sql::new("(");
        // Of a search over many types most parameters belong to others.
        let mut each_alone: Vec<&Match> =
            any.iter().filter(|each| !self.is_foreign(each, types)).collect();
        if each_alone.is_empty() {
            sql.push("1 = 0");
        }
        let mut is_first = true;
        if mode == Mode::Seek
            && let Some(Group { parameters, targets, others }) = same_targets(&each_alone)
        {
            sql.append(&self.refers(&parameters, targets, candidate, &format!("x{depth}")));
            (each_alone, is_first) = (others, false);
        }
        for each in each_alone {
            sql.push(if is_first { "" } else { " OR " });
            sql.append(&self.one(each, types, candidate, mode, depth)?);
            is_first = false;
        }
        sql.push(")");
        Some(sql)
    }

    /// Whether no resource of the types has rows under the parameter that is asked for.
    fn is_foreign(&self, each: &Match, types: &[ResourceType]) -> bool {
        let Match::Row(own) = each else { return false };
        let base = self.registry.by_id(own.parameter()).map(|parameter| parameter.base);
        base.is_some_and(|base| !types.contains(&base))
    }

    fn all(
        &self,
        all: &[Predicate],
        types: &[ResourceType],
        candidate: &str,
        mode: Mode,
        depth: usize,
    ) -> Option<Sql> {
        let mut sql = Sql::default();
        for predicate in all {
            sql.push(" AND ");
            sql.append(&self.any(&predicate.any, types, candidate, mode, depth)?);
        }
        Some(sql)
    }

    fn one(
        &self,
        each: &Match,
        types: &[ResourceType],
        candidate: &str,
        mode: Mode,
        depth: usize,
    ) -> Option<Sql> {
        let row = format!("x{depth}");
        Some(match each {
            Match::All(all) => {
                if mode == Mode::Seek
                    && let Some(found) = self.all_beside(all, types, candidate, &row)
                {
                    return Some(found);
                }
                let mut sql = Sql::new("(TRUE");
                sql.append(&self.all(all, types, candidate, mode, depth)?).push(")");
                sql
            }
            Match::Not(none) => {
                // What has no value beside its row gives NULL, and is not found by the inner side.
                let mut sql = self.any(none, types, candidate, mode, depth)?;
                sql.push(" IS NOT TRUE");
                sql
            }
            Match::Present(parameters) => self.present(parameters, types, candidate, &row),
            Match::Chain(chain) => match mode {
                Mode::Seek => return None,
                Mode::Whole => self.chain(chain, candidate, depth)?,
            },
            Match::Has(has) => self.has(has, candidate, mode, depth)?,
            Match::Keys(keys) => {
                let hashes: Vec<i64> = keys.iter().map(|key| self.hasher.reference(key)).collect();
                self.hashes(&hashes, candidate, &row, mode)
            }
            Match::Hashes(hashes) => self.hashes(hashes, candidate, &row, mode),
            Match::Id(id) => {
                let hash = |of: &ResourceType| self.hasher.local(*of, id.as_str());
                let hashes: Vec<i64> = types.iter().map(hash).collect();
                self.hashes(&hashes, candidate, &row, mode)
            }
            Match::OfType(own) => {
                if types.iter().all(|of| own.contains(of)) {
                    return Some(Sql::new("TRUE"));
                }
                let numbers: Vec<i64> = own.iter().map(|of| i64::from(of.index())).collect();
                let mut sql = Sql::new("EXISTS (SELECT 1 FROM resource ");
                sql.push(&format!("{row} WHERE {row}.rid = {candidate}.rid"));
                sql.push(&self.on_dk(&row, candidate)).push(&format!(" AND {row}.type"));
                within(&mut sql, self.dialect, &numbers);
                sql.push(")");
                sql
            }
            Match::Person(persons) => self.person(persons, types, (candidate, &row), mode),
            Match::LastUpdated(when) => {
                let mut sql = Sql::new("EXISTS (SELECT 1 FROM resource ");
                sql.push(&format!("{row} WHERE {row}.rid = {candidate}.rid"));
                sql.push(&self.on_dk(&row, candidate)).push(" AND ");
                sql.append(&arm::updated(&format!("{row}.updated"), when)).push(")");
                sql
            }
            // To look into the lists of its words for one resource costs more than its body.
            Match::Text(text) => match mode {
                Mode::Seek => return None,
                Mode::Whole => self.text(text, candidate, &row),
            },
            Match::Row(own) => self.row(own, types, candidate, mode, &row)?,
            Match::Lookup(_) | Match::Never => Sql::new("1 = 0"),
        })
    }

    fn present(
        &self,
        parameters: &[ParameterId],
        types: &[ResourceType],
        candidate: &str,
        row: &str,
    ) -> Sql {
        let mut sql = Sql::new("(");
        let mut masks = presence::masks(self.registry, parameters);
        masks.retain(|(of, _)| types.contains(of));
        if masks.is_empty() {
            sql.push("1 = 0");
        }
        for (place, (of, [first, second])) in masks.into_iter().enumerate() {
            sql.push(if place > 0 { " OR " } else { "" });
            let row = if self.is_access && candidate == "c" { candidate } else { row };
            if row != candidate {
                sql.push(&format!("EXISTS (SELECT 1 FROM access {row} WHERE {row}.rid = "));
                sql.push(&format!("{candidate}.rid{} AND ", self.on_dk(row, candidate)));
            } else {
                sql.push("(");
            }
            sql.push(&format!("{row}.type = ")).integer(of.index());
            sql.push(&format!(" AND (({row}.present & ")).integer(first).push(") <> 0");
            sql.push(&format!(" OR ({row}.present2 & ")).integer(second).push(") <> 0))");
        }
        sql.push(")");
        sql
    }

    /// That the candidate belongs to one of the persons: one look beside its row.
    fn person(
        &self,
        persons: &[i64],
        types: &[ResourceType],
        (candidate, row): (&str, &str),
        mode: Mode,
    ) -> Sql {
        let mut sql = Sql::default();
        if self.is_access && candidate == "c" {
            sql.push("c.person");
            within(&mut sql, self.dialect, persons);
            return sql;
        }
        let same = format!("{row}.rid = {candidate}.rid{}", self.on_dk(row, candidate));
        sql.push(&format!("EXISTS (SELECT 1 FROM access {row} "));
        match types {
            [of] => {
                sql.push(&format!("WHERE {row}.type = ")).integer(of.index());
            }
            _ => {
                let typed = format!("{row}t");
                let place = format!("{typed}.rid = {row}.rid{}", self.on_dk(&typed, row));
                sql.push(&format!("JOIN resource {typed} ON {place} "));
                let own = format!("{typed}.rid = {candidate}.rid{}", self.on_dk(&typed, candidate));
                sql.push(&format!("WHERE {own} AND {row}.type = {typed}.type"));
            }
        }
        sql.push(&format!(" AND {same} AND {row}.person"));
        within(&mut sql, self.dialect, persons);
        sql.push(self.sought(mode));
        sql
    }

    fn hashes(&self, hashes: &[i64], candidate: &str, row: &str, mode: Mode) -> Sql {
        let mut sql = Sql::default();
        // A few rows are found once for a statement rather than looked at beside each candidate.
        let is_few = self.dialect == Dialect::Sqlite && hashes.len() <= FEW_VALUES;
        match mode {
            Mode::Seek if !is_few => {
                sql.push(&format!("EXISTS (SELECT 1 FROM resource {row} WHERE "));
                sql.push(&format!("{row}.rid = {candidate}.rid{}", self.on_dk(row, candidate)));
                sql.push(&format!(" AND {row}.hash"));
            }
            Mode::Seek | Mode::Whole => {
                sql.push(&self.is_among(candidate, row));
                sql.push(&format!(" FROM resource {row} WHERE {row}.hash"));
            }
        }
        within(&mut sql, self.dialect, hashes);
        sql.push(")");
        sql
    }

    /// That the candidate refers to one of the targets, whichever of the parameters does.
    fn refers(&self, parameters: &[i64], targets: &[i64], candidate: &str, row: &str) -> Sql {
        let mut sql = Sql::new(&format!("(EXISTS (SELECT 1 FROM reference {row} WHERE {row}.p"));
        within(&mut sql, self.dialect, parameters);
        sql.push(&format!(" AND {row}.target"));
        within(&mut sql, self.dialect, targets);
        sql.push(&format!(" AND {row}.rid = {candidate}.rid"));
        sql.push(&self.on_dk(row, candidate)).push("))");
        sql
    }

    fn text(&self, wanted: &TextMatch, candidate: &str, row: &str) -> Sql {
        let TextArm { arm, is_complement } = text::arm(self.dialect, wanted);
        let mut sql = Sql::new(if is_complement { "NOT " } else { "" });
        self.among_arms(&mut sql, &[arm], candidate, row);
        sql
    }

    fn row(
        &self,
        own: &RowMatch,
        types: &[ResourceType],
        candidate: &str,
        mode: Mode,
        row: &str,
    ) -> Option<Sql> {
        if mode == Mode::Seek
            && let Some(found) = self.beside(&[own], types, candidate, row)
        {
            return Some(found);
        }
        let arms = arm::arms(self.dialect, own);
        let is_seek = arms.len() <= FEW_VALUES && arms.iter().all(|arm| arm.is_point);
        if mode == Mode::Seek && !is_seek {
            return None;
        }
        let mut sql = Sql::new("(");
        if arms.is_empty() {
            sql.push("1 = 0");
        } else if is_seek {
            for (place, arm) in arms.iter().enumerate() {
                sql.push(if place > 0 { " OR " } else { "" });
                sql.push(&format!("EXISTS (SELECT 1 FROM {} {row} WHERE ", arm.table));
                sql.append(&arm.condition);
                sql.push(&format!(" AND {row}.rid = {candidate}.rid"));
                sql.push(&self.on_dk(row, candidate)).push(self.sought(mode));
            }
        } else {
            self.among_arms(&mut sql, &arms, candidate, row);
        }
        sql.push(")");
        Some(sql)
    }

    /// Whether the row of `access` says if a predicate holds.
    pub(crate) fn is_beside(&self, predicate: &Predicate) -> bool {
        predicate.any.iter().all(|each| match each {
            Match::Row(own) => self.type_beside(own).is_some(),
            Match::All(all) => all.iter().all(|one| self.is_beside(one)),
            Match::Not(none) => self.is_beside(&Predicate { any: none.clone() }),
            Match::Present(_) | Match::Person(_) | Match::Never => true,
            Match::Chain(_)
            | Match::Has(_)
            | Match::Keys(_)
            | Match::Hashes(_)
            | Match::Text(_)
            | Match::Lookup(_)
            | Match::OfType(_)
            | Match::Id(_)
            | Match::LastUpdated(_) => false,
        })
    }

    fn type_beside(&self, own: &RowMatch) -> Option<ResourceType> {
        let is_own = |(_, p): &&(ResourceType, ParameterId)| *p == own.parameter();
        self.beside.iter().find(is_own).map(|(of, _)| *of)
    }

    /// That all of it holds, where all of it stands beside the candidate's row: one look.
    fn all_beside(
        &self,
        all: &[Predicate],
        types: &[ResourceType],
        candidate: &str,
        row: &str,
    ) -> Option<Sql> {
        let only = |predicate: &'_ Predicate| match predicate.any.as_slice() {
            [Match::Row(own)] => Some(own.clone()),
            _ => None,
        };
        let rows: Vec<RowMatch> = all.iter().map(only).collect::<Option<_>>()?;
        self.beside(&rows.iter().collect::<Vec<_>>(), types, candidate, row)
    }

    /// A condition on what stands beside the candidate's row, if the values of `rows` do. It is
    /// NULL where the resource has no such value, or has several.
    fn beside(
        &self,
        rows: &[&RowMatch],
        types: &[ResourceType],
        candidate: &str,
        row: &str,
    ) -> Option<Sql> {
        let of = self.type_beside(rows.first()?)?;
        let mut condition = Sql::default();
        for own in rows {
            if self.type_beside(own) != Some(of) {
                return None;
            }
            condition.append(&arm::beside(own)?);
        }
        let mut sql = Sql::default();
        if self.is_access && candidate == "c" {
            // Lists of `access` are each of one type.
            if types == [of] {
                sql.push("(TRUE");
            } else {
                sql.push(&format!("({candidate}.type = ")).integer(of.index());
            }
            sql.append(&condition).push(")");
        } else {
            sql.push(&format!("EXISTS (SELECT 1 FROM access {row} WHERE {row}.type = "));
            sql.integer(of.index()).push(&format!(" AND {row}.rid = {candidate}.rid"));
            sql.append(&condition).push(")");
        }
        Some(sql)
    }

    fn among_arms(&self, sql: &mut Sql, arms: &[Arm], candidate: &str, row: &str) {
        for (place, arm) in arms.iter().enumerate() {
            sql.push(if place > 0 { " OR " } else { "" });
            sql.push(&self.is_among(candidate, row));
            sql.push(&format!(" FROM {} {row} WHERE ", arm.table));
            sql.append(&arm.condition).push(")");
        }
    }

    /// Over hashes without `dk`: the target may lie in any compartment.
    fn chain(&self, chain: &Chain, candidate: &str, depth: usize) -> Option<Sql> {
        let (row, target) = (format!("x{depth}"), format!("r{depth}"));
        let mut sql = Sql::default();
        sql.push(&self.is_among(candidate, &row));
        sql.push(&format!(" FROM reference {row} WHERE {row}.p"));
        within(&mut sql, self.dialect, &numbers(&chain.parameters));
        sql.push(&format!(" AND {row}.target IN (SELECT {target}.hash FROM resource {target}"));
        sql.push(&format!(" WHERE {target}.type = ")).integer(chain.target.index());
        sql.push(&format!(" AND {target}.body IS NOT NULL"));
        let types = [chain.target];
        sql.append(&self.all(&chain.all, &types, &target, Mode::Whole, depth + 1)?).push("))");
        Some(sql)
    }

    fn has(&self, has: &Has, candidate: &str, mode: Mode, depth: usize) -> Option<Sql> {
        let (row, own) = (format!("x{depth}"), format!("h{depth}"));
        let types = [has.source];
        let mut sql = Sql::default();
        match mode {
            Mode::Seek => {
                sql.push(&format!("EXISTS (SELECT 1 FROM reference {row} WHERE {row}.target = "));
                sql.push(&format!("(SELECT {own}.hash FROM resource {own} WHERE "));
                sql.push(&format!("{own}.rid = {candidate}.rid{})", self.on_dk(&own, candidate)));
                sql.push(&format!(" AND {row}.p"));
                within(&mut sql, self.dialect, &numbers(&has.parameters));
            }
            Mode::Whole => {
                sql.push(&self.is_among(candidate, &own));
                sql.push(&format!(" FROM resource {own} WHERE {own}.hash IN (SELECT {row}.target"));
                sql.push(&format!(" FROM reference {row} WHERE {row}.p"));
                within(&mut sql, self.dialect, &numbers(&has.parameters));
            }
        }
        sql.append(&self.all(&has.all, &types, &row, mode, depth + 1)?);
        sql.push(if mode == Mode::Seek { ")" } else { "))" });
        Some(sql)
    }
}

pub(crate) fn numbers(parameters: &[ParameterId]) -> Vec<i64> {
    parameters.iter().map(|p| i64::from(p.0)).collect()
}
