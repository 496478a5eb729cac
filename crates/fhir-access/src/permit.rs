//! The gate and the proof that somebody passed it.

use fhir_definitions::ResourceType;
use fhir_search::Predicate;

use crate::{Ask, Decision, Interaction, Policy, Refusal};

/// Proof that the policy allowed one interaction; made by [`gate`] and by nothing else.
#[derive(Clone, Debug)]
pub struct Permit {
    interaction: Interaction,
    resource_type: Option<ResourceType>,
    predicates: Vec<Predicate>,
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn interaction(&self) -> Interaction {
        self.interaction
    }

    /// The type it was allowed for; none means over all types.
    #[must_use]
    pub fn resource_type(&self) -> Option<ResourceType> {
        self.resource_type
    }

    /// What every resource that is read under this permit must satisfy: to be added to the query.
    #[must_use]
    pub fn predicates(&self) -> &[Predicate] {
        &self.predicates
    }
}

/// Asks the policy once.
///
/// # Errors
/// The policy's refusal.
pub fn gate(policy: &dyn Policy, ask: &Ask<'_>) -> Result<Permit, Refusal> {
    match policy.decide(ask) {
        Decision::Allow(predicates) => Ok(Permit {
            interaction: ask.interaction,
            resource_type: ask.resource_type,
            predicates,
        }),
        Decision::Refuse(refusal) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AllowAll, Caller};

    struct ReadersOnly;

    impl Policy for ReadersOnly {
        fn decide(&self, ask: &Ask<'_>) -> Decision {
            if ask.interaction.writes() {
                return Decision::Refuse(Refusal::Forbidden);
            }
            Decision::Allow(Vec::new())
        }
    }

    #[test]
    fn a_permit_is_what_the_policy_said() {
        let caller = Caller::everyone();
        let ask = Ask { caller: &caller, interaction: Interaction::Update, resource_type: None };
        assert!(gate(&AllowAll, &ask).is_ok());
        assert_eq!(gate(&ReadersOnly, &ask).unwrap_err(), Refusal::Forbidden);
        let ask = Ask { interaction: Interaction::Read, ..ask };
        let permit = gate(&ReadersOnly, &ask).unwrap();
        assert_eq!(permit.interaction(), Interaction::Read);
        assert!(permit.predicates().is_empty());
    }
}
