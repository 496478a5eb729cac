//! `kantele terminology`: imports large code systems into the database.

use std::fmt::Write;

use fhir_interaction::App;
use fhir_terminology::import::{Given, Import};

use crate::cli::{self, ImportKind, TerminologyCommand};
use crate::config::Settings;
use crate::{Error, say};

/// Runs one of the commands.
///
/// # Errors
/// What is wrong with the files, a database that can't be opened.
pub(crate) fn run(settings: &Settings, command: &TerminologyCommand) -> Result<(), Error> {
    match command {
        TerminologyCommand::Import(arguments) => import(settings, arguments),
        TerminologyCommand::List => in_database(settings, |app| {
            let mut text = String::new();
            for each in app.imported_code_systems()? {
                writeln!(text, "{}\t{} concepts", each.canonical, each.concepts)?;
            }
            say(&text)
        }),
        TerminologyCommand::Remove { system } => in_database(settings, |app| {
            if app.remove_code_system(system)? {
                return say(&format!("removed {system}\n"));
            }
            Err(format!("{system} was not imported").into())
        }),
    }
}

fn import(settings: &Settings, arguments: &cli::Import) -> Result<(), Error> {
    let import = match arguments.kind {
        ImportKind::Loinc => Import::Loinc,
        ImportKind::Snomed => Import::Snomed,
        ImportKind::Icd10 => Import::Icd10,
    };
    say(&format!("{}\n", import.licence()))?;
    let given = Given { url: arguments.url.clone(), version: arguments.version.clone() };
    let system = import.read(&arguments.files, &given)?;
    in_database(settings, |app| {
        app.import_code_system(&system)?;
        say(&format!("imported {} with {} concepts\n", system.canonical(), system.len()))
    })
}

/// Opens the database for a command.
fn in_database(
    settings: &Settings,
    work: impl FnOnce(&App) -> Result<(), Error>,
) -> Result<(), Error> {
    let store = crate::store::open_alone(&settings.database)?;
    let app = App::new(store.clone(), settings.search.interaction.clone(), &[]);
    let done = work(&app);
    store.close();
    done
}
