//! The order of a page: the join for each sort key, and what comes strictly after a position.

use fhir_search::{SortBy, SortKey};

use super::Select;
use crate::read::{Position, SortValue};
use crate::sql::{Bind, Dialect, Sql};

impl Select<'_> {
    pub(super) fn sort_join(&self, sql: &mut Sql, place: usize, key: &SortKey) {
        let (table, column, parameters) = match &key.by {
            SortBy::Id | SortBy::LastUpdated | SortBy::Token(_) | SortBy::Reference(_) => return,
            SortBy::Date(parameters) => ("date", "lo", parameters),
            SortBy::String(parameters) => ("string", "folded", parameters),
            SortBy::Number(parameters) => ("number", "v", parameters),
            SortBy::Uri(parameters) => ("uri", "text", parameters),
        };
        let mut numbers: Vec<i32> = parameters.iter().map(|p| p.0).collect();
        if matches!(key.by, SortBy::Date(_)) {
            numbers.extend(parameters.iter().map(|p| p.long()));
        }
        // PostgreSQL 15 has no min and max of bytea: the first of the ordered values serves both.
        let value = match (self.dialect, &key.by, key.descending) {
            (Dialect::Postgres, SortBy::Number(_), false) => "(array_agg(v ORDER BY v))[1]".into(),
            (Dialect::Postgres, SortBy::Number(_), true) => {
                "(array_agg(v ORDER BY v DESC))[1]".into()
            }
            (_, _, false) => format!("min({column})"),
            (_, _, true) => format!("max({column})"),
        };
        let group = match self.dialect {
            Dialect::Sqlite => "rid",
            Dialect::Postgres => "rid, dk",
        };
        sql.push(&format!(" LEFT JOIN (SELECT {group}, {value} AS v FROM {table} WHERE p IN ("));
        for (at, number) in numbers.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).integer(*number);
        }
        if numbers.is_empty() {
            sql.push("NULL");
        }
        // The words of a string are found by and not sorted by.
        let whole = if matches!(key.by, SortBy::String(_)) { " AND exact <> 0" } else { "" };
        sql.push(&format!("){whole} GROUP BY {group}) AS s{place} ON s{place}.rid = m.rid"));
        sql.push(&self.on_dk(&format!("s{place}"), "m"));
    }

    /// Strictly after `position` in the order of the sort keys and rows; absent values last.
    pub(super) fn keyset(&self, sql: &mut Sql, position: &Position) {
        sql.push("(");
        for (place, key) in self.query.sort.iter().enumerate() {
            let value = position.values.get(place).unwrap_or(&SortValue::Absent);
            let name = value_of(place, key);
            let Some(bind) = bind_of(value) else {
                // Nothing stands after an absent value but a tie.
                sql.push(&format!("({name} IS NULL AND ("));
                continue;
            };
            let side = if key.descending { "<" } else { ">" };
            sql.push(&format!("({name} {side} ")).bind(bind.clone());
            sql.push(&format!(" OR {name} IS NULL OR ({name} = ")).bind(bind).push(" AND (");
        }
        match self.dialect {
            Dialect::Sqlite => sql.push("m.rid > ").integer(position.row.rid),
            Dialect::Postgres => {
                sql.push("(m.rid, m.dk) > (").integer(position.row.rid).push(", ");
                sql.integer(position.row.dk).push(")")
            }
        };
        for place in 0..self.query.sort.len() {
            let value = position.values.get(place).unwrap_or(&SortValue::Absent);
            sql.push(if bind_of(value).is_some() { ")))" } else { "))" });
        }
        sql.push(")");
    }
}

fn bind_of(value: &SortValue) -> Option<Bind> {
    Some(match value {
        SortValue::Absent => return None,
        SortValue::Integer(number) => Bind::Integer(*number),
        SortValue::Text(text) => Bind::Text(text.clone()),
        SortValue::Bytes(bytes) => Bind::Bytes(bytes.clone()),
    })
}

pub(super) fn value_of(place: usize, key: &SortKey) -> String {
    match &key.by {
        SortBy::Id => "r.id".to_owned(),
        SortBy::LastUpdated => "r.updated".to_owned(),
        SortBy::Token(_) | SortBy::Reference(_) => "NULL".to_owned(),
        SortBy::Date(_) | SortBy::String(_) | SortBy::Number(_) | SortBy::Uri(_) => {
            format!("s{place}.v")
        }
    }
}

/// First letter of a sort column's name: what kind of value it holds.
pub(super) fn kind_of(by: &SortBy) -> &'static str {
    match by {
        SortBy::LastUpdated | SortBy::Date(_) => "i",
        SortBy::Id
        | SortBy::String(_)
        | SortBy::Uri(_)
        | SortBy::Token(_)
        | SortBy::Reference(_) => "t",
        SortBy::Number(_) => "b",
    }
}
