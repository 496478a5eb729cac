//! A world that is a list: what queries mean, the plain way.

use std::convert::Infallible;

use fhir_definitions::ResourceType;
use fhir_search::{Found, ParameterId, World};

/// All resources there are.
pub(crate) struct Population<'a>(pub(crate) &'a [Found]);

impl World for Population<'_> {
    type Error = Infallible;

    fn targets(&mut self, hashes: &[i64], target: ResourceType) -> Result<Vec<Found>, Infallible> {
        let is_meant =
            |found: &&Found| found.key.resource_type == target && hashes.contains(&found.hash);
        Ok(self.0.iter().filter(is_meant).cloned().collect())
    }

    fn referring(
        &mut self,
        hash: i64,
        parameters: &[ParameterId],
    ) -> Result<Vec<Found>, Infallible> {
        let refers = |found: &&Found| {
            let mut rows = found.rows.reference.iter();
            rows.any(|row| row.target == hash && parameters.iter().any(|p| p.0 == row.p))
        };
        Ok(self.0.iter().filter(refers).cloned().collect())
    }
}
