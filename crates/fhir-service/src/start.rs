//! From when an organisation stores a content: duties begin on different days for each.

use fhir_access::Claims;
use fhir_definitions::ResourceType;
use fhir_model::{FailureKind, Instant};

use crate::rule::Held;
use crate::service::Service;

impl Service {
    /// Why a caller may not write a type yet; nothing where it may, or where no day is set.
    #[must_use]
    pub fn too_early(
        &self,
        resource_type: ResourceType,
        claims: &Claims,
        now: Instant,
    ) -> Option<Held> {
        let mut lines = self.starts.iter().filter(|line| line.resource_type == resource_type);
        let asks = claims.organisation.as_ref().map(|organisation| organisation.value.as_str());
        let own = lines.clone().find(|line| {
            line.organisation.as_deref().is_some_and(|organisation| Some(organisation) == asks)
        });
        let line = own.or_else(|| lines.clone().find(|line| line.organisation.is_none()));
        let Some(line) = line else {
            // Days are set, and none for this one.
            let first = lines.next()?;
            let text = format!("the organisation of the token does not store {resource_type} here");
            return Some(Held::new(FailureKind::Forbidden, &first.rule, "Bundle", text));
        };
        if line.from.has_come(now) {
            return None;
        }
        let text = format!("{resource_type} is not stored here yet for this organisation");
        Some(Held::new(FailureKind::Forbidden, &line.rule, "Bundle", text))
    }
}
