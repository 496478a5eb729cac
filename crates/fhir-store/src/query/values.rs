//! Statements that walk an index in the order of its values.

use fhir_definitions::ResourceType;
use fhir_search::{ParameterId, SortBy};

use super::arm::Arm;
use super::source::columns;
use crate::backend::row;
use crate::read::{RowKey, SortValue};
use crate::sql::{Bind, Dialect, Sql};

/// More units than this are not merged: the database sorts the parameter's numbers.
const MERGED: usize = 16;

/// The rows of one sort key.
#[derive(Clone, Debug)]
pub(crate) struct ValueWalk {
    pub(crate) arms: Vec<ValueArm>,
    column: &'static str,
    /// First letter of the value's column: what kind it is.
    kind: &'static str,
    is_descending: bool,
    /// Each arm is in the order of its values by itself.
    pub(crate) is_ordered: bool,
    /// The place of the leg that all rows satisfy, if there is one: its rows alone are walked, and
    /// as far as the conditions on their dates reach.
    pub(crate) of_leg: Option<usize>,
}

/// Rows of one table in the order of their values.
#[derive(Clone, Debug)]
pub(crate) struct ValueArm {
    table: &'static str,
    pub(crate) condition: Sql,
}

/// Where a walk goes on.
#[derive(Clone, Debug)]
pub(crate) struct From {
    pub(crate) value: SortValue,
    /// Strictly after this row among those with the value; none: from the value on.
    pub(crate) after: Option<RowKey>,
}

impl ValueWalk {
    /// The walk of a sort key; `None` for keys that no index is ordered by. Numbers have
    /// [`ValueWalk::of_numbers`].
    pub(crate) fn of(by: &SortBy, is_descending: bool, types: &[ResourceType]) -> Option<Self> {
        let edge = if is_descending { " AND edge >= 2" } else { " AND edge IN (1, 3)" };
        let marked = |table, numbers: Vec<i32>| -> Vec<ValueArm> {
            let arm = |p: i32| {
                let mut condition = Sql::new("p = ");
                condition.integer(p).push(edge);
                ValueArm { table, condition }
            };
            numbers.into_iter().map(arm).collect()
        };
        let numbers = |of: &[ParameterId]| of.iter().map(|p| p.0).collect::<Vec<_>>();
        let of_types = || {
            let arm = |of: &ResourceType| {
                let mut condition = Sql::new("type = ");
                condition.integer(of.index()).push(" AND body IS NOT NULL");
                ValueArm { table: "resource", condition }
            };
            types.iter().map(arm).collect::<Vec<_>>()
        };
        let (arms, column, kind, is_ordered) = match by {
            SortBy::Date(of) => {
                let both = of.iter().flat_map(|p| [p.0, p.long()]).collect();
                (marked("date", both), "lo", "i", true)
            }
            SortBy::String(of) => (marked("string", numbers(of)), "folded", "t", true),
            SortBy::Uri(of) => (marked("uri", numbers(of)), "text", "t", true),
            SortBy::LastUpdated => (of_types(), "updated", "i", true),
            SortBy::Id => (of_types(), "id", "t", false),
            SortBy::Number(_) | SortBy::Token(_) | SortBy::Reference(_) => return None,
        };
        Some(Self { arms, column, kind, is_descending, is_ordered, of_leg: None })
    }

    /// The walk of numbers: the index is ordered within a unit, the walk over all of them.
    pub(crate) fn of_numbers(units: &[(ParameterId, Vec<i64>)], is_descending: bool) -> Self {
        let edge = if is_descending { " AND edge >= 2" } else { " AND edge IN (1, 3)" };
        let mut arms = Vec::new();
        let mut is_ordered = true;
        for (p, own) in units {
            let mut start = Sql::new("p = ");
            start.integer(p.0);
            if own.len() > MERGED {
                is_ordered = false;
                start.push(edge);
                arms.push(ValueArm { table: "number", condition: start });
                continue;
            }
            for unit in own.iter().chain([&0]) {
                let mut condition = start.clone();
                condition.push(" AND unit = ").integer(*unit).push(edge);
                arms.push(ValueArm { table: "number", condition });
            }
        }
        Self { arms, column: "v", kind: "b", is_descending, is_ordered, of_leg: None }
    }

    /// The walk of the dates beside one code, which the leg at a place asks for.
    pub(crate) fn of_code(lists: Vec<Arm>, leg: usize, is_descending: bool) -> Self {
        let arm = |list: Arm| ValueArm { table: list.table, condition: list.condition };
        let arms = lists.into_iter().map(arm).collect();
        let of_leg = Some(leg);
        Self { arms, column: "lo", kind: "i", is_descending, is_ordered: true, of_leg }
    }

    /// A piece of the walk: rid, dk and the value of resources that satisfy `probes`, conditions
    /// on `c` with ` AND ` in front.
    pub(crate) fn piece(
        &self,
        dialect: Dialect,
        from: Option<&From>,
        probes: &Sql,
        limit: usize,
    ) -> Sql {
        let limit = row::limit_of(limit);
        let (side, direction) = if self.is_descending { ("<", " DESC") } else { (">", "") };
        let mut lists = Vec::new();
        for arm in &self.arms {
            let start = || {
                let mut sql = Sql::new("SELECT ");
                let (column, kind) = (self.column, self.kind);
                sql.push(&columns(dialect, "c"));
                sql.push(&format!(", c.{column} AS {kind}0 FROM {} c WHERE ", arm.table));
                sql.append(&arm.condition);
                sql
            };
            let end = |mut sql: Sql| {
                sql.append(probes);
                sql.push(&format!(" ORDER BY c.{}{direction}, c.rid", self.column));
                sql.push(if dialect == Dialect::Postgres { ", c.dk" } else { "" });
                sql.limit(limit);
                sql
            };
            let Some(from) = from else {
                lists.push(end(start()));
                continue;
            };
            let column = self.column;
            let value = bind_of(&from.value);
            let side = if from.after.is_none() { format!("{side}=") } else { side.to_owned() };
            let mut beyond = start();
            beyond.push(&format!(" AND c.{column} {side} ")).bind(value.clone());
            lists.push(end(beyond));
            if let Some(row) = from.after {
                let mut tie = start();
                tie.push(&format!(" AND c.{column} = ")).bind(value);
                match dialect {
                    Dialect::Sqlite => tie.push(" AND c.rid > ").integer(row.rid),
                    Dialect::Postgres => {
                        tie.push(" AND (c.rid, c.dk) > (").integer(row.rid).push(", ");
                        tie.integer(row.dk).push(")")
                    }
                };
                lists.push(end(tie));
            }
        }
        self.merged(dialect, &lists, limit)
    }

    fn merged(&self, dialect: Dialect, lists: &[Sql], limit: i64) -> Sql {
        if let [one] = lists {
            return one.clone();
        }
        let kind = self.kind;
        let mut sql = Sql::new(&format!("SELECT rid, dk, {kind}0 FROM ("));
        if lists.is_empty() {
            let nothing = "SELECT CAST(0 AS bigint) AS rid, CAST(0 AS bigint) AS dk, ";
            sql.push(nothing).push(&format!("CAST(0 AS bigint) AS {kind}0 WHERE 1 = 0"));
        }
        for (place, list) in lists.iter().enumerate() {
            sql.push(if place > 0 { " UNION ALL " } else { "" });
            sql.push("SELECT * FROM (").append(list).push(&format!(") AS a{place}"));
        }
        let direction = if self.is_descending { " DESC" } else { "" };
        sql.push(&format!(") AS w ORDER BY {kind}0{direction}, rid"));
        sql.push(if dialect == Dialect::Postgres { ", dk" } else { "" });
        sql.limit(limit);
        sql
    }
}

fn bind_of(value: &SortValue) -> Bind {
    match value {
        // No walk goes on from an absent value: nothing is less than this.
        SortValue::Absent => Bind::Integer(i64::MIN),
        SortValue::Integer(number) => Bind::Integer(*number),
        SortValue::Text(text) => Bind::Text(text.clone()),
        SortValue::Bytes(bytes) => Bind::Bytes(bytes.clone()),
    }
}
