//! What stands in the tables, read over a connection of the tests' own.

use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use fhir_store::DatabaseUrl;

use crate::world::World;

/// A connection beside the store's.
pub(crate) enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Beside {
    pub(crate) fn of(world: &World) -> Self {
        match &world.url {
            DatabaseUrl::Sqlite(path) => {
                Self::Sqlite(SqliteConnection::establish(path.to_str().unwrap()).unwrap())
            }
            DatabaseUrl::Postgres(url) => Self::Postgres(PgConnection::establish(url).unwrap()),
        }
    }

    /// The number that a statement gives.
    pub(crate) fn number(&mut self, text: &str) -> i64 {
        let text = sql::<BigInt>(text);
        match self {
            Self::Sqlite(connection) => text.get_result(connection).unwrap(),
            Self::Postgres(connection) => text.get_result(connection).unwrap(),
        }
    }
}
