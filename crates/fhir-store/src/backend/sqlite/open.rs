//! Opening: lock, migrations, settings, parameters, dictionaries.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::result::OptionalExtension;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{QueryResult, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use fhir_search::{FullText, Registry};

use super::connection;
use super::statements::{
    AllDictionaries, AllParameters, BeginImmediate, Commit, DictionaryNumbers, GetSetting,
    InsertDictionary, InsertParameter, PutSetting,
};
use crate::backend::migrate::migrate;
use crate::backend::parameters::{self, ParameterColumns, ParameterRow, ParameterTuple};
use crate::backend::presence;
use crate::codec::{self, Codec};
use crate::core::{Core, FULL_TEXT, IDENTITY, Identity, PARAMETERS, ZONE};
use crate::error::StoreError;
use crate::full_text::Kept;
use crate::settings::StoreSettings;
use crate::sql::Sql;
use crate::trace::journal;

pub(crate) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Takes the file beside the database that says "in use"; the system frees it with the process.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    let open = |error: std::io::Error| StoreError::Open(error.into());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(open)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&name)
        .map_err(open)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(open(error)),
    }
}

/// A migrated database with everything read that a store needs.
pub(crate) fn open(
    path: &Path,
    settings: &StoreSettings,
) -> Result<(Core, SqliteConnection), StoreError> {
    let mut connection = connection::writing(path, settings)?;
    migrate::<Sqlite, _>(&mut connection, &MIGRATIONS)?;
    BeginImmediate::new().execute(&mut connection)?;
    let kept = keep(&mut connection, settings);
    if kept.is_err() {
        let _ = connection.batch_execute("ROLLBACK");
    }
    let (registry, identity) = kept?;
    Commit::new().execute(&mut connection)?;
    journal::recover(&mut connection, path, &identity.secret)?;
    let codec = Codec::new(&dictionaries(&mut connection)?);
    Ok((Core::new(registry, &identity, codec, settings), connection))
}

fn keep(
    connection: &mut SqliteConnection,
    settings: &StoreSettings,
) -> Result<(Registry, Identity), StoreError> {
    let identity = match get(connection, IDENTITY)? {
        Some(bytes) => Identity::from_bytes(&bytes)
            .ok_or_else(|| StoreError::Damaged("the identity of the database".into()))?,
        None => {
            let identity = Identity::draw();
            put(connection, IDENTITY, &identity.to_bytes())?;
            identity
        }
    };
    let configured = settings.zone.name();
    match get(connection, ZONE)? {
        None => put(connection, ZONE, configured.as_bytes())?,
        Some(stored) if stored == configured.as_bytes() => {}
        Some(stored) => {
            return Err(StoreError::OtherZone {
                stored: String::from_utf8_lossy(&stored).into_owned(),
                configured: configured.to_owned(),
            });
        }
    }
    let full_text = full_text(connection, settings.full_text)?;
    let known: Vec<i32> = DictionaryNumbers::new().load(connection)?;
    for (number, content) in codec::EMBEDDED {
        if !known.contains(number) {
            InsertDictionary::new(*number, content).execute(connection)?;
        }
    }
    Ok((registry(connection)?.with_full_text(full_text), identity))
}

/// Whether there is full text from now on.
fn full_text(connection: &mut SqliteConnection, is_wanted: bool) -> Result<FullText, StoreError> {
    let damaged = || StoreError::Damaged("the state of the full text".into());
    let stored = get(connection, FULL_TEXT)?;
    let stored = stored.map(|bytes| Kept::from_bytes(&bytes).ok_or_else(damaged)).transpose()?;
    let kept = Kept::opened(stored, is_wanted);
    if Some(kept) != stored {
        put(connection, FULL_TEXT, &kept.to_bytes())?;
        if stored.is_some() {
            connection.batch_execute("INSERT INTO words (words) VALUES ('delete-all')")?;
        }
    }
    Ok(kept.state())
}

fn registry(connection: &mut SqliteConnection) -> Result<Registry, StoreError> {
    let own = own_registry(connection)?;
    let rows: Vec<ParameterTuple> =
        Sql::new(parameters::NOT_PLAIN).typed::<ParameterColumns>().load(connection)?;
    let rows: Vec<ParameterRow> =
        rows.into_iter().map(ParameterRow::read).collect::<Result<_, _>>()?;
    Ok(parameters::with_customs(own, &rows))
}

fn own_registry(connection: &mut SqliteConnection) -> Result<Registry, StoreError> {
    let fresh = parameters::in_order();
    let digest = fresh.digest.to_be_bytes();
    let stored = get(connection, PARAMETERS)?;
    if stored.as_deref() == Some(digest.as_slice()) {
        return Ok(fresh.registry);
    }
    if stored.is_none() {
        insert(connection, &fresh.rows)?;
        put(connection, PARAMETERS, &digest)?;
        return Ok(fresh.registry);
    }
    let known: Vec<ParameterRow> = AllParameters::new()
        .load::<ParameterTuple>(connection)?
        .into_iter()
        .map(ParameterRow::read)
        .collect::<Result<_, _>>()?;
    let (registry, added) = parameters::interned(&known);
    presence::check(&registry)?;
    insert(connection, &added)?;
    Ok(registry)
}

fn insert(connection: &mut SqliteConnection, rows: &[ParameterRow]) -> QueryResult<()> {
    for row in rows {
        InsertParameter::new(row.p, row.resource_type, &row.code, &row.url).execute(connection)?;
    }
    Ok(())
}

fn dictionaries(connection: &mut SqliteConnection) -> QueryResult<Vec<(i32, Vec<u8>)>> {
    let numbers: Vec<i32> = DictionaryNumbers::new().load(connection)?;
    let is_shipped = |number: &i32| codec::EMBEDDED.iter().any(|(shipped, _)| shipped == number);
    if numbers.iter().all(is_shipped) {
        return Ok(Vec::new());
    }
    AllDictionaries::new().load(connection)
}

fn get(connection: &mut SqliteConnection, name: &str) -> QueryResult<Option<Vec<u8>>> {
    GetSetting::new(name).get_result(connection).optional()
}

fn put(connection: &mut SqliteConnection, name: &str, value: &[u8]) -> QueryResult<()> {
    PutSetting::new(name, value).execute(connection).map(|_| ())
}

#[cfg(test)]
mod tests {
    use diesel::Connection;
    use diesel::sql_types::Text;
    use diesel_migrations::MigrationHarness;

    use super::*;

    fn schema(connection: &mut SqliteConnection) -> Vec<String> {
        let sql = Sql::new(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL \
             AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' ORDER BY type, name",
        );
        sql.typed::<Text>().load(connection).unwrap()
    }

    #[test]
    fn migrations_go_up_down_and_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.sqlite");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        let first = schema(&mut connection);
        assert!(first.len() > 20, "{first:?}");
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut connection), Vec::<String>::new());
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        assert_eq!(schema(&mut connection), first);
    }

    #[test]
    fn a_newer_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.sqlite");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.run_pending_migrations(MIGRATIONS).unwrap();
        connection
            .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101')")
            .unwrap();
        let refused = migrate::<Sqlite, _>(&mut connection, &MIGRATIONS);
        assert!(matches!(refused, Err(StoreError::Newer(_))), "{refused:?}");
    }
}
