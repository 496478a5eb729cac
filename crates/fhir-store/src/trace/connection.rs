//! What the trace asks of a connection, the same for both databases.

use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use diesel::{PgConnection, QueryResult, RunQueryDsl};

use super::strand::Link;
use crate::sql::{Bind, Dialect, Sql, statement};

/// `at, strand, seq, actor, body, hash`
pub(crate) type TraceTuple = (i64, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>);
/// `at, strand, seq, hash, made, heads, signature`
pub(crate) type SealTuple = (i64, i64, i64, Vec<u8>, i64, Vec<u8>, Vec<u8>);
/// `opening, at, key, signature`
pub(crate) type OpeningTuple = (i64, i64, Vec<u8>, Vec<u8>);
/// `strand, at, seq, hash, signature`
pub(crate) type CutTuple = (i64, i64, i64, Vec<u8>, Vec<u8>);

/// A connection with a transaction open.
pub(crate) trait TraceConnection {
    /// Which database it is.
    const DIALECT: Dialect;

    fn run(&mut self, sql: &Sql) -> QueryResult<usize>;
    fn rows(&mut self, sql: &Sql) -> QueryResult<Vec<TraceTuple>>;
    fn seals(&mut self, sql: &Sql) -> QueryResult<Vec<SealTuple>>;
    fn openings(&mut self, sql: &Sql) -> QueryResult<Vec<OpeningTuple>>;
    fn cuts(&mut self, sql: &Sql) -> QueryResult<Vec<CutTuple>>;
    fn triples(&mut self, sql: &Sql) -> QueryResult<Vec<(i64, i64, i64)>>;
    fn blobs(&mut self, sql: &Sql) -> QueryResult<Vec<Vec<u8>>>;

    /// Adds rows with their keys, and the actors of some of them, each once.
    fn add(&mut self, links: &[&Link], actors: &[&Link]) -> QueryResult<()>;
}

macro_rules! loads {
    () => {
        fn run(&mut self, sql: &Sql) -> QueryResult<usize> {
            sql.typed::<()>().execute(self)
        }

        fn rows(&mut self, sql: &Sql) -> QueryResult<Vec<TraceTuple>> {
            sql.typed::<(BigInt, BigInt, BigInt, Binary, Binary, Binary)>().load(self)
        }

        fn seals(&mut self, sql: &Sql) -> QueryResult<Vec<SealTuple>> {
            sql.typed::<(BigInt, BigInt, BigInt, Binary, BigInt, Binary, Binary)>().load(self)
        }

        fn openings(&mut self, sql: &Sql) -> QueryResult<Vec<OpeningTuple>> {
            sql.typed::<(BigInt, BigInt, Binary, Binary)>().load(self)
        }

        fn cuts(&mut self, sql: &Sql) -> QueryResult<Vec<CutTuple>> {
            sql.typed::<(BigInt, BigInt, BigInt, Binary, Binary)>().load(self)
        }

        fn triples(&mut self, sql: &Sql) -> QueryResult<Vec<(i64, i64, i64)>> {
            sql.typed::<(BigInt, BigInt, BigInt)>().load(self)
        }

        fn blobs(&mut self, sql: &Sql) -> QueryResult<Vec<Vec<u8>>> {
            sql.typed::<Binary>().load(self)
        }
    };
}

statement!([diesel::sqlite::Sqlite] InsertActor {
        month: BigInt = i64, digest: Binary = &'a [u8], body: Binary = &'a [u8],
    } -> (), "INSERT OR IGNORE INTO trace_actor (month, digest, body) VALUES (?, ?, ?)");
statement!([diesel::sqlite::Sqlite] InsertTrace {
        at: BigInt = i64, strand: BigInt = i64, seq: BigInt = i64, actor: Binary = &'a [u8],
        body: Binary = &'a [u8], hash: Binary = &'a [u8],
    } -> (),
    "INSERT INTO trace (at, strand, seq, actor, body, hash) VALUES (?, ?, ?, ?, ?, ?)");
statement!([diesel::sqlite::Sqlite] InsertKey {
        key: BigInt = i64, at: BigInt = i64, strand: BigInt = i64,
    } -> (), "INSERT OR IGNORE INTO trace_key (key, at, strand) VALUES (?, ?, ?)");

impl TraceConnection for SqliteConnection {
    const DIALECT: Dialect = Dialect::Sqlite;

    loads!();

    fn add(&mut self, links: &[&Link], actors: &[&Link]) -> QueryResult<()> {
        for link in actors {
            InsertActor::new(link.month(), &link.actor, &link.actor_body).execute(self)?;
        }
        for link in links {
            InsertTrace::new(link.at, link.strand, link.seq, &link.actor, &link.body, &link.hash)
                .execute(self)?;
        }
        // In the order of the table, so that each of its pages is looked for once.
        let places =
            links.iter().flat_map(|link| link.keys.iter().map(|key| (*key, link.at, link.strand)));
        let mut places: Vec<(i64, i64, i64)> = places.collect();
        places.sort_unstable();
        for (key, at, strand) in places {
            InsertKey::new(key, at, strand).execute(self)?;
        }
        Ok(())
    }
}

impl TraceConnection for PgConnection {
    const DIALECT: Dialect = Dialect::Postgres;

    loads!();

    fn add(&mut self, links: &[&Link], actors: &[&Link]) -> QueryResult<()> {
        if !actors.is_empty() {
            let mut sql = Sql::new(
                "INSERT INTO trace_actor (month, digest, body) SELECT DISTINCT * FROM unnest(",
            );
            let blobs = |of: fn(&&Link) -> Vec<u8>| Bind::Blobs(actors.iter().map(of).collect());
            sql.bind(Bind::Integers(actors.iter().map(|link| link.month()).collect()));
            sql.push(", ").bind(blobs(|link| link.actor.to_vec()));
            sql.push(", ").bind(blobs(|link| link.actor_body.to_vec()));
            sql.push(") AS x(month, digest, body) ORDER BY 1, 2 ON CONFLICT DO NOTHING");
            TraceConnection::run(self, &sql)?;
        }
        let integers = |of: fn(&&Link) -> i64| Bind::Integers(links.iter().map(of).collect());
        let blobs = |of: fn(&&Link) -> Vec<u8>| Bind::Blobs(links.iter().map(of).collect());
        let mut sql = Sql::new(
            "INSERT INTO trace (at, strand, seq, actor, body, hash) SELECT * FROM unnest(",
        );
        sql.bind(integers(|link| link.at)).push(", ").bind(integers(|link| link.strand));
        sql.push(", ").bind(integers(|link| link.seq));
        sql.push(", ").bind(blobs(|link| link.actor.to_vec()));
        sql.push(", ").bind(blobs(|link| link.body.clone()));
        sql.push(", ").bind(blobs(|link| link.hash.to_vec())).push(")");
        TraceConnection::run(self, &sql)?;
        let keys = links
            .iter()
            .flat_map(|link| link.keys.iter().map(|key| (*key, (link.at, link.strand))));
        let (keys, places): (Vec<i64>, Vec<(i64, i64)>) = keys.unzip();
        if keys.is_empty() {
            return Ok(());
        }
        let (ats, strands) = places.into_iter().unzip();
        let mut sql = Sql::new("INSERT INTO trace_key (key, at, strand) SELECT * FROM unnest(");
        sql.bind(Bind::Integers(keys)).push(", ").bind(Bind::Integers(ats)).push(", ");
        sql.bind(Bind::Integers(strands)).push(") ON CONFLICT DO NOTHING");
        TraceConnection::run(self, &sql).map(|_| ())
    }
}
