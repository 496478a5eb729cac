//! Where value sets and code systems come from that are not embedded.

use std::convert::Infallible;
use std::sync::Arc;

use fhir_model::{Resource, ResourceType};

use crate::system::CodeSystem;

/// The value sets and code systems of a store, as far as the one who asks may see them.
pub trait Stored {
    /// Why the store could not answer.
    type Error;

    /// All ValueSets, CodeSystems or ConceptMaps (`of`) of this URL, in any order; only those of
    /// `version` where one is given.
    ///
    /// # Errors
    /// What the store fails with.
    fn canonicals(
        &mut self,
        of: ResourceType,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Self::Error>;

    /// The ValueSet of this id on this server (`ValueSet/id` in the place of a URL).
    ///
    /// # Errors
    /// What the store fails with.
    fn value_set_by_id(&mut self, id: &str) -> Result<Option<Arc<Resource>>, Self::Error>;

    /// A number that changes whenever one of the others may answer differently, so that what was
    /// made of older answers is thrown away; none where answers are for this question only (a
    /// permit hides some of them).
    ///
    /// # Errors
    /// What the store fails with.
    fn generation(&mut self) -> Result<Option<u64>, Self::Error> {
        Ok(None)
    }

    /// CodeSystems that add designations and properties to the system of this URL
    /// (`CodeSystem.supplements`), in any order.
    ///
    /// # Errors
    /// What the store fails with.
    fn supplements(&mut self, _url: &str) -> Result<Vec<Arc<Resource>>, Self::Error> {
        Ok(Vec::new())
    }

    /// All ConceptMaps, in any order.
    ///
    /// # Errors
    /// What the store fails with.
    fn concept_maps(&mut self) -> Result<Vec<Arc<Resource>>, Self::Error> {
        Ok(Vec::new())
    }

    /// A large code system that was imported, made ready; without a version the newest one.
    ///
    /// # Errors
    /// What the store fails with.
    fn imported(
        &mut self,
        _url: &str,
        _version: Option<&str>,
    ) -> Result<Option<Arc<CodeSystem>>, Self::Error> {
        Ok(None)
    }
}

/// A store with nothing in it: answers come from the embedded definitions alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingStored;

impl Stored for NothingStored {
    type Error = Infallible;

    fn canonicals(
        &mut self,
        _: ResourceType,
        _: &str,
        _: Option<&str>,
    ) -> Result<Vec<Arc<Resource>>, Infallible> {
        Ok(Vec::new())
    }

    fn value_set_by_id(&mut self, _: &str) -> Result<Option<Arc<Resource>>, Infallible> {
        Ok(None)
    }

    fn generation(&mut self) -> Result<Option<u64>, Infallible> {
        Ok(Some(0))
    }
}
