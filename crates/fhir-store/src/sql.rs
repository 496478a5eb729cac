//! SQL as Diesel sees it: statements with a static text, and texts that are put together.
//!
//! [`statement!`] makes a type whose text never changes, prepared once for each connection and
//! found by its type. [`Sql`] is a text that depends on the shape of a query; values are always
//! binds, so that equal shapes share one prepared statement.

use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

/// Which database a text is for. Every difference between the two is asked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A value of a put-together text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bind {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Columns of rows, on PostgreSQL only.
    Smalls(Vec<i16>),
    Numbers(Vec<i32>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
    Blobs(Vec<Vec<u8>>),
    /// Absent bytes, on PostgreSQL only.
    NoBytes,
}

/// Statements with more binds than this are not kept: their shapes are too many.
const MAX_CACHED_BINDS: usize = 64;

/// A text with its binds in order; `?` stands for a bind and for nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    text: String,
    binds: Vec<Bind>,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), binds: Vec::new() }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn bind(&mut self, value: Bind) -> &mut Self {
        self.text.push('?');
        self.binds.push(value);
        self
    }

    pub(crate) fn integer(&mut self, value: impl Into<i64>) -> &mut Self {
        self.bind(Bind::Integer(value.into()))
    }

    /// ` LIMIT` so many rows.
    pub(crate) fn limit(&mut self, rows: i64) -> &mut Self {
        // SQLite looks what a parameter alone is bound to when it plans, and then plans again for
        // each execution: https://www.sqlite.org/c3ref/bind_blob.html and `sqlite3_prepare_v2`.
        self.push(" LIMIT ").integer(rows).push(" + 0")
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A number for the text with its values, the same as long as the program runs.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("{:?}", self.binds).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.binds.extend(other.binds.iter().cloned());
        self
    }

    /// ` IN` a list of any length, with one bind.
    pub(crate) fn in_list(&mut self, dialect: Dialect, values: Vec<i64>) -> &mut Self {
        match dialect {
            Dialect::Sqlite => {
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                self.push(" IN (SELECT value FROM json_each(");
                self.bind(Bind::Text(format!("[{}]", values.join(",")))).push("))")
            }
            Dialect::Postgres => self.push(" = ANY(").bind(Bind::Integers(values)).push(")"),
        }
    }

    /// ` IN` a list of pairs of any length, for a row value of two columns.
    pub(crate) fn in_pairs(&mut self, dialect: Dialect, pairs: &[(i64, i64)]) -> &mut Self {
        match dialect {
            Dialect::Sqlite => {
                let pair = |(one, other): &(i64, i64)| format!("[{one},{other}]");
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                self.push(" IN (SELECT value ->> 0, value ->> 1 FROM json_each(");
                self.bind(Bind::Text(format!("[{}]", pairs.join(",")))).push("))")
            }
            Dialect::Postgres => {
                let (ones, others) = pairs.iter().copied().unzip();
                self.push(" IN (SELECT * FROM unnest(").bind(Bind::Integers(ones)).push(", ");
                self.bind(Bind::Integers(others)).push("))")
            }
        }
    }

    /// The statement with the SQL types of its columns.
    pub(crate) fn typed<S>(&self) -> Typed<'_, S> {
        Typed { sql: self, columns: PhantomData }
    }
}

/// A text whose columns have the SQL types `S`.
pub(crate) struct Typed<'a, S> {
    sql: &'a Sql,
    columns: PhantomData<S>,
}

impl<S> QueryId for Typed<'_, S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S> Query for Typed<'_, S> {
    type SqlType = S;
}

impl<S, C> diesel::RunQueryDsl<C> for Typed<'_, S> {}

impl<S> QueryFragment<Sqlite> for Typed<'_, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if self.sql.binds.len() > MAX_CACHED_BINDS {
            out.unsafe_to_cache_prepared();
        }
        let mut parts = self.sql.text.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (bind, part) in self.sql.binds.iter().zip(parts) {
            match bind {
                Bind::Integer(value) => out.push_bind_param::<BigInt, _>(value)?,
                Bind::Text(value) => out.push_bind_param::<Text, _>(value)?,
                Bind::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                Bind::Smalls(_)
                | Bind::Numbers(_)
                | Bind::Integers(_)
                | Bind::Texts(_)
                | Bind::Blobs(_)
                | Bind::NoBytes => return Err(no_arrays()),
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

impl<S> QueryFragment<Pg> for Typed<'_, S> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.sql.binds.len() > MAX_CACHED_BINDS {
            out.unsafe_to_cache_prepared();
        }
        let mut parts = self.sql.text.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (bind, part) in self.sql.binds.iter().zip(parts) {
            match bind {
                Bind::Integer(value) => out.push_bind_param::<BigInt, _>(value)?,
                Bind::Text(value) => out.push_bind_param::<Text, _>(value)?,
                Bind::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                Bind::Smalls(value) => out.push_bind_param::<Array<SmallInt>, _>(value)?,
                Bind::Numbers(value) => out.push_bind_param::<Array<Integer>, _>(value)?,
                Bind::Integers(value) => out.push_bind_param::<Array<BigInt>, _>(value)?,
                Bind::Texts(value) => out.push_bind_param::<Array<Text>, _>(value)?,
                Bind::Blobs(value) => out.push_bind_param::<Array<Binary>, _>(value)?,
                Bind::NoBytes => out.push_bind_param::<Nullable<Binary>, _>(&None::<Vec<u8>>)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

fn no_arrays() -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError("SQLite has no arrays".into())
}

/// Declares a statement with a fixed text, for the database named in front.
///
/// `?` in the text stands for the fields, in their order.
macro_rules! statement {
    ([$backend:ty] $name:ident { $($field:ident: $sql:ty = $rust:ty),* $(,)? } -> $columns:ty, $text:expr) => {
        pub(crate) struct $name<'a> {
            $($field: $rust,)*
            lifetime: std::marker::PhantomData<&'a ()>,
        }
        impl<'a> $name<'a> {
            #[allow(clippy::too_many_arguments, reason = "one for each bind")]
            pub(crate) fn new($($field: $rust),*) -> Self {
                Self { $($field,)* lifetime: std::marker::PhantomData }
            }
        }
        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }
        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $columns;
        }
        impl<C> diesel::RunQueryDsl<C> for $name<'_> {}
        impl diesel::query_builder::QueryFragment<$backend> for $name<'_> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, $backend>,
            ) -> diesel::result::QueryResult<()> {
                let mut parts = str::split($text, '?');
                out.push_sql(parts.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$sql, _>(&self.$field)?;
                    out.push_sql(parts.next().unwrap_or_default());
                )*
                Ok(())
            }
        }
    };
}
pub(crate) use statement;
