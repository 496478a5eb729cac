//! Columns to values and back, the same for both databases.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, QueryableByName};
use diesel::row::{Field, NamedRow, Row};
use diesel::sql_types::{BigInt, Binary, Text};
use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use fhir_search::ParameterId;

use crate::error::StoreError;
use crate::read::{HistoryWindow, Hit, Matched, Method, Position, RowKey, SortValue};
use crate::sql::{Dialect, Sql};

pub(crate) fn number_of(resource_type: ResourceType) -> i32 {
    i32::from(resource_type.index())
}

pub(crate) fn type_of(number: i32) -> Result<ResourceType, StoreError> {
    u16::try_from(number)
        .ok()
        .and_then(ResourceType::from_index)
        .ok_or_else(|| StoreError::Damaged(format!("{number} is no resource type")))
}

pub(crate) fn key_of(number: i32, id: &str) -> Result<ResourceKey, StoreError> {
    let id = id.parse().map_err(|_invalid| StoreError::Damaged("an id is not legal".into()))?;
    Ok(ResourceKey::new(type_of(number)?, id))
}

pub(crate) fn number_of_method(method: Method) -> i32 {
    match method {
        Method::Post => 0,
        Method::Put => 1,
        Method::Delete => 2,
        Method::PutAfterDelete => 3,
    }
}

pub(crate) fn method_of(number: i32) -> Result<Method, StoreError> {
    match number {
        0 => Ok(Method::Post),
        1 => Ok(Method::Put),
        2 => Ok(Method::Delete),
        3 => Ok(Method::PutAfterDelete),
        _ => Err(StoreError::Damaged(format!("{number} is no method"))),
    }
}

pub(crate) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// First instant and first instant after a window.
pub(crate) fn bounds_of(window: HistoryWindow) -> (i64, i64) {
    (
        window.since.map_or(i64::MIN, |since| since.0),
        window.before.map_or(i64::MAX, |before| before.0),
    )
}

/// How a version that came as `method` is kept, when it has brought something back or not.
pub(crate) fn kept_method(method: Method, is_back: bool) -> Method {
    match (method, is_back) {
        (Method::Put, true) => Method::PutAfterDelete,
        (method, _) => method,
    }
}

/// Rows that refer to targets.
pub(crate) fn referring(
    dialect: Dialect,
    parameters: &[ParameterId],
    targets: &[i64],
    after: Option<RowKey>,
    limit: usize,
) -> Sql {
    let mut sql = Sql::new(match dialect {
        Dialect::Sqlite => "SELECT DISTINCT rid, 0 FROM reference WHERE p IN (",
        Dialect::Postgres => "SELECT DISTINCT rid, dk FROM reference WHERE p IN (",
    });
    list(&mut sql, parameters.iter().map(|p| i64::from(p.0)));
    sql.push(") AND target IN (");
    list(&mut sql, targets.iter().copied());
    sql.push(")");
    if let Some(after) = after {
        match dialect {
            Dialect::Sqlite => sql.push(" AND rid > ").integer(after.rid),
            Dialect::Postgres => {
                sql.push(" AND (rid, dk) > (").integer(after.rid).push(", ");
                sql.integer(after.dk).push(")")
            }
        };
    }
    sql.push(match dialect {
        Dialect::Sqlite => " ORDER BY rid",
        Dialect::Postgres => " ORDER BY rid, dk",
    });
    sql.limit(limit_of(limit));
    sql
}

/// The UCUM units of a parameter.
pub(crate) fn units(p: ParameterId) -> Sql {
    let mut sql = Sql::new("SELECT unit, ucum FROM unit WHERE p = ");
    sql.integer(p.0).push(" AND ucum <> '' ORDER BY unit");
    sql
}

fn list(sql: &mut Sql, values: impl Iterator<Item = i64>) {
    let mut is_empty = true;
    for value in values {
        sql.push(if is_empty { "" } else { ", " }).integer(value);
        is_empty = false;
    }
    sql.push(if is_empty { "NULL" } else { "" });
}

/// `rid, dk` and sort values; the first letter of a column's name says what it holds.
pub(crate) struct HitRow(pub(crate) Hit);

impl<DB> QueryableByName<DB> for HitRow
where
    DB: Backend,
    i64: FromSql<BigInt, DB>,
    String: FromSql<Text, DB>,
    Vec<u8>: FromSql<Binary, DB>,
{
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        let rid: i64 = NamedRow::get::<BigInt, _>(row, "rid")?;
        let dk: i64 = NamedRow::get::<diesel::sql_types::Nullable<BigInt>, Option<i64>>(row, "dk")?
            .unwrap_or(0);
        let mut values = Vec::new();
        for place in 2..row.field_count() {
            let field = Row::get(row, place).ok_or("a sort column is missing")?;
            let Some(value) = field.value() else {
                values.push(SortValue::Absent);
                continue;
            };
            values.push(match field.field_name().and_then(|name| name.chars().next()) {
                Some('i') => SortValue::Integer(FromSql::<BigInt, DB>::from_sql(value)?),
                Some('t') => SortValue::Text(FromSql::<Text, DB>::from_sql(value)?),
                Some('b') => SortValue::Bytes(FromSql::<Binary, DB>::from_sql(value)?),
                _ => return Err("a sort column has an unknown kind".into()),
            });
        }
        let row = RowKey { rid, dk };
        Ok(Self(Hit { row, position: Position { values, row }, matched: Matched::default() }))
    }
}

/// Labels as they stand in `access`: 8 bytes each, or nothing.
pub(crate) fn labels_of(labels: &[i64]) -> Option<Vec<u8>> {
    (!labels.is_empty()).then(|| labels.iter().flat_map(|label| label.to_be_bytes()).collect())
}
