//! Connections with their settings.

use std::path::Path;

use diesel::connection::{Connection, SimpleConnection};
use diesel::sqlite::SqliteConnection;

use crate::budget;
use crate::error::StoreError;
use crate::settings::StoreSettings;

/// The writer's connection: write-ahead log, and a flush at each commit.
pub(crate) fn writing(
    path: &Path,
    settings: &StoreSettings,
) -> Result<SqliteConnection, StoreError> {
    let mut connection = establish(path)?;
    let text = format!(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA wal_autocheckpoint = 32768; PRAGMA foreign_keys = OFF; \
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; PRAGMA mmap_size = {};",
        settings.cache_kib.saturating_mul(4),
        u64::from(settings.mmap_mib) << 20
    );
    connection.batch_execute(&text).map_err(|error| StoreError::Open(error.into()))?;
    Ok(connection)
}

/// A connection that cannot write.
pub(crate) fn reading(
    path: &Path,
    settings: &StoreSettings,
) -> Result<SqliteConnection, StoreError> {
    let mut connection = establish(path)?;
    let text = format!(
        "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -{}; PRAGMA mmap_size = {};",
        settings.cache_kib,
        u64::from(settings.mmap_mib) << 20
    );
    connection.batch_execute(&text).map_err(|error| StoreError::Open(error.into()))?;
    Ok(connection)
}

fn establish(path: &Path) -> Result<SqliteConnection, StoreError> {
    budget::install();
    let text = path.to_str().ok_or_else(|| {
        StoreError::Open("the path of the database is not Unicode".to_owned().into())
    })?;
    SqliteConnection::establish(text).map_err(|error| StoreError::Open(error.into()))
}
