//! Opening: migrations, settings, parameters, dictionaries.

use diesel::pg::Pg;
use diesel::result::OptionalExtension;
use diesel::sql_types::{Binary, Bool, Integer};
use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use fhir_search::{FullText, Registry};

use crate::backend::migrate::migrate;
use crate::backend::parameters::{self, ParameterColumns, ParameterRow, ParameterTuple};
use crate::backend::presence;
use crate::codec::{self, Codec};
use crate::core::{Core, FULL_TEXT, IDENTITY, Identity, PARAMETERS, ZONE};
use crate::error::StoreError;
use crate::full_text::Kept;
use crate::settings::StoreSettings;
use crate::sql::{Bind, Sql};

pub(crate) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

pub(crate) fn open(url: &str, settings: &StoreSettings) -> Result<Core, StoreError> {
    let mut connection =
        PgConnection::establish(url).map_err(|error| StoreError::Open(error.into()))?;
    migrate::<Pg, _>(&mut connection, &MIGRATIONS)?;
    connection.transaction(|connection| {
        let drawn = Identity::draw().to_bytes();
        let mut identity = Identity::from_bytes(&keep(connection, IDENTITY, &drawn)?)
            .ok_or_else(|| StoreError::Damaged("the identity of the database".into()))?;
        if is_from_another_cluster(connection)? {
            settle_in(connection, &mut identity)?;
        }
        let configured = settings.zone.name();
        let zone = keep(connection, ZONE, configured.as_bytes())?;
        if zone != configured.as_bytes() {
            return Err(StoreError::OtherZone {
                stored: String::from_utf8_lossy(&zone).into_owned(),
                configured: configured.to_owned(),
            });
        }
        let full_text = full_text(connection, settings.full_text)?;
        let codec = Codec::new(&dictionaries(connection)?);
        let registry = registry(connection)?.with_full_text(full_text);
        Ok(Core::new(registry, &identity, codec, settings))
    })
}

/// Whether there is full text from now on.
fn full_text(connection: &mut PgConnection, is_wanted: bool) -> Result<FullText, StoreError> {
    let fresh = Kept::opened(None, is_wanted).to_bytes();
    let stored = Kept::from_bytes(&keep(connection, FULL_TEXT, &fresh)?)
        .ok_or_else(|| StoreError::Damaged("the state of the full text".into()))?;
    let kept = Kept::opened(Some(stored), is_wanted);
    if kept != stored {
        kept.put().typed::<()>().execute(connection)?;
        Sql::new("TRUNCATE words").typed::<()>().execute(connection)?;
    }
    Ok(kept.state())
}

/// The setting as it stands, or `value` where there was none. The row stays locked until the
/// transaction ends, so that servers which start together agree.
fn keep(connection: &mut PgConnection, name: &str, value: &[u8]) -> QueryResult<Vec<u8>> {
    let mut sql = Sql::new("INSERT INTO setting (name, value) VALUES (");
    sql.bind(Bind::Text(name.to_owned())).push(", ").bind(Bind::Bytes(value.to_vec()));
    sql.push(") ON CONFLICT (name) DO UPDATE SET value = setting.value RETURNING value");
    sql.typed::<Binary>().get_result(connection)
}

/// Whether the changes have transactions that this cluster has not given out yet: then they were
/// restored from a dump.
fn is_from_another_cluster(connection: &mut PgConnection) -> QueryResult<bool> {
    let sql = "SELECT coalesce(max(xid), 0) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint \
               FROM change";
    Sql::new(sql).typed::<Bool>().get_result(connection)
}

/// Puts restored changes before all that this cluster will ever write, in their order, and makes
/// cursors of the other cluster invalid: a follower that went on from one would miss changes.
fn settle_in(connection: &mut PgConnection, identity: &mut Identity) -> QueryResult<()> {
    tracing::info!("the database comes from another cluster: followers of changes start again");
    let sql = "UPDATE change SET xid = xid - (SELECT max(xid) + 1 FROM change)";
    Sql::new(sql).typed::<()>().execute(connection)?;
    identity.secret = Identity::draw().secret;
    let mut sql = Sql::new("UPDATE setting SET value = ");
    sql.bind(Bind::Bytes(identity.to_bytes())).push(" WHERE name = ");
    sql.bind(Bind::Text(IDENTITY.to_owned())).typed::<()>().execute(connection).map(|_| ())
}

fn registry(connection: &mut PgConnection) -> Result<Registry, StoreError> {
    let own = own_registry(connection)?;
    let rows: Vec<ParameterTuple> =
        Sql::new(parameters::NOT_PLAIN).typed::<ParameterColumns>().load(connection)?;
    let rows: Vec<ParameterRow> =
        rows.into_iter().map(ParameterRow::read).collect::<Result<_, _>>()?;
    Ok(parameters::with_customs(own, &rows))
}

fn own_registry(connection: &mut PgConnection) -> Result<Registry, StoreError> {
    let fresh = parameters::in_order();
    let digest = fresh.digest.to_be_bytes();
    let mut sql = Sql::new("SELECT value FROM setting WHERE name = ");
    sql.bind(Bind::Text(PARAMETERS.to_owned()));
    let stored: Option<Vec<u8>> = sql.typed::<Binary>().get_result(connection).optional()?;
    if stored.as_deref() == Some(digest.as_slice()) {
        return Ok(fresh.registry);
    }
    if stored.is_none() {
        insert(connection, &fresh.rows)?;
        keep(connection, PARAMETERS, &digest)?;
        return Ok(fresh.registry);
    }
    let all = "SELECT p, type, code, url, state, progress, definition FROM parameter";
    let known: Vec<ParameterRow> = Sql::new(all)
        .typed::<ParameterColumns>()
        .load::<ParameterTuple>(connection)?
        .into_iter()
        .map(ParameterRow::read)
        .collect::<Result<_, _>>()?;
    let (registry, added) = parameters::interned(&known);
    presence::check(&registry)?;
    insert(connection, &added)?;
    Ok(registry)
}

fn insert(connection: &mut PgConnection, rows: &[ParameterRow]) -> QueryResult<()> {
    let mut sql = Sql::new("INSERT INTO parameter (p, type, code, url) SELECT * FROM unnest(");
    sql.bind(Bind::Numbers(rows.iter().map(|row| row.p).collect())).push(", ");
    sql.bind(Bind::Numbers(rows.iter().map(|row| row.resource_type).collect())).push(", ");
    sql.bind(Bind::Texts(rows.iter().map(|row| row.code.clone()).collect())).push(", ");
    sql.bind(Bind::Texts(rows.iter().map(|row| row.url.clone()).collect())).push(")");
    sql.typed::<()>().execute(connection).map(|_| ())
}

fn dictionaries(connection: &mut PgConnection) -> QueryResult<Vec<(i32, Vec<u8>)>> {
    for (number, content) in codec::EMBEDDED {
        let mut sql = Sql::new("INSERT INTO dictionary (dict, content) VALUES (");
        sql.integer(*number).push(", ").bind(Bind::Bytes(content.to_vec()));
        sql.push(") ON CONFLICT DO NOTHING").typed::<()>().execute(connection)?;
    }
    Sql::new("SELECT dict, content FROM dictionary ORDER BY dict")
        .typed::<(Integer, Binary)>()
        .load(connection)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use diesel::sql_types::Text;
    use diesel_migrations::MigrationHarness;

    use super::*;
    use crate::url::DatabaseUrl;

    fn schema(connection: &mut PgConnection) -> Vec<String> {
        let columns = Sql::new(
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable \
             FROM information_schema.columns WHERE table_schema = 'public' \
             AND table_name NOT LIKE '\\_\\_diesel%' ORDER BY 1",
        );
        let indexes = Sql::new(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
             AND tablename NOT LIKE '\\_\\_diesel%' ORDER BY 1",
        );
        let mut all: Vec<String> = columns.typed::<Text>().load(connection).unwrap();
        all.extend(indexes.typed::<Text>().load::<String>(connection).unwrap());
        all
    }

    #[test]
    fn migrations_go_up_down_and_up_again() {
        let Some(cluster) = crate::testing::postgres() else { return };
        let DatabaseUrl::Postgres(url) = cluster.database() else { return };
        let mut connection = PgConnection::establish(&url).unwrap();
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        let first = schema(&mut connection);
        assert!(first.len() > 60, "{first:?}");
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut connection), Vec::<String>::new());
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut connection), first);
    }
}
