//! Opens the store as the settings say.

use fhir_store::{Store, StoreError};

use crate::Error;
use crate::config::Database;

/// Opens the database, which brings it to the current schema.
///
/// # Errors
/// Whatever keeps it from being used.
pub(crate) fn open(database: &Database) -> Result<Store, Error> {
    database.make_folder()?;
    Ok(Store::open(&database.url, &database.store)?)
}

/// As [`open`]; where a server has the database open, the words say what to do instead.
///
/// # Errors
/// Whatever keeps it from being used.
pub(crate) fn open_alone(database: &Database) -> Result<Store, Error> {
    open(database).map_err(|error| match error.downcast_ref::<StoreError>() {
        Some(StoreError::Locked(_)) => {
            format!("{error}; a running server is reached through --server URL").into()
        }
        Some(_) | None => error,
    })
}
