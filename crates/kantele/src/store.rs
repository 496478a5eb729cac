//! Opens the store as the settings say.

use fhir_store::Store;

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
