//! Code systems that were imported: kept in the database as bytes, read when first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fhir_model::{Failure, FailureKind};
use fhir_store::{KeptKind, KeptName, NewKept};
use fhir_terminology::CodeSystem;

use crate::app::App;

/// Systems that were read, with the revision of their bytes. They stay when other definitions
/// change: reading a large one takes a moment.
#[derive(Debug, Default)]
pub(crate) struct Imported(Mutex<HashMap<String, (i64, Arc<CodeSystem>)>>);

/// An imported code system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedSystem {
    /// `url|version`.
    pub canonical: String,
    /// How many concepts it has.
    pub concepts: u64,
}

impl App {
    /// Keeps a code system, in the place of one of the same URL and version. The caller is the
    /// operator.
    ///
    /// # Errors
    /// The store's failures, and `Bug` where the system cannot be packed.
    pub fn import_code_system(&self, system: &CodeSystem) -> Result<(), Failure> {
        let body = system.to_bytes().map_err(|error| {
            tracing::error!(%error, "a code system was not packed");
            Failure::new(FailureKind::Bug, "the code system was not packed")
        })?;
        let name = system.canonical();
        let before = self.kept(KeptKind::CodeSystem, &name)?;
        let new = NewKept {
            kind: KeptKind::CodeSystem,
            name,
            after: before.map_or(0, |(revision, _)| revision),
            about: system.len().to_string(),
            body,
        };
        let is_kept = self.keep(new)?;
        self.knowledge().forget();
        if is_kept {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Conflict, "another import came between: try again"))
    }

    /// The imported code systems, sorted by name.
    ///
    /// # Errors
    /// The store's failures.
    pub fn imported_code_systems(&self) -> Result<Vec<ImportedSystem>, Failure> {
        let names = self.kept_names(KeptKind::CodeSystem)?.into_iter();
        Ok(names
            .map(|each| ImportedSystem {
                concepts: each.about.parse().unwrap_or(0),
                canonical: each.name,
            })
            .collect())
    }

    /// Removes an imported code system by `url|version`; false where there is none.
    ///
    /// # Errors
    /// The store's failures.
    pub fn remove_code_system(&self, canonical: &str) -> Result<bool, Failure> {
        let is_gone = self.drop_kept(KeptKind::CodeSystem, canonical)?;
        self.knowledge().forget();
        Ok(is_gone)
    }

    /// The system of this URL; without a version the newest, by the order of their names.
    pub(super) fn imported_system(
        &self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Option<Arc<CodeSystem>>, Failure> {
        let of = |name: &KeptName| {
            name.name.strip_prefix(url).and_then(|rest| rest.strip_prefix('|')).map(str::to_owned)
        };
        let is_asked = |found: &str| {
            version.is_none_or(|asked| {
                found == asked || found.strip_prefix(asked).is_some_and(|it| it.starts_with('/'))
            })
        };
        let names = self.kept_names(KeptKind::CodeSystem)?;
        let found = names.into_iter().filter(|name| of(name).is_some_and(|it| is_asked(&it)));
        let newest = found.max_by(|one, other| {
            let version = |name| of(name).unwrap_or_default();
            fhir_package::compare_versions(&version(one), &version(other))
        });
        let Some(name) = newest else { return Ok(None) };
        let mut read = self.knowledge().imported().0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, system)) = read.get(&name.name)
            && *revision == name.revision
        {
            return Ok(Some(Arc::clone(system)));
        }
        let Some((revision, body)) = self.kept(KeptKind::CodeSystem, &name.name)? else {
            return Ok(None);
        };
        let Some(system) = CodeSystem::from_bytes(&body) else {
            tracing::error!(name = %name.name, "an imported code system cannot be read");
            return Ok(None);
        };
        let system = Arc::new(system);
        read.insert(name.name, (revision, Arc::clone(&system)));
        Ok(Some(system))
    }
}
