//! Embedded migrations, the same steps for both databases.

use diesel::backend::Backend;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use crate::error::StoreError;

/// Brings a database to the newest schema.
///
/// # Errors
/// `Newer` where the database has a migration that the program lacks.
pub(crate) fn migrate<DB: Backend, C: MigrationHarness<DB>>(
    connection: &mut C,
    known: &EmbeddedMigrations,
) -> Result<(), StoreError> {
    let names = MigrationSource::<DB>::migrations(known).map_err(StoreError::Open)?;
    let is_known = |version: &MigrationVersion<'_>| {
        names.iter().any(|migration| migration.name().version() == *version)
    };
    let applied = connection.applied_migrations().map_err(StoreError::Open)?;
    if let Some(newer) = applied.iter().find(|version| !is_known(version)) {
        return Err(StoreError::Newer(newer.to_string()));
    }
    if applied.len() < names.len() {
        connection.run_migrations(&names).map_err(StoreError::Open)?;
    }
    Ok(())
}
