//! Index rows into their tables and out again: one statement a table, rows as arrays of columns.

use diesel::{PgConnection, QueryResult, RunQueryDsl};
use fhir_search::{
    CodeDateRow, CompositeDateRow, CompositeNumberRow, CompositeStringRow, CompositeTokenRow,
    IndexRows, NumberRow, PlaceRow, ReferenceRow, StringRow, TokenRow, UriRow,
};

use crate::backend::edge::{Edged, numbers, strings, uris};
use crate::backend::interval::{Interval, intervals};
use crate::read::RowKey;
use crate::sql::{Bind, Sql};

/// A row of an index table; the table's columns are its fields, `dk` and `rid`.
trait IndexRow: Ord + Clone {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
    fn columns(rows: &[Self]) -> Vec<Bind>;
}

macro_rules! index_row {
    ($row:ty, $table:literal, $($field:ident: $bind:ident),+) => {
        impl IndexRow for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];
            fn columns(rows: &[Self]) -> Vec<Bind> {
                vec![$(Bind::$bind(rows.iter().map(|row| row.$field.clone()).collect())),+]
            }
        }
    };
}

index_row!(TokenRow, "token", p: Numbers, code: Integers, sys: Integers);
index_row!(ReferenceRow, "reference", p: Numbers, target: Integers);
index_row!(Interval, "date", p: Numbers, lo: Integers, hi: Integers, edge: Smalls);
index_row!(Edged<'_, NumberRow>, "number",
    p: Numbers, unit: Integers, v: Blobs, edge: Smalls);
index_row!(Edged<'_, StringRow>, "string",
    p: Numbers, folded: Texts, exact: Numbers, edge: Smalls);
index_row!(Edged<'_, UriRow>, "uri", p: Numbers, text: Texts, edge: Smalls);
index_row!(PlaceRow, "place", p: Numbers, x: Integers, y: Integers, z: Integers);
index_row!(CompositeTokenRow, "composite_token",
    p: Numbers, code: Integers, sys: Integers, code2: Integers, sys2: Integers);
index_row!(CompositeNumberRow, "composite_number",
    p: Numbers, code: Integers, sys: Integers, unit: Integers, v: Blobs, v2: Blobs);
index_row!(CompositeDateRow, "composite_date",
    p: Numbers, code: Integers, sys: Integers, lo: Integers, hi: Integers);
index_row!(CompositeStringRow, "composite_string",
    p: Numbers, code: Integers, sys: Integers, folded: Texts);
index_row!(CodeDateRow, "code_date", p: Numbers, code: Integers, lo: Integers);

/// Brings the index tables from `old` to `new` for one resource; only the difference is written.
pub(crate) fn replace(
    connection: &mut PgConnection,
    row: RowKey,
    old: Option<&IndexRows>,
    new: Option<&IndexRows>,
) -> QueryResult<()> {
    let empty = IndexRows::default();
    let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    table(connection, row, &old.token, &new.token)?;
    table(connection, row, &old.reference, &new.reference)?;
    table(connection, row, &intervals(&old.date), &intervals(&new.date))?;
    table(connection, row, &numbers(&old.number), &numbers(&new.number))?;
    table(connection, row, &strings(&old.string), &strings(&new.string))?;
    table(connection, row, &uris(&old.uri), &uris(&new.uri))?;
    table(connection, row, &old.place, &new.place)?;
    table(connection, row, &old.composite_token, &new.composite_token)?;
    table(connection, row, &old.composite_number, &new.composite_number)?;
    table(connection, row, &old.composite_date, &new.composite_date)?;
    table(connection, row, &old.composite_string, &new.composite_string)?;
    table(connection, row, &old.code_date, &new.code_date)
}

/// Both lists are in order and without doubles.
fn table<T: IndexRow>(
    connection: &mut PgConnection,
    row: RowKey,
    old: &[T],
    new: &[T],
) -> QueryResult<()> {
    let lost: Vec<T> = old.iter().filter(|one| new.binary_search(one).is_err()).cloned().collect();
    let won: Vec<T> = new.iter().filter(|one| old.binary_search(one).is_err()).cloned().collect();
    if !lost.is_empty() {
        let mut sql = Sql::new("DELETE FROM ");
        sql.push(T::TABLE).push(" t USING unnest(");
        list(&mut sql, T::columns(&lost));
        sql.push(&format!(") AS x({}) WHERE t.dk = ", T::COLUMNS.join(", ")));
        sql.integer(row.dk).push(" AND t.rid = ").integer(row.rid);
        for column in T::COLUMNS {
            sql.push(&format!(" AND t.{column} = x.{column}"));
        }
        sql.typed::<()>().execute(connection)?;
    }
    if !won.is_empty() {
        let columns = T::COLUMNS.join(", ");
        let mut sql = Sql::new("INSERT INTO ");
        sql.push(T::TABLE).push(&format!(" (dk, rid, {columns}) SELECT "));
        sql.integer(row.dk).push(", ").integer(row.rid).push(", x.* FROM unnest(");
        list(&mut sql, T::columns(&won));
        sql.push(&format!(") AS x({columns}) ON CONFLICT DO NOTHING"));
        sql.typed::<()>().execute(connection)?;
    }
    Ok(())
}

fn list(sql: &mut Sql, binds: Vec<Bind>) {
    for (place, bind) in binds.into_iter().enumerate() {
        sql.push(if place > 0 { ", " } else { "" }).bind(bind);
    }
}
