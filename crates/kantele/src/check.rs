//! `kantele check` and `kantele migrate`.

use crate::config::Settings;
use crate::{Error, say, store};

/// Brings the database to the current schema.
///
/// # Errors
/// Whatever keeps it from being opened.
pub(crate) fn migrate(settings: &Settings) -> Result<(), Error> {
    let store = store::open(&settings.database)?;
    store.close();
    say(&format!("{} has the schema of this program\n", settings.database.url))
}

/// Checks the settings, which were read by now, and the store.
///
/// # Errors
/// What is wrong with the store.
pub(crate) fn run(settings: &Settings) -> Result<(), Error> {
    say("settings: ok\n")?;
    let store = store::open(&settings.database)?;
    say(&format!("store: {} opens, schema ok\n", settings.database.url))?;
    store.close();
    Ok(())
}
