//! Where documents go and what became of each.

use std::collections::HashSet;

use fhir_model::Failure;

use super::document::Document;
use super::local::Local;
use super::remote::Remote;
use crate::Error;

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Outcome {
    Created,
    Updated,
    Unchanged,
    /// A transaction or batch; with what was refused in a batch.
    Executed(Vec<Failure>),
    Refused(Failure),
}

/// The store or a server.
#[derive(Clone)]
pub(crate) enum Destination {
    Local(Local),
    Remote(Remote),
}

impl Destination {
    /// The positions of `file` that an earlier load has brought in.
    ///
    /// # Errors
    /// Whatever keeps the load from going on.
    pub(crate) async fn loaded(&self, file: &str) -> Result<HashSet<i64>, Error> {
        match self {
            Self::Local(local) => local.loaded(file).await,
            Self::Remote(_) => Ok(HashSet::new()),
        }
    }

    /// Loads one document.
    ///
    /// # Errors
    /// Whatever keeps the load from going on; a refused document is an outcome.
    pub(crate) async fn load(&self, document: &Document) -> Result<Outcome, Error> {
        let resource = match &document.parsed {
            Ok(resource) => resource,
            Err(failure) => return Ok(Outcome::Refused(failure.clone())),
        };
        match self {
            Self::Local(local) => local.load(document, resource).await,
            Self::Remote(remote) => remote.load(resource).await,
        }
    }

    /// Ends the work with it.
    pub(crate) fn close(&self) {
        match self {
            Self::Local(local) => local.close(),
            Self::Remote(_) => {}
        }
    }
}
