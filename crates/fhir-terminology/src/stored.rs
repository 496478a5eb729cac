//! Where value sets and code systems come from that are not embedded.

use std::convert::Infallible;

use fhir_model::Resource;

/// The value sets and code systems of a store, as far as the one who asks may see them.
pub trait Stored {
    /// Why the store could not answer.
    type Error;

    /// All ValueSets of this URL, in any order; only those of `version` where one is given.
    ///
    /// # Errors
    /// What the store fails with.
    fn value_sets(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Resource>, Self::Error>;

    /// All CodeSystems of this URL, in any order; only those of `version` where one is given.
    ///
    /// # Errors
    /// What the store fails with.
    fn code_systems(
        &mut self,
        url: &str,
        version: Option<&str>,
    ) -> Result<Vec<Resource>, Self::Error>;

    /// The ValueSet of this id on this server (`ValueSet/id` in the place of a URL).
    ///
    /// # Errors
    /// What the store fails with.
    fn value_set_by_id(&mut self, id: &str) -> Result<Option<Resource>, Self::Error>;
}

/// A store with nothing in it: answers come from the embedded definitions alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingStored;

impl Stored for NothingStored {
    type Error = Infallible;

    fn value_sets(&mut self, _: &str, _: Option<&str>) -> Result<Vec<Resource>, Infallible> {
        Ok(Vec::new())
    }

    fn code_systems(&mut self, _: &str, _: Option<&str>) -> Result<Vec<Resource>, Infallible> {
        Ok(Vec::new())
    }

    fn value_set_by_id(&mut self, _: &str) -> Result<Option<Resource>, Infallible> {
        Ok(None)
    }
}
