//! Loading into the store itself, which no other process may have open.

use std::collections::HashSet;

use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_interaction::load::{self, Loaded};
use fhir_interaction::{App, Preferences, Request};
use fhir_model::{FailureKind, Resource};
use fhir_store::{Store, StoreError};

use super::destination::Outcome;
use super::document::Document;
use crate::Error;
use crate::config::Settings;

/// The store, opened by this process alone.
#[derive(Clone)]
pub(crate) struct Local {
    store: Store,
    app: App,
    request: Request,
}

impl Local {
    /// Opens the database.
    ///
    /// # Errors
    /// Where it is in use or cannot be opened.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let store = match crate::store::open(&settings.database) {
            Err(error) if is_locked(error.as_ref()) => {
                return Err(
                    format!("{error}; a running server is loaded through --server URL").into()
                );
            }
            opened => opened?,
        };
        let app = App::new(
            store.clone(),
            settings.search.interaction.clone(),
            kanta_rules::rules(settings.identifiers),
        );
        let base = settings.network.base_url.clone();
        let base = base.unwrap_or_else(|| format!("http://{}/fhir", settings.network.listen));
        let (prefer, record) = (Preferences::default(), Record::default());
        let request = Request { caller: Caller::everyone(), base, prefer, record };
        Ok(Self { store, app, request })
    }

    /// The positions of `file` that are in the store.
    ///
    /// # Errors
    /// The store's own failure.
    pub(crate) async fn loaded(&self, file: &str) -> Result<HashSet<i64>, Error> {
        let found = load::loaded(&self.app, &self.request, file.to_owned()).await?;
        Ok(found.into_iter().collect())
    }

    /// Loads a resource and leaves its mark in the same commit.
    ///
    /// # Errors
    /// The store's own failure.
    pub(crate) async fn load(
        &self,
        document: &Document,
        resource: &Resource,
    ) -> Result<Outcome, Error> {
        match load::load(&self.app, &self.request, resource, document.mark.clone()).await {
            Ok(Loaded::Created) => Ok(Outcome::Created),
            Ok(Loaded::Updated) => Ok(Outcome::Updated),
            Ok(Loaded::Unchanged) => Ok(Outcome::Unchanged),
            Ok(Loaded::Executed(failures)) => Ok(Outcome::Executed(failures)),
            // Says nothing about the document: the load goes on when it is started again.
            Err(failure) if failure.kind == FailureKind::Unavailable => Err(failure.into()),
            Err(failure) => Ok(Outcome::Refused(failure)),
        }
    }

    /// Closes the store.
    pub(crate) fn close(&self) {
        self.store.close();
    }
}

fn is_locked(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(|error| matches!(error, StoreError::Locked(_)))
}
