//! Index rows into their tables and out again.

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Integer, SmallInt, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use fhir_search::{
    CodeDateRow, CompositeDateRow, CompositeNumberRow, CompositeStringRow, CompositeTokenRow,
    IndexRows, NumberRow, PlaceRow, ReferenceRow, StringRow, TokenRow, UriRow,
};

use crate::backend::edge::{Edged, numbers, strings, uris};
use crate::backend::interval::{Interval, intervals};

/// A row of an index table; the table's columns are its fields and `rid`.
trait IndexRow: Ord {
    /// Stands for the statements of this table.
    type Key: 'static;
    const INSERT: &'static str;
    const DELETE: &'static str;
    /// Pushes the fields and the row, with `between` in front of each.
    fn push<'b>(
        &'b self,
        rid: &'b i64,
        between: &[&str],
        out: &mut AstPass<'_, 'b, Sqlite>,
    ) -> QueryResult<()>;
}

macro_rules! index_row {
    ($row:ty as $key:ty, $table:literal, $($field:ident: $sql:ty),+) => {
        impl IndexRow for $row {
            type Key = $key;
            const INSERT: &'static str = concat!(
                "INSERT OR IGNORE INTO ", $table, " (", $(stringify!($field), ", ",)+ "rid) VALUES "
            );
            const DELETE: &'static str = concat!(
                "DELETE FROM ", $table, " WHERE ", $(stringify!($field), " = ? AND ",)+ "rid = ?"
            );
            fn push<'b>(
                &'b self,
                rid: &'b i64,
                between: &[&str],
                out: &mut AstPass<'_, 'b, Sqlite>,
            ) -> QueryResult<()> {
                let mut parts = between.iter();
                $(
                    out.push_sql(parts.next().copied().unwrap_or(", "));
                    out.push_bind_param::<$sql, _>(&self.$field)?;
                )+
                out.push_sql(parts.next().copied().unwrap_or(", "));
                out.push_bind_param::<BigInt, _>(rid)
            }
        }
    };
    ($row:ty, $table:literal, $($field:ident: $sql:ty),+) => {
        index_row!($row as Self, $table, $($field: $sql),+);
    };
}

index_row!(TokenRow, "token", p: Integer, code: BigInt, sys: BigInt);
index_row!(ReferenceRow, "reference", p: Integer, target: BigInt);
index_row!(Interval, "date", p: Integer, lo: BigInt, hi: BigInt, edge: SmallInt);
index_row!(Edged<'_, NumberRow> as Edged<'static, NumberRow>, "number",
    p: Integer, unit: BigInt, v: Binary, edge: SmallInt);
index_row!(Edged<'_, StringRow> as Edged<'static, StringRow>, "string",
    p: Integer, folded: Text, exact: Integer, edge: SmallInt);
index_row!(Edged<'_, UriRow> as Edged<'static, UriRow>, "uri",
    p: Integer, text: Text, edge: SmallInt);
index_row!(PlaceRow, "place", p: Integer, x: BigInt, y: BigInt, z: BigInt);
index_row!(CompositeTokenRow, "composite_token",
    p: Integer, code: BigInt, sys: BigInt, code2: BigInt, sys2: BigInt);
index_row!(CompositeNumberRow, "composite_number",
    p: Integer, code: BigInt, sys: BigInt, unit: BigInt, v: Binary, v2: Binary);
index_row!(CompositeDateRow, "composite_date",
    p: Integer, code: BigInt, sys: BigInt, lo: BigInt, hi: BigInt);
index_row!(CompositeStringRow, "composite_string",
    p: Integer, code: BigInt, sys: BigInt, folded: Text);
index_row!(CodeDateRow, "code_date", p: Integer, code: BigInt, lo: BigInt);

/// `N` rows with one statement.
struct Insert<'a, T, const N: usize> {
    rows: &'a [T; N],
    rid: i64,
}

impl<T: IndexRow, const N: usize> QueryId for Insert<'_, T, N> {
    type QueryId = Insert<'static, T::Key, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T, const N: usize> RunQueryDsl<SqliteConnection> for Insert<'_, T, N> {}

impl<T: IndexRow, const N: usize> QueryFragment<Sqlite> for Insert<'_, T, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(T::INSERT);
        for (place, row) in self.rows.iter().enumerate() {
            let first = if place == 0 { "(" } else { ", (" };
            row.push(&self.rid, &[first], &mut out)?;
            out.push_sql(")");
        }
        Ok(())
    }
}

/// One row by its whole key.
struct Delete<'a, T> {
    row: &'a T,
    rid: i64,
}

impl<T: IndexRow> QueryId for Delete<'_, T> {
    type QueryId = Delete<'static, T::Key>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<T> RunQueryDsl<SqliteConnection> for Delete<'_, T> {}

impl<T: IndexRow> QueryFragment<Sqlite> for Delete<'_, T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let parts: [&str; 8] = {
            let mut split = T::DELETE.split('?');
            std::array::from_fn(|_| split.next().unwrap_or_default())
        };
        self.row.push(&self.rid, &parts, &mut out)
    }
}

/// Brings the index tables from `old` to `new` for one resource; only the difference is written.
pub(crate) fn replace(
    connection: &mut SqliteConnection,
    rid: i64,
    old: Option<&IndexRows>,
    new: Option<&IndexRows>,
) -> QueryResult<()> {
    let empty = IndexRows::default();
    let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    table(connection, rid, &old.token, &new.token)?;
    table(connection, rid, &old.reference, &new.reference)?;
    table(connection, rid, &intervals(&old.date), &intervals(&new.date))?;
    table(connection, rid, &numbers(&old.number), &numbers(&new.number))?;
    table(connection, rid, &strings(&old.string), &strings(&new.string))?;
    table(connection, rid, &uris(&old.uri), &uris(&new.uri))?;
    table(connection, rid, &old.place, &new.place)?;
    table(connection, rid, &old.composite_token, &new.composite_token)?;
    table(connection, rid, &old.composite_number, &new.composite_number)?;
    table(connection, rid, &old.composite_date, &new.composite_date)?;
    table(connection, rid, &old.composite_string, &new.composite_string)?;
    table(connection, rid, &old.code_date, &new.code_date)
}

/// Both lists are in order and without doubles.
fn table<T: IndexRow + Clone>(
    connection: &mut SqliteConnection,
    rid: i64,
    old: &[T],
    new: &[T],
) -> QueryResult<()> {
    if old.is_empty() {
        return insert(connection, rid, new);
    }
    for row in old.iter().filter(|row| new.binary_search(row).is_err()) {
        Delete { row, rid }.execute(connection)?;
    }
    let added: Vec<T> = new.iter().filter(|row| old.binary_search(row).is_err()).cloned().collect();
    insert(connection, rid, &added)
}

fn insert<T: IndexRow>(connection: &mut SqliteConnection, rid: i64, rows: &[T]) -> QueryResult<()> {
    let (eights, rest) = rows.as_chunks::<8>();
    for rows in eights {
        Insert { rows, rid }.execute(connection)?;
    }
    let (twos, rest) = rest.as_chunks::<2>();
    for rows in twos {
        Insert { rows, rid }.execute(connection)?;
    }
    let (ones, _) = rest.as_chunks::<1>();
    for rows in ones {
        Insert { rows, rid }.execute(connection)?;
    }
    Ok(())
}
